//! A pool: admissions to a fixed number of bytes.
//!
//! ```text
//!   size    |<-- admitted to running quotas -->|<- orphaned ->|<---- free ---->|
//!   state   [ queued | paused | bytes reserved: admitted and orphaned ]   one atomic word
//! ```
//!
//! Admission is one compare-and-swap, and so is giving bytes back. A request that finds no room may queue. The
//! queue itself lives with its keeper (in the VM, the pool's process). The keeper raises the `queued` flag, so that
//! newcomers do not overtake those who wait, and so that the keeper is notified when bytes are given back.
//!
//! An [`Admission`] belongs to the account of the quota it was granted for. When that account closes,
//! the admission shrinks to what is still reserved of it, and those bytes go back one by one as they
//! are refunded. So the pool never counts memory as free that is still in use.

mod labels;

pub use crate::arena::pool::labels::Holder;
use crate::arena::pool::labels::{Label, Labels};
use crate::sync::{Arc, AtomicBool, AtomicU64, Ordering};

/// The queue is not empty: newcomers must queue too.
const QUEUED: u64 = 1 << 63;
/// No request is admitted, not even from the queue.
const PAUSED: u64 = 1 << 62;
const BYTES: u64 = PAUSED - 1;

/// No pool and no admission can be larger; keeps sums far from the flags.
const MAX_BYTES: u64 = 1 << 60;

/// Why there was no admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// More than the whole pool: it never will be.
    TooLarge,
    /// Not enough is free.
    Full,
    /// Others wait already.
    Queued,
    /// The node is short of memory.
    Paused,
}

/// An admission that was not granted, with the figures that decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub reason: Reason,
    /// Bytes asked for.
    pub asked: u64,
    /// Bytes that were free.
    pub free: u64,
}

/// A pool's figures at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Bytes that can be reserved.
    pub size: u64,
    /// Bytes reserved, `orphaned` included.
    pub reserved: u64,
    /// The part of `reserved` that outlived its quota.
    pub orphaned: u64,
    /// The largest `reserved` seen.
    pub peak: u64,
    /// Admissions held at this moment.
    pub running: u64,
    /// Admissions granted so far.
    pub admitted: u64,
    /// Requests turned away so far.
    pub refused: u64,
    /// The length of the queue.
    pub waiting: u64,
    pub paused: bool,
}

/// The ledger of one pool.
#[derive(Debug)]
pub struct Pool {
    size: AtomicU64,
    state: AtomicU64,
    orphaned: AtomicU64,
    peak: AtomicU64,
    running: AtomicU64,
    admitted: AtomicU64,
    refused: AtomicU64,
    /// The length of the queue, as last reported by its keeper.
    waiting: AtomicU64,
    /// The keeper of the queue, as a number that the layer above chose; 0 for none.
    keeper: AtomicU64,
    labels: Labels,
}

impl Pool {
    /// A pool of `size` bytes.
    pub fn new(size: u64) -> Arc<Pool> {
        Arc::new(Pool {
            size: AtomicU64::new(size.min(MAX_BYTES)),
            state: AtomicU64::new(0),
            orphaned: AtomicU64::new(0),
            peak: AtomicU64::new(0),
            running: AtomicU64::new(0),
            admitted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            keeper: AtomicU64::new(0),
            labels: Labels::default(),
        })
    }

    /// From now on `size` bytes can be reserved. Earlier reservations stay valid.
    pub fn resize(&self, size: u64) {
        self.size.store(size.min(MAX_BYTES), Ordering::Release);
    }

    /// Admits a newcomer for `bytes`, if there is room and the queue is empty.
    pub fn admit(pool: &Arc<Pool>, bytes: u64, label: Option<&[u8]>) -> Result<Admission, Refusal> {
        Pool::grant(pool, bytes, label, QUEUED | PAUSED)
    }

    /// Admits the head of the queue for `bytes`, if there is room.
    pub fn admit_queued(
        pool: &Arc<Pool>,
        bytes: u64,
        label: Option<&[u8]>,
    ) -> Result<Admission, Refusal> {
        Pool::grant(pool, bytes, label, PAUSED)
    }

