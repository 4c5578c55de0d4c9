//! The processes that count towards a quota besides its own, and which of them are not watched yet.
//!
//! Each quota has its own lists, so that listing its processes costs by their number and not by that of the node's. The lists
//! are in order, so that they can be read in pieces.

use crate::quota::state::alarm::Alarm;
use rustler::Env;
use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Microseconds after a long turn for which more of them are expected.
const LASTING_US: u64 = 50_000;

/// The processes that count towards one quota, by the keys of their pids.
pub struct Children {
    lists: Mutex<Lists>,
    /// The guard was sent `spawned`, and has not asked for the new processes since.
    announced: AtomicBool,
    /// The guard was sent `too_many`, and has not asked since.
    announced_too_many: AtomicBool,
    /// Maximum number at once: `:max_children`, or `usize::MAX` where children do not count.
    most: AtomicUsize,
    /// When a long turn of one of them has ended last, in microseconds; 0 before there was one.
    long_turn_us: AtomicU64,
    /// When the guard's next poll of new processes is due, and when the next batch poll is.
    pub guard_alarm: Alarm,
    pub batch_alarm: Alarm,
}

#[derive(Default)]
struct Lists {
    all: BTreeSet<usize>,
    /// Processes whose deaths are not reported to this library.
    unmonitored: BTreeSet<usize>,
    /// Processes that the guard does not know yet.
    fresh: BTreeSet<usize>,
}

impl Default for Children {
    fn default() -> Children {
        Children {
            lists: Mutex::default(),
            announced: AtomicBool::new(false),
            announced_too_many: AtomicBool::new(false),
            most: AtomicUsize::new(usize::MAX),
            long_turn_us: AtomicU64::new(0),
            guard_alarm: Alarm::default(),
            batch_alarm: Alarm::default(),
        }
    }
}

impl Children {
    fn lists(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets how many there may be at once.
    pub fn set_most(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// Adds a process that was just started; returns whether there are more than there may be.
    pub fn spawned(&self, key: usize) -> bool {
        let mut lists = self.lists();
        lists.all.insert(key);
        lists.unmonitored.insert(key);
        lists.fresh.insert(key);
        lists.all.len() > self.most.load(Ordering::Relaxed)
    }

    /// Adds a process whose death will be reported.
    pub fn monitored(&self, key: usize) {
        let mut lists = self.lists();
        lists.all.insert(key);
        lists.unmonitored.remove(&key);
    }

    /// A process is dead, or has a quota of its own.
    pub fn forget(&self, key: usize) {
        let mut lists = self.lists();
        lists.all.remove(&key);
        lists.unmonitored.remove(&key);
        lists.fresh.remove(&key);
    }

    /// Removes at most `most` from the new processes; returns them and whether more are left.
    pub fn take_fresh(&self, most: usize) -> (Vec<usize>, bool) {
        // First: a process that is started meanwhile is announced, or is taken here.
        self.announced.store(false, Ordering::SeqCst);
        let mut lists = self.lists();
        let taken: Vec<usize> = lists.fresh.iter().take(most).copied().collect();
        for key in &taken {
            lists.fresh.remove(key);
        }
        (taken, !lists.fresh.is_empty())
    }

    /// Removes all processes whose deaths are not reported from that list, and returns them.
    pub fn take_unmonitored(&self) -> Vec<usize> {
        std::mem::take(&mut self.lists().unmonitored)
            .into_iter()
            .collect()
    }

    /// The first `most` processes behind `after`.
    pub fn piece(&self, after: usize, most: usize) -> Vec<usize> {
        let lists = self.lists();
        let behind = lists.all.range((Excluded(after), Unbounded));
        behind.take(most).copied().collect()
    }

    /// Whether the guard is to be sent `spawned`: it was not since it last asked for new processes.
    pub fn announce(&self) -> bool {
        !self.announced.swap(true, Ordering::AcqRel)
    }

    /// Whether the number of children has a maximum, as it has wherever children count.
    pub fn have_most(&self) -> bool {
        self.most.load(Ordering::Relaxed) != usize::MAX
    }

    /// Whether the guard is to be sent `too_many`: it was not since it last asked.
    pub fn announce_too_many(&self) -> bool {
        !self.announced_too_many.swap(true, Ordering::AcqRel)
    }

    /// Whether there are more than there may be. If not, the guard is sent `too_many` again once there are.
    pub fn are_too_many(&self) -> bool {
        let too_many = || self.lists().all.len() > self.most.load(Ordering::Relaxed);
        if too_many() {
            return true;
        }
        self.announced_too_many.store(false, Ordering::SeqCst);
        // One more may have come before it would have been announced.
        too_many() && self.announce_too_many()
    }

    /// A long turn of one of them has ended: see `turns.rs`.
    pub fn long_turn_ended(&self, now_us: u64) {
        self.long_turn_us.store(now_us, Ordering::Relaxed);
    }

    /// Whether their turns are long: one has ended not long ago.
    pub fn are_turns_long(&self, now_us: u64) -> bool {
        let last = self.long_turn_us.load(Ordering::Relaxed);
        last != 0 && now_us < last.saturating_add(LASTING_US)
    }

    /// Wakes the watchers that are overdue.
    pub fn ring_if_due(&self, env: Env, now_us: u64) {
        self.guard_alarm.ring_if_due(env, now_us);
        self.batch_alarm.ring_if_due(env, now_us);
    }
}
