//! Memory that the VM keeps of heaps and binaries that it has freed: its cache of segments.
//!
//! A block above 512 KiB has a segment of its own, and each scheduler keeps the last ten segments that were freed on it,
//! whatever their size, for a second each. A process that grows leaves one behind with every heap that is collected and
//! every binary that is moved. Each is a little smaller than the next one needed, so the process cannot reuse it. Together
//! they are as large as all memory that the process holds, and no limit counts them. The oldest segment goes when another is
//! freed, so freeing ten that were never written to replaces all that were.

use rustler::sys::{enif_alloc, enif_free};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// The number of segments that a scheduler keeps by default (`+MMmcs`). With a larger setting, segments stay until they
/// are a second old.
const KEPT: usize = 10;
/// Larger than the blocks that share a segment with others (`+MRsbct`, 512 KiB by default).
const OWN_SEGMENT: usize = 520 << 10;
/// Segments are displaced each time that usage has grown by this part (1 / 32) of the limit.
const STEP: u64 = 32;
/// Number of times for each step: the old heap is freed by the collection that replaces it, or by the next one.
const TIMES: u64 = 2;

thread_local! {
    static HERE: u8 = const { 0 };
}

/// The segments that one process may have left in the cache.
#[derive(Default)]
pub struct SegmentCache {
    /// Growth seen by its own collections, on the scheduler that it runs on.
    collected: Growth,
    /// Growth seen by its watchers, on their schedulers: the process may have run there before.
    polled: Growth,
    /// The last collection was a major one. A minor collection frees little, except for the first one after a major one.
    after_major: AtomicBool,
    /// The scheduler of the last collection.
    scheduler: AtomicUsize,
    /// It has run on another scheduler since the last poll: a binary that it appends to is then copied.
    moved: AtomicBool,
}

/// Growth, which pays for displacing: that costs as much as it frees, and a process that does not grow soon reuses what it
/// frees.
#[derive(Default)]
struct Growth {
    highest: AtomicU64,
    times: AtomicU64,
}

impl Growth {
    /// Whether segments should be displaced, with `total` bytes in use.
    fn pays(&self, total: u64, step: u64, freed: bool) -> bool {
        let highest = self.highest.load(Ordering::Relaxed);
        let steps = total.saturating_sub(highest) / step;
        if steps > 0 || total < highest / 2 {
            self.highest.store(total, Ordering::Relaxed);
        }
        // No lock: a process is collected by one thread at a time, and polled by few.
        let times = self.times.load(Ordering::Relaxed) + steps * TIMES;
        let pays = times > 0 && (freed || steps > 0);
        self.times.store(times - u64::from(pays), Ordering::Relaxed);
        pays
    }
}

impl SegmentCache {
    /// The calling process was collected. Its account has `total` bytes in use, and its quota allows `limit`.
    pub fn collected(&self, major: bool, total: u64, limit: u64) {
        let here = HERE.with(|here| std::ptr::from_ref(here) as usize);
        let moved = self.scheduler.swap(here, Ordering::Relaxed) != here;
        if moved {
            self.moved.store(true, Ordering::Relaxed);
        }
        let after_major = self.after_major.swap(major, Ordering::Relaxed);
        let freed = moved || major || after_major;
        if self.collected.pays(total, step(limit), freed) {
            displace_segments();
        }
    }

    /// The calling process polled this one.
    pub fn polled(&self, total: u64, limit: u64) {
        let moved = self.moved.swap(false, Ordering::Relaxed);
        if self.polled.pays(total, step(limit), moved) {
            displace_segments();
        }
    }
}

/// Bytes of growth for which segments are displaced.
fn step(limit: u64) -> u64 {
    (limit / STEP).max(2 * OWN_SEGMENT as u64)
}

/// Pushes all segments out of the calling scheduler's cache, by freeing as many that were never written to.
fn displace_segments() {
    let blocks: [_; KEPT] = std::array::from_fn(|_| {
        // SAFETY: any size may be asked for, on any scheduler.
        unsafe { enif_alloc(OWN_SEGMENT) }
    });
    for block in blocks {
        if !block.is_null() {
            // SAFETY: it came from `enif_alloc` and no other code holds it.
            unsafe { enif_free(block) };
        }
    }
}
