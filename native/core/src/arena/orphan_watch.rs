//! When the process that kills the work of dead callers (the watcher) may sleep, and who wakes it.
//!
//! A quota that begins is first counted as unguarded, and then checks whether the watcher is awake. A watcher that goes to sleep first
//! notes that, and then checks whether any quota is unguarded. So at least one of the two sees the other.

use crate::sync::{AtomicBool, AtomicU64, Ordering, sequential};

/// The unguarded quotas of a node, and whether their watcher is awake.
#[derive(Debug)]
pub struct OrphanWatch {
    unguarded: AtomicU64,
    awake: AtomicBool,
}

impl OrphanWatch {
    /// No quota is unguarded, and the watcher sleeps.
    #[cfg(not(loom))]
    #[allow(clippy::new_without_default, reason = "the node has one, a static")]
    pub const fn new() -> OrphanWatch {
        OrphanWatch {
            unguarded: AtomicU64::new(0),
            awake: AtomicBool::new(false),
        }
    }

    /// As without loom, whose atomics cannot be created at compile time.
    #[cfg(loom)]
    pub fn new() -> OrphanWatch {
        OrphanWatch {
            unguarded: AtomicU64::new(0),
            awake: AtomicBool::new(false),
        }
    }

    /// A quota has begun, or its guard has died. Its `flag` says so from now on.
    pub fn unguarded(&self, flag: &AtomicBool) {
        if !flag.swap(true, Ordering::AcqRel) {
            self.unguarded.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// A quota has a guard, or has ended.
    pub fn guarded(&self, flag: &AtomicBool) {
        if flag.swap(false, Ordering::AcqRel) {
            self.unguarded.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Whether any quota is unguarded.
    pub fn any_unguarded(&self) -> bool {
        self.unguarded.load(Ordering::SeqCst) > 0
    }

    /// Returns whether the caller must wake the watcher. Called after [`OrphanWatch::unguarded`]. If several quotas begin while the
    /// watcher sleeps, this returns true to one of them.
    pub fn must_wake(&self) -> bool {
        sequential();
        // Read first: every run comes here, and a write would take the word from the other schedulers.
        !(self.awake.load(Ordering::SeqCst) || self.awake.swap(true, Ordering::SeqCst))
    }

    /// The watcher has started.
    pub fn started(&self) {
        self.awake.store(true, Ordering::SeqCst);
    }

    /// Whether the watcher may sleep until it is woken.
    pub fn may_sleep(&self) -> bool {
        self.awake.store(false, Ordering::SeqCst);
        sequential();
        let sleeps = !self.any_unguarded();
        if !sleeps {
            self.awake.store(true, Ordering::SeqCst);
        }
        sleeps
    }
}

#[cfg(all(loom, test))]
mod loom_tests {
    use super::*;
    use crate::sync::Arc;
    use loom::thread;

    /// A quota begins. Returns whether it must wake the watcher.
    fn begins(watch: &OrphanWatch, flag: &AtomicBool) -> bool {
        watch.unguarded(flag);
        watch.must_wake()
    }

    #[test]
    fn a_watcher_never_sleeps_while_a_quota_begins_that_does_not_wake_it() {
        loom::model(|| {
            let watch = Arc::new(OrphanWatch::new());
            watch.started();
            let other = {
                let watch = Arc::clone(&watch);
                thread::spawn(move || begins(&watch, &AtomicBool::new(false)))
            };
            let sleeps = watch.may_sleep();
            assert!(other.join().unwrap() || !sleeps);
        });
    }

    #[test]
    fn of_two_quotas_that_begin_one_wakes_a_watcher_that_sleeps() {
        loom::model(|| {
            let watch = Arc::new(OrphanWatch::new());
            watch.started();
            let others = [(); 2].map(|()| {
                let watch = Arc::clone(&watch);
                thread::spawn(move || begins(&watch, &AtomicBool::new(false)))
            });
            let sleeps = watch.may_sleep();
            let woken = others.map(|it| it.join().unwrap());
            assert!(woken.contains(&true) || !sleeps);
            assert!(watch.any_unguarded());
        });
    }

    #[test]
    fn a_guard_races_the_end_of_its_quota_and_it_counts_once() {
        loom::model(|| {
            let watch = Arc::new(OrphanWatch::new());
            let flag = Arc::new(AtomicBool::new(false));
            watch.unguarded(&flag);
            let other = {
                let (watch, flag) = (Arc::clone(&watch), Arc::clone(&flag));
                thread::spawn(move || watch.guarded(&flag))
            };
            watch.guarded(&flag);
            other.join().unwrap();
            assert!(!watch.any_unguarded());
            watch.unguarded(&flag);
            assert!(watch.any_unguarded());
        });
    }
}
