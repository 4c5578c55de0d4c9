//! Which guard watches a quota, and whether one does.

use crate::quota::pid;
use bounded_core::arena::orphan_watch::OrphanWatch;
use rustler::sys::ErlNifPid;
use rustler::{LocalPid, NifUnitEnum};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// The quotas of the node that no guard watches.
pub static WATCH: OrphanWatch = OrphanWatch::new();

/// Why a guard has ended by itself.
#[derive(Clone, Copy, PartialEq, Eq, NifUnitEnum)]
pub enum GuardEnd {
    /// Nothing is left to watch.
    Done,
    /// It raised or exited, for a reason that is in the log.
    Failed,
}

/// The guard of a quota.
#[derive(Default)]
pub struct GuardState {
    pid: OnceLock<ErlNifPid>,
    /// Why the guard has ended. Nothing where it is alive or was killed.
    ended: OnceLock<GuardEnd>,
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

    /// The guard ends.
    pub fn end(&self, reason: GuardEnd) {
        let _ = self.ended.set(reason);
    }

    /// Why the guard has ended, unless it is alive or was killed.
    pub fn ended(&self) -> Option<GuardEnd> {
        self.ended.get().copied()
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
