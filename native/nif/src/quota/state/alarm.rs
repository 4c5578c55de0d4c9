//! Wakes up watchers that are overdue and that the VM has not woken.
//!
//! A scheduler checks its timers after some thousand reductions. A process that allocates much in few reductions (one call that
//! makes a tuple of millions, binaries in a loop) delays that: with a hundred processes that make a tuple of 16 MB each,
//! a timer of 2 ms fired after 1.8 s. A message is handled as soon as the running process yields. So the tracer, which the
//! VM calls at every collection and every spawn, sends a message to watchers that are overdue.

use crate::quota::pid;
use rustler::{Env, LocalPid};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

mod atoms {
    rustler::atoms! { overdue }
}

static START: LazyLock<Instant> = LazyLock::new(Instant::now);
/// Timers of the VM may always be this late, in microseconds.
const SLACK_US: u64 = 1_000;

/// Monotonic time in microseconds.
pub fn now_us() -> u64 {
    START.elapsed().as_micros() as u64
}

/// When a watcher's next poll is due. Each poll sets it, and it rings once.
#[derive(Default)]
pub struct Alarm {
    /// In microseconds; 0 when it is not set.
    due_us: AtomicU64,
    /// The key of the watcher's pid.
    watcher: AtomicUsize,
}

impl Alarm {
    /// The calling process will poll in `wait_ms` milliseconds.
    pub fn set(&self, env: Env, wait_ms: u64) {
        let watcher = pid::key(*env.pid().as_c_arg());
        self.watcher.store(watcher, Ordering::Relaxed);
        let due = now_us().saturating_add(wait_ms.saturating_mul(1_000));
        self.due_us.store(due, Ordering::Release);
    }

    /// Sends `overdue` to the watcher whose poll was due before `now_us`.
    pub fn ring_if_due(&self, env: Env, now_us: u64) {
        let due = self.due_us.load(Ordering::Acquire);
        if due == 0 || now_us <= due.saturating_add(SLACK_US) {
            return;
        }
        if self.due_us.swap(0, Ordering::AcqRel) != 0 {
            let watcher = pid::pid(self.watcher.load(Ordering::Relaxed));
            // The watcher may be dead: the message is lost, which does no harm.
            let _ = env.send(&LocalPid::from_c_arg(watcher), atoms::overdue());
        }
    }
}
