//! The watchers' notes on one process, which is a quota's own or counts towards one.

use crate::quota::pid;
use crate::quota::state::alarm::Alarm;
use crate::quota::state::collections::Collections;
use crate::quota::state::segment_cache::SegmentCache;
use crate::quota::state::vm_limit::VmLimit;
use bounded_core::arena::account::{PollInterval, PollLoad};
use rustler::sys::ErlNifPid;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// The state of watching one process.
#[derive(Default)]
pub struct ProcessState {
    poll_interval: Mutex<Option<PollInterval>>,
    /// A watcher watches this process alone.
    pub has_watcher: AtomicBool,
    /// A watcher has sent the process a signal that it may not have handled yet.
    pub asked: AtomicBool,
    /// Messages waited for the process when it was last polled by a watcher that sees them.
    pub has_messages: AtomicBool,
    /// The process runs on a dirty scheduler, as far as its turns are traced.
    pub on_dirty_scheduler: AtomicBool,
    /// When the next poll is due.
    pub alarm: Alarm,
    pub collections: Collections,
    pub vm_limit: VmLimit,
    pub segment_cache: SegmentCache,
    /// The key of the process while its death would not be reported, otherwise 0.
    unmonitored: AtomicUsize,
}

impl ProcessState {
    /// Calls `work` with the poll interval of this process, which counts in `load` from now on.
    pub fn with_interval<T>(
        &self,
        load: &'static PollLoad,
        work: impl FnOnce(&mut PollInterval) -> T,
    ) -> T {
        let mut interval = self
            .poll_interval
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        work(interval.get_or_insert_with(|| PollInterval::new(load)))
    }

    /// The process has begun, and its death is not reported.
    pub fn set_unmonitored(&self, process: ErlNifPid) {
        self.unmonitored.store(pid::key(process), Ordering::Release);
    }

    /// The process whose death is not reported yet: only one caller gets it.
    pub fn take_unmonitored(&self) -> Option<ErlNifPid> {
        let key = self.unmonitored.swap(0, Ordering::AcqRel);
        (key != 0).then(|| pid::pid(key))
    }

    /// Whether no watcher has seen the process: its death is not reported.
    pub fn is_unmonitored(&self) -> bool {
        self.unmonitored.load(Ordering::Acquire) != 0
    }

    /// The process is dead: it counts in no load any more.
    pub fn end(&self) {
        *self
            .poll_interval
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = None;
    }
}