    fn grant(
        pool: &Arc<Pool>,
        bytes: u64,
        label: Option<&[u8]>,
        barred_by: u64,
    ) -> Result<Admission, Refusal> {
        let size = pool.size.load(Ordering::Acquire);
        let room = |state: u64| size.saturating_sub(state & BYTES);
        let before = pool
            .state
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
                (state & barred_by == 0 && bytes <= room(state)).then(|| state + bytes)
            })
            .map_err(|state| Refusal {
                reason: if bytes > size {
                    Reason::TooLarge
                } else if state & PAUSED != 0 {
                    Reason::Paused
                } else if state & barred_by != 0 {
                    Reason::Queued
                } else {
                    Reason::Full
                },
                asked: bytes,
                free: room(state),
            })?;
        pool.note_peak((before & BYTES) + bytes);
        pool.running.fetch_add(1, Ordering::Relaxed);
        pool.admitted.fetch_add(1, Ordering::Relaxed);
        Ok(Admission {
            pool: Arc::clone(pool),
            bytes,
            label: label.map(|label| pool.labels.add(label, bytes)),
            held: AtomicBool::new(true),
        })
    }

    /// Someone was turned away for good.
    pub fn note_refusal(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Sets the length of the queue; newcomers queue unless it is 0. Call this before looking for room on behalf of the
    /// queue: a thread that gives bytes back afterwards then sees that someone waits.
    pub fn set_waiting(&self, count: u64) {
        self.waiting.store(count, Ordering::Relaxed);
        self.set(QUEUED, count > 0);
    }

    /// Sets whether no request is admitted, because the node is short of memory.
    pub fn set_paused(&self, paused: bool) {
        self.set(PAUSED, paused);
    }

    fn set(&self, flag: u64, on: bool) {
        if on {
            self.state.fetch_or(flag, Ordering::AcqRel);
        } else {
            self.state.fetch_and(!flag, Ordering::AcqRel);
        }
    }

    /// Whether someone waits for bytes to be given back.
    pub fn is_queued(&self) -> bool {
        self.state.load(Ordering::Acquire) & QUEUED != 0
    }

    /// The keeper of the queue; 0 for none.
    pub fn keeper(&self) -> u64 {
        self.keeper.load(Ordering::Acquire)
    }

    /// From now on `keeper` keeps the queue.
    pub fn set_keeper(&self, keeper: u64) {
        self.keeper.store(keeper, Ordering::Release);
    }

    /// Everything worth knowing at this moment. The figures are read one after the other.
    pub fn figures(&self) -> Figures {
        let state = self.state.load(Ordering::Acquire);
        Figures {
            size: self.size.load(Ordering::Acquire),
            reserved: state & BYTES,
            orphaned: never_negative(self.orphaned.load(Ordering::Acquire)),
            peak: self.peak.load(Ordering::Relaxed),
            running: self.running.load(Ordering::Relaxed),
            admitted: self.admitted.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            waiting: self.waiting.load(Ordering::Relaxed),
            paused: state & PAUSED != 0,
        }
    }

    /// The bytes held, by label: the first `most` labels behind the label `after`.
    pub fn holders(&self, after: Option<&[u8]>, most: usize) -> Vec<Holder> {
        self.labels.holders(after, most)
    }

    /// Counts bytes of an account that grew after its quota had ended: no admission covers them, but they are in use.
    pub(crate) fn orphan(&self, bytes: u64) {
        self.orphaned.fetch_add(bytes, Ordering::AcqRel);
        let before = self.state.fetch_add(bytes, Ordering::AcqRel);
        self.note_peak((before & BYTES) + bytes);
    }

    /// Bytes that outlived their quota are gone at last.
    pub(crate) fn refund_orphan(&self, bytes: u64) {
        self.orphaned.fetch_sub(bytes, Ordering::AcqRel);
        self.state.fetch_sub(bytes, Ordering::AcqRel);
    }

    fn note_peak(&self, reserved: u64) {
        if reserved > self.peak.load(Ordering::Relaxed) {
            self.peak.fetch_max(reserved, Ordering::Relaxed);
        }
    }
}

/// A count that two threads change in either order may pass below zero for a moment.
pub(crate) fn never_negative(count: u64) -> u64 {
    if count > MAX_BYTES { 0 } else { count }
}

/// Bytes of a pool, given back when settled or dropped.
#[derive(Debug)]
pub struct Admission {
    pool: Arc<Pool>,
    bytes: u64,
    label: Option<Label>,
    held: AtomicBool,
}

impl Admission {
    /// The pool that granted it.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Bytes granted.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The quota has ended: gives everything back but the bytes that outlived it, which
    /// [`Pool::refund_orphan`] gives back one by one. Settling twice changes nothing.
    pub(crate) fn settle(&self, outlived: u64) {
        if !self.held.swap(false, Ordering::AcqRel) {
            return;
        }
        let pool = &self.pool;
        if let Some(label) = &self.label {
            pool.labels.remove(label, self.bytes);
        }
        pool.orphaned.fetch_add(outlived, Ordering::AcqRel);
        // In one step, so that the bytes that stay cannot be reserved for another request.
        pool.state
            .fetch_add(outlived.wrapping_sub(self.bytes), Ordering::AcqRel);
        pool.running.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.settle(0);
    }
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used)]
mod tests;

#[cfg(all(test, loom))]
mod loom_tests;
