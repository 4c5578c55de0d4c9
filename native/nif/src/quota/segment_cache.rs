//! Memory that the VM keeps of heaps and binaries that it has freed.
//!
//! A block above 512 KiB has a segment of its own, and each scheduler keeps the last ten segments freed on it,
//! whatever their size, for a second each. Work that grows leaves one behind with every heap that is collected and
//! every binary that is moved, a little smaller than the next and so of no use to it: together they are as large
//! as all that it holds, and no limit counts them. The oldest segment goes when another is freed, so ten that were
//! never written to take the place of all that were.

use crate::quota::handle::{Quota, head};
use rustler::ResourceArc;
use rustler::sys::{enif_alloc, enif_free};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// The VM's default for how many segments a scheduler keeps (`+MMmcs`). More than that stay until they are a
/// second old.
const KEPT: usize = 10;
/// Above what shares a segment with other blocks (`+MRsbct`, 512 KiB by default).
const OWN_SEGMENT: usize = 520 << 10;
/// Something is given back when so much more is in use than before, in parts of the limit.
const STEP: u64 = 32;
/// So often for each step: what a heap leaves behind is freed by one collection, or by the next.
const TIMES: u64 = 2;

thread_local! {
    static HERE: u8 = const { 0 };
}

/// What one process may have left behind.
#[derive(Default)]
pub struct Leftovers {
    /// By its own collections, on the scheduler that it runs on.
    collected: Growth,
    /// On that of whoever looks at it: it may have run there before.
    looked: Growth,
    /// The last collection was a major one. What is freed without one is small, but for the first time after it.
    after_major: AtomicBool,
    /// The scheduler of the last collection.
    scheduler: AtomicUsize,
    /// There was another one since somebody last looked: a binary that is appended to is copied on its way.
    moved: AtomicBool,
}

/// Giving back costs as much as it frees, and what work frees that does not grow, it soon takes again: so it is paid
/// for by growth.
#[derive(Default)]
struct Growth {
    highest: AtomicU64,
    times: AtomicU64,
}

impl Growth {
    /// Whether something should be given back, with `total` bytes in use.
    fn pays(&self, total: u64, step: u64, freed: bool) -> bool {
        let highest = self.highest.load(Ordering::Relaxed);
        let steps = total.saturating_sub(highest) / step;
        if steps > 0 || total < highest / 2 {
            self.highest.store(total, Ordering::Relaxed);
        }
        // Nobody else counts here: a process is collected by one at a time, and looked at by few.
        let times = self.times.load(Ordering::Relaxed) + steps * TIMES;
        let pays = times > 0 && (freed || steps > 0);
        self.times.store(times - u64::from(pays), Ordering::Relaxed);
        pays
    }
}

/// The calling process, whose account `quota` is, has been collected.
pub fn collected(quota: &ResourceArc<Quota>, major: bool) {
    let left = &quota.leftovers;
    let here = HERE.with(|here| std::ptr::from_ref(here) as usize);
    let moved = left.scheduler.swap(here, Ordering::Relaxed) != here;
    if moved {
        left.moved.store(true, Ordering::Relaxed);
    }
    let after_major = left.after_major.swap(major, Ordering::Relaxed);
    let freed = moved || major || after_major;
    let total = quota.account.usage().total;
    if left.collected.pays(total, step(quota), freed) {
        displace();
    }
}

/// Somebody has looked at `quota`.
pub fn looked(quota: &ResourceArc<Quota>) {
    let left = &quota.leftovers;
    let moved = left.moved.swap(false, Ordering::Relaxed);
    let total = quota.account.usage().total;
    if left.looked.pays(total, step(quota), moved) {
        displace();
    }
}

fn step(quota: &ResourceArc<Quota>) -> u64 {
    (head(quota).limit() / STEP).max(2 * OWN_SEGMENT as u64)
}

fn displace() {
    let blocks: [_; KEPT] = std::array::from_fn(|_| {
        // SAFETY: any size may be asked for, on any scheduler.
        unsafe { enif_alloc(OWN_SEGMENT) }
    });
    for block in blocks {
        if !block.is_null() {
            // SAFETY: it came from `enif_alloc` and nobody else has it.
            unsafe { enif_free(block) };
        }
    }
}
