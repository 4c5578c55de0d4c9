//! Figures of accounts as terms.

use bounded_core::arena::account::{Account, Usage};
use rustler::{Encoder, Env, OwnedBinary, Term};

/// `{heap, binaries, native, total, peak}`, in bytes.
pub type UsageTuple = (u64, u64, u64, u64, u64);

pub fn tuple(usage: Usage) -> UsageTuple {
    (
        usage.heap,
        usage.binaries,
        usage.native,
        usage.total,
        usage.peak,
    )
}

/// `{{heap, binaries, native, ets, total, peak}, {heap, binaries, native, ets}}`: current figures, and the peaks.
pub fn details(account: &Account) -> impl Encoder {
    detailed(account.usage(), account.peaks())
}

/// As `details`, with the figures of another moment.
pub fn detailed(usage: Usage, peaks: Usage) -> impl Encoder {
    (
        (
            usage.heap,
            usage.binaries,
            usage.native,
            usage.ets,
            usage.total,
            usage.peak,
        ),
        (peaks.heap, peaks.binaries, peaks.native, peaks.ets),
    )
}

/// A copy of `bytes` as a binary of the VM's own, or nil without bytes.
pub fn bytes<'a>(env: Env<'a>, bytes: &[u8]) -> Option<Term<'a>> {
    if bytes.is_empty() {
        return None;
    }
    let mut binary = OwnedBinary::new(bytes.len());
    binary.as_mut_slice().copy_from_slice(bytes);
    Some(binary.release(env).to_term(env))
}
