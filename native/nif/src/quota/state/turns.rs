//! Long turns of processes that count towards a quota without being its own.
//!
//! A turn is the time that a process runs between being scheduled in and out. In one call that does not yield it can take
//! tens of megabytes, in few reductions: the next process on the scheduler may do the same, and so on, before a watcher on another
//! scheduler has looked. So each scheduler has a turn watcher (`Quota.Watch.TurnWatcher`), which runs there between two such turns.
//!
//! The tracer reports each turn of a counted process. Short turns cost it two readings of the clock, and no lock.

use crate::quota::handle::{Quota, head};
use crate::quota::state::alarm::now_us;
use crate::quota::{pid, registry};
use rustler::sys::ErlNifPid;
use rustler::{Env, LocalPid, ResourceArc};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

mod atoms {
    rustler::atoms! { turns }
}

/// The most turns that are kept for a turn watcher, which may be dead.
const MOST: usize = 1_024;

/// A turn of this many microseconds is long. Those that end after the usual number of reductions take half of that.
const LONG_US: u64 = 1_000;

pub type Child = (LocalPid, ResourceArc<Quota>);

/// The long turns that have ended on one scheduler and that its turn watcher has not seen.
#[derive(Default)]
struct Turns {
    /// The key of the turn watcher's pid.
    watcher: AtomicUsize,
    ended: Mutex<Vec<usize>>,
}

thread_local! {
    /// Those of the calling scheduler, once it has a turn watcher. A dirty scheduler has none.
    static TURNS: Cell<Option<&'static Turns>> = const { Cell::new(None) };
    /// When the turn that runs on this scheduler has begun, in microseconds.
    static BEGUN_US: Cell<u64> = const { Cell::new(0) };
}

impl Turns {
    fn ended(&self) -> MutexGuard<'_, Vec<usize>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The calling process, which is bound to its scheduler, is its turn watcher from now on.
pub fn watch(env: Env) {
    let turns = TURNS.get().unwrap_or_else(|| {
        // As many as there are schedulers, and as long as they: never freed.
        let turns: &'static Turns = Box::leak(Box::default());
        TURNS.set(Some(turns));
        turns
    });
    let watcher = pid::key(*env.pid().as_c_arg());
    turns.watcher.store(watcher, Ordering::Release);
}

/// The turn of a counted process begins.
pub fn begins(process: ErlNifPid) {
    BEGUN_US.set(now_us());
    if TURNS.get().is_none() {
        set_dirty(process, true);
    }
}

/// The turn of a counted process ends: its scheduler's turn watcher is woken if that was long.
pub fn ends(env: Env, process: ErlNifPid) {
    let Some(turns) = TURNS.get() else {
        return set_dirty(process, false);
    };
    let now = now_us();
    if now.saturating_sub(BEGUN_US.get()) < LONG_US {
        return;
    }
    let Some(child) = registry::find(process).filter(|it| it.group().is_some()) else {
        return;
    };
    if let Some(children) = head(&child).children() {
        children.long_turn_ended(now);
    }
    let mut ended = turns.ended();
    if ended.len() < MOST {
        ended.push(pid::key(process));
    }
    let first = ended.len() == 1;
    drop(ended);
    let watcher = turns.watcher.load(Ordering::Acquire);
    if first {
        // The watcher may be dead: the next one looks as soon as it has started.
        let _ = env.send(&LocalPid::from_c_arg(pid::pid(watcher)), atoms::turns());
    }
}

/// On a dirty scheduler, where large heaps are collected, a process cannot be polled without waiting for the end.
fn set_dirty(process: ErlNifPid, dirty: bool) {
    if let Some(quota) = registry::find(process) {
        quota
            .process
            .on_dirty_scheduler
            .store(dirty, Ordering::Release);
    }
}

/// The processes whose long turns have ended on the calling scheduler since the last call.
pub fn take() -> Vec<Child> {
    let Some(turns) = TURNS.get() else {
        return Vec::new();
    };
    let keys = std::mem::take(&mut *turns.ended());
    let children = keys.into_iter().filter_map(|key| {
        let process = pid::pid(key);
        let child = registry::find(process).filter(|it| it.group().is_some())?;
        let dirty = child.process.on_dirty_scheduler.load(Ordering::Acquire);
        (!dirty).then(|| (LocalPid::from_c_arg(process), child))
    });
    children.collect()
}
