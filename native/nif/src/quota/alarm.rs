//! Wakes up watchers whose time has come and that the VM has not woken.
//!
//! A scheduler looks at its timers after some thousand reductions, and whoever allocates much in few reductions (one call that
//! makes a tuple of millions, binaries in a loop) keeps it from that: with a hundred processes that make a tuple of 16 MB each,
//! a timer of 2 ms rang after 1.8 s. A message is handled as soon as the running process is done. So the tracer, which
//! is asked at every collection and told of every spawn, sends one to watchers that are overdue.

use crate::quota::handle::{Quota, head};
use crate::quota::registry;
use rustler::{Env, LocalPid};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

mod atoms {
    rustler::atoms! { overdue }
}

static START: LazyLock<Instant> = LazyLock::new(Instant::now);
/// Timers of the VM are as late as this without any reason, in microseconds.
const SLACK_US: u64 = 1_000;

/// Monotonic time in microseconds.
pub fn now_us() -> u64 {
    START.elapsed().as_micros() as u64
}

/// When a watcher wants to look next. Set by each look, and rings once.
#[derive(Default)]
pub struct Alarm {
    /// In microseconds; 0 when it is not set.
    due_us: AtomicU64,
    /// The key of the watcher's pid.
    watcher: AtomicUsize,
}

impl Alarm {
    /// The calling process wants to look in `wait_ms` milliseconds.
    pub fn set(&self, env: Env, wait_ms: u64) {
        let watcher = registry::key(*env.pid().as_c_arg());
        self.watcher.store(watcher, Ordering::Relaxed);
        let due = now_us().saturating_add(wait_ms.saturating_mul(1_000));
        self.due_us.store(due, Ordering::Release);
    }

    fn ring_if_due(&self, env: Env, now_us: u64) {
        let due = self.due_us.load(Ordering::Acquire);
        if due == 0 || now_us <= due.saturating_add(SLACK_US) {
            return;
        }
        if self.due_us.swap(0, Ordering::AcqRel) != 0 {
            let watcher = registry::pid(self.watcher.load(Ordering::Relaxed));
            // Whether it is alive is not this process's concern.
            let _ = env.send(&LocalPid::from_c_arg(watcher), atoms::overdue());
        }
    }
}

/// The process of this account has collected its heap, so it may have grown.
pub fn collected(env: Env, quota: &rustler::ResourceArc<Quota>) {
    let now = now_us();
    quota.alarm.ring_if_due(env, now);
    watchers_of_children(env, head(quota), now);
}

/// A process that counts towards `group` has been started.
pub fn spawned(env: Env, group: &Quota) {
    watchers_of_children(env, group, now_us());
}

fn watchers_of_children(env: Env, group: &Quota, now: u64) {
    if let Some(children) = group.children.get() {
        children.guard_alarm.ring_if_due(env, now);
        children.survey_alarm.ring_if_due(env, now);
    }
}
