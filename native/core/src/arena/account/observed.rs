//! The VM's own usage for an account, as last observed: each figure replaces the one before; none is a reservation.

use crate::arena::account::Account;
use crate::arena::account::usage::MAX_BYTES;
use crate::sync::{AtomicBool, AtomicU64, Mutex, MutexGuard, Ordering};
use std::sync::PoisonError;

/// One figure: everything below the account, the account's own share, and what its ancestors count of it.
#[derive(Debug)]
struct Figure {
    sum: AtomicU64,
    own: AtomicU64,
    passed_on: AtomicU64,
}

impl Figure {
    fn new() -> Figure {
        Figure {
            sum: AtomicU64::new(0),
            own: AtomicU64::new(0),
            passed_on: AtomicU64::new(0),
        }
    }

    fn get(&self) -> u64 {
        self.sum.load(Ordering::Acquire)
    }

    fn replace_own(&self, new: u64) {
        let old = self.own.swap(new, Ordering::AcqRel);
        self.sum.fetch_add(new.wrapping_sub(old), Ordering::AcqRel);
    }

    /// What is below the account. Nobody may report meanwhile.
    fn others(&self) -> u64 {
        self.get().saturating_sub(self.own.load(Ordering::Acquire))
    }

    /// The difference to be added to every ancestor, with wrapping.
    fn pass_on(&self, new: u64) -> u64 {
        new.wrapping_sub(self.passed_on.swap(new, Ordering::AcqRel))
    }
}

/// The VM's share of an account.
#[derive(Debug)]
pub struct Observed {
    /// All of it, so that a reservation reads one word: heaps, tables, and the binaries that the ledger
    /// does not hold itself.
    all: Figure,
    heap: Figure,
    ets: Figure,
    /// Tables as last seen: they are looked at less often than the rest.
    ets_seen: AtomicU64,
    /// Nothing counts any more.
    finished: AtomicBool,
    /// Held while a report is made. A report replaces a figure here, then adds the difference above: two at once, and the sums
    /// above would count this account twice for a moment, or be below zero.
    reporting: Mutex<()>,
}

impl Observed {
    pub fn new() -> Observed {
        Observed {
            all: Figure::new(),
            heap: Figure::new(),
            ets: Figure::new(),
            ets_seen: AtomicU64::new(0),
            finished: AtomicBool::new(false),
            reporting: Mutex::new(()),
        }
    }

    /// Bytes in all.
    pub fn all(&self) -> u64 {
        self.all.get()
    }

    /// `(heap, binaries, ets)`
    pub fn parts(&self) -> (u64, u64, u64) {
        let all = self.all.get();
        let heap = self.heap.get().min(all);
        let ets = self.ets.get().min(all - heap);
        (heap, all - heap - ets, ets)
    }

    fn add(&self, all: u64, heap: u64, ets: u64) {
        self.all.sum.fetch_add(all, Ordering::AcqRel);
        self.heap.sum.fetch_add(heap, Ordering::AcqRel);
        self.ets.sum.fetch_add(ets, Ordering::AcqRel);
    }
}

impl Account {
    /// Reports what the VM uses for this account's process, in bytes: its heap, and the binaries that
    /// it holds. Binaries handed out by this ledger may be among the latter and count once.
    pub fn observe(&self, heap: u64, vm_binaries: u64) {
        let ets = self.observed.ets_seen.load(Ordering::Acquire);
        self.report(heap, vm_binaries, ets);
        // A watcher may have polled before the end and report only now. The end is marked, then nothing is
        // reported: either that comes later and replaces this, or the mark is seen here.
        if self.observed.finished.load(Ordering::Acquire) {
            self.report(0, 0, 0);
        }
    }

    /// From now on nothing that the VM uses counts, here or above: the work has answered, or is over.
    pub fn end_observing(&self) {
        self.observed.finished.store(true, Ordering::Release);
        self.observe_ets(0);
        // The usual run ends before anybody has observed it. Read by an instruction that also writes: a watcher that reports
        // at this moment either is seen here, or comes later and sees the mark.
        if self.observed.all.own.fetch_add(0, Ordering::AcqRel) > 0 {
            self.report(0, 0, 0);
        }
    }

    /// Counts in the peaks, here and above, what the VM uses at this moment for the process of an account without
    /// a watcher. Returns everything in use here.
    pub fn note(&self, heap: u64, vm_binaries: u64) -> u64 {
        let heap = heap.min(MAX_BYTES);
        let handed_out = self.binaries.load(Ordering::Acquire);
        let binaries = vm_binaries.min(MAX_BYTES).saturating_sub(handed_out);
        // Nobody else reports for this process: no lock is needed.
        let total = self.total_of(self.own(heap, vm_binaries));
        // More than the limit is this account's own fault, and not that of those above it.
        if total <= self.limit {
            for account in self.ancestors() {
                account.note_peak_with(heap, binaries);
            }
        }
        total
    }

    /// Everything in use here, if the VM uses this much for the account's process. A watcher may report at this moment what the
    /// process used when it was asked: that counts in [`Account::usage`], but not in this total.
    pub fn total_with(&self, heap: u64, vm_binaries: u64) -> u64 {
        let own = self.own(heap, vm_binaries);
        let _reporting = self.reporting();
        self.total_of(own)
    }

    /// The part of the account's process, if the VM uses this much for it.
    fn own(&self, heap: u64, vm_binaries: u64) -> u64 {
        let ets = self.observed.ets_seen.load(Ordering::Acquire);
        self.all_of(heap, vm_binaries, ets)
    }

    /// Bytes that the account's own process takes, as last reported.
    pub fn own_total(&self) -> u64 {
        self.observed.all.own.load(Ordering::Acquire)
    }

    fn total_of(&self, own: u64) -> u64 {
        self.reserved() + self.observed.all.others() + own
    }

    /// Bytes in all of what the VM uses, without the binaries that this ledger has handed out.
    fn all_of(&self, heap: u64, vm_binaries: u64, ets: u64) -> u64 {
        let handed_out = self.binaries.load(Ordering::Acquire);
        heap.min(MAX_BYTES)
            + ets.min(MAX_BYTES)
            + vm_binaries.min(MAX_BYTES).saturating_sub(handed_out)
    }

    fn reporting(&self) -> MutexGuard<'_, ()> {
        let reporting = self.observed.reporting.lock();
        reporting.unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports the tables that belong to the account's processes, in bytes. Counts from the next
    /// `observe` on.
    pub fn observe_ets(&self, bytes: u64) {
        self.observed.ets_seen.store(bytes, Ordering::Release);
    }

    fn report(&self, heap: u64, vm_binaries: u64, ets: u64) {
        let _reporting = self.reporting();
        let all = self.all_of(heap, vm_binaries, ets);
        let heap = heap.min(MAX_BYTES);
        let ets = ets.min(MAX_BYTES);
        self.observed.heap.replace_own(heap);
        self.observed.ets.replace_own(ets);
        self.observed.all.replace_own(all);
        self.note_peak();
        // More than the limit is this account's own fault: it fails, and not those above it.
        let all = all.min(self.limit.saturating_sub(self.reserved()));
        let heap = heap.min(all);
        let ets = ets.min(all - heap);
        let (all, heap, ets) = (
            self.observed.all.pass_on(all),
            self.observed.heap.pass_on(heap),
            self.observed.ets.pass_on(ets),
        );
        for account in self.ancestors().skip(1) {
            account.observed.add(all, heap, ets);
            account.note_peak();
        }
    }
}
