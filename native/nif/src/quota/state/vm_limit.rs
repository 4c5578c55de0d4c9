//! The `max_heap_size` that a quota gave its process.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A `max_heap_size` that differs from the quota's own by at most this part (1 / 16) is taken for it.
const TOLERANCE: u64 = 16;

/// The VM's own limit on a process.
#[derive(Default)]
pub struct VmLimit {
    /// 0 where the quota set none.
    bytes: AtomicU64,
    counts_binaries: AtomicBool,
    /// The limit only reports what collections need: `Quota.measure/1`.
    measuring: AtomicBool,
}

impl VmLimit {
    /// The VM kills the process above `bytes`, which include binaries if `counts_binaries`.
    pub fn set(&self, bytes: u64, counts_binaries: bool) {
        self.counts_binaries
            .store(counts_binaries, Ordering::Release);
        self.bytes.store(bytes, Ordering::Release);
    }

    /// From now on the VM's events report what collections need, and no breach.
    pub fn measure(&self) {
        self.measuring.store(true, Ordering::Release);
    }

    /// Whether the VM's events report what collections need.
    pub fn is_measuring(&self) -> bool {
        self.measuring.load(Ordering::Acquire)
    }

    /// Whether the VM reports that this limit was exceeded, and not a lower one that the process has set itself.
    pub fn is_exceeded_by(&self, heap: u64, binaries: u64) -> bool {
        let bytes = self.bytes.load(Ordering::Acquire);
        let counted = match self.counts_binaries.load(Ordering::Acquire) {
            true => heap.saturating_add(binaries),
            false => heap,
        };
        // The VM's sum differs from this one by a few words, which depend on what it is about to do.
        bytes > 0 && counted >= bytes - bytes / TOLERANCE
    }
}
