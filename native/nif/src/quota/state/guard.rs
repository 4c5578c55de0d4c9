//! Which guard watches a quota, and whether one does.

use crate::quota::pid;
use bounded_core::arena::orphan_watch::OrphanWatch;
use rustler::LocalPid;
use rustler::sys::ErlNifPid;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// The quotas of the node that no guard watches.
pub static WATCH: OrphanWatch = OrphanWatch::new();

/// The guard of a quota.
#[derive(Default)]
pub struct GuardState {
    pid: OnceLock<ErlNifPid>,
    /// The guard has ended because nothing is left to watch.
    done: AtomicBool,
    /// The guard has ended because it could not start a process.
    refused: AtomicBool,
    /// The quota has begun, and no guard watches it.
    unguarded: AtomicBool,
}

impl GuardState {
    /// The guard, once there is one.
    pub fn pid(&self) -> Option<LocalPid> {
        self.pid.get().copied().map(LocalPid::from_c_arg)
    }

    /// Whether `pid` is the guard.
    pub fn is(&self, pid: &LocalPid) -> bool {
        let guard = self.pid.get();
        guard.is_some_and(|guard| pid::key(*guard) == pid::key(*pid.as_c_arg()))
    }

    /// Makes `pid` the guard unless there is one; returns whether it did.
    pub fn set(&self, pid: &LocalPid) -> bool {
        self.pid.set(*pid.as_c_arg()).is_ok()
    }

    /// The guard ends, because nothing is left to watch.
    pub fn finish(&self) {
        self.done.store(true, Ordering::Release);
    }

    /// Whether the guard ended because nothing was left to watch.
    pub fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }

    /// The guard ends, because it could not start a process.
    pub fn refuse(&self) {
        self.refused.store(true, Ordering::Release);
    }

    /// Whether the guard ended because it could not start a process.
    pub fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Acquire)
    }

    /// Whether the quota has begun and no guard watches it.
    pub fn is_unguarded(&self) -> bool {
        self.unguarded.load(Ordering::Acquire)
    }

    /// The quota has begun, or its guard has died.
    pub fn set_unguarded(&self) {
        WATCH.unguarded(&self.unguarded);
    }

    /// The quota has a guard, or has ended.
    pub fn clear_unguarded(&self) {
        WATCH.guarded(&self.unguarded);
    }
}
