//! The figures of accounts: what is in use, and what was refused.

/// The limit of an account without one.
pub const UNLIMITED: u64 = u64::MAX;

/// No reservation can be larger; keeps every sum of two figures far from overflow.
pub(super) const MAX_BYTES: u64 = 1 << 60;

/// The use of reserved bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Memory that only this ledger sees: parser buffers, tables.
    Native,
    /// Payloads of binaries, which the VM counts as well in every process that holds them.
    Binary,
}

/// A reservation that was refused, and by which figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Bytes asked for.
    pub requested: u64,
    /// Limit in bytes of the account that refused: the caller's own or one of its ancestors. [`UNLIMITED`] where none
    /// did: the system has not that much.
    pub limit: u64,
    /// Bytes that account had in use, the VM's share included.
    pub used: u64,
}

/// The usage of an account, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Process heaps, stacks and mailboxes, as last observed.
    pub heap: u64,
    /// Binaries: the larger of what the VM was seen to hold and what was handed out.
    pub binaries: u64,
    /// Native memory that the VM does not see.
    pub native: u64,
    /// ETS tables, where they are counted.
    pub ets: u64,
    /// Everything together, nothing counted twice.
    pub total: u64,
    /// The largest `total` seen.
    pub peak: u64,
}
