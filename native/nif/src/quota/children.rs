//! NIFs of processes that count towards a quota besides its own, and what a process takes beside its heap.

use crate::fault_injection;
use crate::quota::handle::{Quota, head};
use crate::quota::lifecycle::process_died;
use crate::quota::state::alarm;
use crate::quota::state::children::Children;
use crate::quota::state::turns;
use crate::quota::{pid, registry};
use crate::timing;
use bounded_core::arena::account::Account;
use rustler::sys::ErlNifPid;
use rustler::{Atom, Env, Error, LocalPid, NifResult, ResourceArc};
use std::sync::atomic::{AtomicU64, Ordering};

mod held;

mod atoms {
    rustler::atoms! { spawned, too_many }
}

/// Maximum number of processes that one call looks up.
const PIECE: usize = 256;
/// Words that each process takes in tables of this library and of the VM, about.
const ENTRIES: usize = 64;

/// Bytes of a process that has just been started, and the part of them that is not its heap: set by [`process_bytes`].
static FRESH: AtomicU64 = AtomicU64::new(0);
static BESIDE_HEAP: AtomicU64 = AtomicU64::new(0);

/// Bytes that a process takes beside its heap, for the account of one that counts towards a quota without being its own.
pub fn beside_heap(quota: &Quota) -> u64 {
    if quota.group().is_some() {
        BESIDE_HEAP.load(Ordering::Relaxed)
    } else {
        0
    }
}

/// `process` was started by one that counts towards `group`, and counts from now on; the guard will watch it.
/// The tracer calls this: it must not wait.
pub fn spawned(env: Env, group: &ResourceArc<Quota>, process: ErlNifPid) {
    let child = Quota::child(group);
    // The least that it can take, until a watcher polls it.
    child.account.observe(FRESH.load(Ordering::Relaxed), 0);
    registry::insert(process, child);
    let children = group.init_children();
    let too_many = children.spawned(pid::key(process));
    let Some(guard) = group.guard.pid() else {
        return;
    };
    // The guard may be dead: the message is lost, which does no harm.
    if children.announce() {
        let _ = env.send(&guard, atoms::spawned());
    }
    children.ring_if_due(env, alarm::now_us());
    if too_many && children.announce_too_many() {
        let _ = env.send(&guard, atoms::too_many());
    }
}

/// Sets the size of a process that has just been started: `memory` bytes, `heap` of them its heap.
#[rustler::nif]
fn process_bytes(memory: u64, heap: u64) {
    let _measuring = timing::measure();
    let own = size_of::<Quota>() + size_of::<Account>() + ENTRIES * size_of::<usize>();
    let fresh = memory.saturating_add(own as u64);
    FRESH.store(fresh, Ordering::Relaxed);
    BESIDE_HEAP.store(fresh.saturating_sub(heap), Ordering::Relaxed);
}

/// `{more, [{pid, account}]}` of processes that the account's work has started and that the guard does not know yet: `most` of
/// them at most, those that are alive, and whether there may be more. From now on the guard is sent `spawned` for the next.
///
/// Their deaths are not reported yet: monitoring sends each a signal, and they could not be polled until they have handled it.
#[rustler::nif]
fn account_spawned(
    env: Env,
    account: ResourceArc<Quota>,
    most: usize,
) -> (bool, Vec<(LocalPid, ResourceArc<Quota>)>) {
    let _measuring = timing::measure();
    let Some(children) = account.children() else {
        return (false, Vec::new());
    };
    let (taken, more) = children.take_fresh(most.min(PIECE));
    let children = taken.into_iter().filter_map(|key| {
        let process = pid::pid(key);
        let child = registry::find(process).filter(|it| it.counts_towards(&account))?;
        let pid = LocalPid::from_c_arg(process);
        if pid.is_alive(env) {
            return Some((pid, child));
        }
        process_died(env, &child, process);
        None
    });
    (more, children.collect())
}

type Page = (Vec<(LocalPid, ResourceArc<Quota>)>, Option<usize>);

/// `{[{pid, account}], next}`: processes that count towards the account, except its own, behind `after`, which is 0 in the first call.
/// The next call continues behind `next`, unless that is nil. With `pollable` only processes that have no signal to handle, and so can be
/// polled without waiting until they are scheduled.
#[rustler::nif]
fn account_children(account: ResourceArc<Quota>, after: usize, pollable: bool) -> Page {
    let _measuring = timing::measure();
    let Some(children) = account.children() else {
        return (Vec::new(), None);
    };
    let keys = children.piece(after, PIECE);
    let next = keys.last().copied().filter(|_| keys.len() == PIECE);
    let found = keys.into_iter().filter_map(|key| {
        let process = pid::pid(key);
        match registry::find(process) {
            Some(child) if child.counts_towards(&account) => {
                let wanted = !pollable || !child.process.asked.load(Ordering::Acquire);
                wanted.then(|| (LocalPid::from_c_arg(process), child))
            }
            _ => {
                children.forget(key);
                None
            }
        }
    });
    (found.collect(), next)
}

