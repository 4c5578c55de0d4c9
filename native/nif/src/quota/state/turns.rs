//! Long turns of processes that count towards a quota without being its own.
//!
//! A turn is the time from when a process is scheduled in until it is scheduled out. In one call that does not yield it can take tens of
//! megabytes in few reductions. The next process on the scheduler may do the same, and so on, before a watcher on another scheduler
//! has polled one of them. So each scheduler has a turn watcher (`Quota.Watch.TurnWatcher`), which runs there between two such turns.
//!
//! The tracer reports each turn of a counted process. Short turns cost it two readings of the clock, and a lock at most once a
//! millisecond. From these reports it is also known which counted processes run: to poll one of those is to wait for the end of its turn.
//!
//! An idle process is polled rarely, and may be sent messages meanwhile. It then has a turn, after which it is polled if it was not
//! lately.

use crate::quota::handle::{Quota, head};
use crate::quota::state::alarm::now_us;
use crate::quota::{pid, registry};
use rustler::sys::ErlNifPid;
use rustler::sys::enif_thread_type;
use rustler::{Env, LocalPid, ResourceArc};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

mod atoms {
    rustler::atoms! { turns }
}

/// Maximum number of turns that are kept for a turn watcher: it may be dead, and never take them.
const MOST: usize = 1_024;

/// A turn of this many microseconds is long: half of one that ends after the usual number of reductions. In such a turn a few
/// megabytes can be taken.
const LONG_US: u64 = 250;

/// A process is looked up at most once in this many microseconds as its short turns end on one scheduler.
const LOOK_US: u64 = 1_000;
/// The number of times that each scheduler keeps for that, a power of two. Processes that share one are looked up less often.
const LOOKS: usize = 64;

/// The most schedulers that a VM has.
const SCHEDULERS: usize = 1_024;

/// What `enif_thread_type` returns on a scheduler that is not dirty.
const NORMAL_SCHEDULER: i32 = 1;

pub type Child = (LocalPid, ResourceArc<Quota>);

/// The turns of one scheduler. Aligned: each writes its own at every turn, and would take the cache line from its neighbours.
#[derive(Default)]
#[repr(align(128))]
struct Turns {
    /// The key of the turn watcher's pid.
    watcher: AtomicUsize,
    /// The key of the counted process that runs there, or of one that has died there, or 0.
    running: AtomicUsize,
    /// Those of long turns that have ended and that the turn watcher has not seen.
    ended: Mutex<Vec<usize>>,
}

/// By the number of the scheduler, of those that have a turn watcher. Dirty schedulers have none.
static ALL: [OnceLock<Turns>; SCHEDULERS] = [const { OnceLock::new() }; SCHEDULERS];

/// The largest number of a scheduler that has, or had, a turn watcher.
static LAST: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Those of the calling scheduler, once it has a turn watcher.
    static TURNS: Cell<Option<&'static Turns>> = const { Cell::new(None) };
    /// When the turn that runs on this scheduler has begun, in microseconds.
    static BEGUN_US: Cell<u64> = const { Cell::new(0) };
    /// When a process was last looked up on this scheduler as its short turn ended, by the place of its key.
    static LOOKED_US: [Cell<u64>; LOOKS] = const { [const { Cell::new(0) }; LOOKS] };
}

impl Turns {
    fn ended(&self) -> MutexGuard<'_, Vec<usize>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn of(scheduler: usize) -> Option<&'static OnceLock<Turns>> {
    ALL.get(scheduler.checked_sub(1)?)
}

/// The calling process, which runs on this `scheduler`, is its turn watcher from now on. Returns whether there is such a one.
pub fn watch(env: Env, scheduler: usize) -> bool {
    let Some(turns) = of(scheduler) else {
        return false;
    };
    let turns = turns.get_or_init(Turns::default);
    TURNS.set(Some(turns));
    LAST.fetch_max(scheduler, Ordering::AcqRel);
    let watcher = pid::key(*env.pid().as_c_arg());
    turns.watcher.store(watcher, Ordering::Release);
    true
}

/// The largest number of a scheduler that has, or had, a turn watcher.
pub fn last() -> usize {
    LAST.load(Ordering::Acquire)
}

/// The turn of a counted process begins.
pub fn begins(process: ErlNifPid) {
    BEGUN_US.set(now_us());
    match TURNS.get() {
        Some(turns) => turns.running.store(pid::key(process), Ordering::Release),
        None if is_dirty() => set_dirty(process, true),
        None => {}
    }
}

fn is_dirty() -> bool {
    // SAFETY: the function has no requirement, and asks the VM for the kind of the calling thread.
    unsafe { enif_thread_type() != NORMAL_SCHEDULER }
}

/// The turn of a counted process ends: its watcher is woken if that is overdue, and its scheduler's turn watcher if the turn was long.
pub fn ends(env: Env, process: ErlNifPid) {
    let Some(turns) = TURNS.get() else {
        if is_dirty() {
            set_dirty(process, false);
        }
        return;
    };
    turns.running.store(0, Ordering::Release);
    let now = now_us();
    if now.saturating_sub(BEGUN_US.get()) < LONG_US {
        if is_look_due(process, now)
            && let Some(counted) = registry::find(process)
        {
            counted.process.alarm.ring_if_due(env, now);
        }
        return;
    }
    let Some(child) = registry::find(process).filter(|it| it.group().is_some()) else {
        return;
    };
    if let Some(children) = head(&child).children() {
        // Turn watchers leave mailboxes out. Where long turns follow one another, a second question would have other children run.
        if !children.are_turns_long(now) {
            child.process.alarm.ring_if_due(env, now);
        }
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

/// Whether the process is to be looked up as its short turn ends.
fn is_look_due(process: ErlNifPid, now: u64) -> bool {
    LOOKED_US.with(|looked| {
        let last = &looked[pid::place(pid::key(process), LOOKS)];
        let due = now.saturating_sub(last.get()) >= LOOK_US;
        if due {
            last.set(now);
        }
        due
    })
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

/// Whether `child` runs, or is on a dirty scheduler: to poll it would be to wait. True also of one that has died in its turn.
pub fn is_running(child: &Quota, process: ErlNifPid) -> bool {
    let key = pid::key(process);
    let schedulers = ALL.iter().take(last());
    child.process.on_dirty_scheduler.load(Ordering::Acquire)
        || schedulers
            .filter_map(OnceLock::get)
            .any(|turns| turns.running.load(Ordering::Acquire) == key)
}

/// The processes whose long turns have ended on `scheduler` since the last call.
pub fn take(scheduler: usize) -> Vec<Child> {
    let Some(turns) = of(scheduler).and_then(OnceLock::get) else {
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