/// Forgets dead processes among those behind `after` that count towards the account. Returns the `after` of the next call, or nil.
#[rustler::nif]
fn account_prune(env: Env, account: ResourceArc<Quota>, after: usize) -> Option<usize> {
    let _measuring = timing::measure();
    let children = account.children()?;
    let keys = children.piece(after, PIECE);
    let next = keys.last().copied().filter(|_| keys.len() == PIECE);
    for key in keys {
        let process = pid::pid(key);
        if LocalPid::from_c_arg(process).is_alive(env) {
            continue;
        }
        match registry::find(process) {
            Some(child) if child.counts_towards(&account) => process_died(env, &child, process),
            _ => children.forget(key),
        }
    }
    next
}

/// Whether the account counts children.
#[rustler::nif]
fn account_counts_children(account: ResourceArc<Quota>) -> bool {
    let _measuring = timing::measure();
    account.children().is_some_and(Children::have_most)
}

/// Whether more processes count towards the account than `:max_children` allows. If not, the guard is sent `too_many` once there are.
#[rustler::nif]
fn account_too_many(account: ResourceArc<Quota>) -> bool {
    let _measuring = timing::measure();
    account.children().is_some_and(|it| it.are_too_many())
}

/// The process of this account has a watcher of its own from now on. Returns whether it had none.
#[rustler::nif]
fn account_watched(account: ResourceArc<Quota>) -> bool {
    let _measuring = timing::measure();
    !account.process.has_watcher.swap(true, Ordering::AcqRel)
}

/// The caller, the guard of this account, will poll the processes that were started in `wait_ms` milliseconds.
#[rustler::nif]
fn account_due(env: Env, account: ResourceArc<Quota>, wait_ms: u64) -> Atom {
    let _measuring = timing::measure();
    account.init_children().guard_alarm.set(env, wait_ms);
    rustler::types::atom::ok()
}

/// The process of this account is about to be sent a signal: until it has handled that, no watcher can poll it without waiting.
/// The next `account_poll` ends that.
#[rustler::nif]
fn account_asked(account: ResourceArc<Quota>) -> Atom {
    let _measuring = timing::measure();
    account.process.asked.store(true, Ordering::Release);
    rustler::types::atom::ok()
}

/// The caller, which watches the process of this account, will poll it in `wait_ms` milliseconds.
#[rustler::nif]
fn account_alarm(env: Env, account: ResourceArc<Quota>, wait_ms: u64) -> Atom {
    let _measuring = timing::measure();
    account.process.alarm.set(env, wait_ms);
    rustler::types::atom::ok()
}

/// Whether processes that count towards the account have taken long turns lately: turn watchers then poll them.
#[rustler::nif]
fn account_long_turns(account: ResourceArc<Quota>) -> bool {
    let _measuring = timing::measure();
    head(&account)
        .children()
        .is_some_and(|children| children.are_turns_long(alarm::now_us()))
}

/// The calling process, which runs on this `scheduler`, is the turn watcher there from now on.
#[rustler::nif]
fn turn_watcher_enter(env: Env, scheduler: usize) -> NifResult<Atom> {
    let _measuring = timing::measure();
    if turns::watch(env, scheduler) {
        Ok(rustler::types::atom::ok())
    } else {
        Err(Error::BadArg)
    }
}

/// The largest number of a scheduler that has, or had, a turn watcher.
#[rustler::nif]
fn turn_watchers() -> usize {
    let _measuring = timing::measure();
    turns::last()
}

/// `[{pid, account}]` of the processes whose long turns have ended on `scheduler` since the last call.
#[rustler::nif]
fn turns_ended(scheduler: usize) -> Vec<turns::Child> {
    let _measuring = timing::measure();
    turns::take(scheduler)
}

/// Reports the memory of a process that counts towards a quota. If all such processes are over its limit, without its own process, returns
/// `{account, guard}` of that quota, otherwise nil. Also nil for a quota that is only observed, and for one that was taken off its process,
/// whose guard has ended.
#[rustler::nif]
fn account_turn_ended(
    account: ResourceArc<Quota>,
    heap: u64,
    binaries: u64,
    collections: u64,
) -> Option<(ResourceArc<Quota>, LocalPid)> {
    let _measuring = timing::measure();
    observe_at_rest(&account, heap, binaries, collections);
    let quota = head(&account);
    let over = quota.account.total_with(0, 0) > quota.account.limit();
    let guard = quota.guard.pid()?;
    (over && quota.guard.ended().is_none()).then(|| (quota.clone(), guard))
}

/// Reports the memory of a process, read without its messages.
#[rustler::nif]
fn account_observe_at_rest(
    account: ResourceArc<Quota>,
    heap: u64,
    binaries: u64,
    collections: u64,
) {
    let _measuring = timing::measure();
    observe_at_rest(&account, heap, binaries, collections);
}

/// If messages waited at the last poll, the heap counts at least as it did then, which includes them.
fn observe_at_rest(quota: &Quota, heap: u64, binaries: u64, collections: u64) {
    let heap = heap.saturating_add(beside_heap(quota));
    let least = if quota.process.has_messages.load(Ordering::Acquire) {
        quota.account.usage().heap
    } else {
        0
    };
    quota.observe(heap.max(least), binaries, collections);
}

/// The account's process was found to be dead.
#[rustler::nif]
fn account_dead(env: Env, account: ResourceArc<Quota>, pid: LocalPid) {
    let _measuring = timing::measure();
    fault_injection::point("account_dead");
    process_died(env, &account, *pid.as_c_arg());
}
