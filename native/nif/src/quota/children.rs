//! The processes that count towards a quota besides its own: which they are, which of them nobody watches yet, and what a
//! process takes beside its heap.
//!
//! Kept by quota, so that asking for them costs by their number and not by that of all quotas, and in order, so that
//! they can be asked for in pieces.

use crate::fault;
use crate::quota::alarm::{self, Alarm};
use crate::quota::handle::{Quota, attach};
use crate::quota::registry;
use crate::timing;
use bounded_core::arena::account::{Account, Category};
use rustler::sys::ErlNifPid;
use rustler::{Atom, Env, LocalPid, ResourceArc};
use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

mod atoms {
    rustler::atoms! { spawned, too_many }
}

/// So many are given, looked for or monitored in one call.
const PIECE: usize = 256;
/// With everything that stands beside it in tables of this library and of the VM, about as many bytes as words here.
const ENTRIES: usize = 64;

/// Bytes of a process that has just been started, and of that what is not its heap.
static FRESH: AtomicU64 = AtomicU64::new(0);
static BESIDE_HEAP: AtomicU64 = AtomicU64::new(0);

/// The processes that count towards one quota, by the keys of their pids.
pub struct Children {
    lists: Mutex<Lists>,
    /// The guard has been told that there are some to watch.
    told: AtomicBool,
    /// The guard has been told that there are more than may be.
    told_too_many: AtomicBool,
    /// How many there may be at once.
    most: AtomicUsize,
    /// When the guard wants to look at those that were started, and when the survey is due.
    pub guard_alarm: Alarm,
    pub survey_alarm: Alarm,
}

#[derive(Default)]
struct Lists {
    all: BTreeSet<usize>,
    /// Those whose deaths nobody is told of.
    unwatched: BTreeSet<usize>,
    /// Those that the guard does not know yet.
    fresh: BTreeSet<usize>,
}

impl Default for Children {
    fn default() -> Children {
        Children {
            lists: Mutex::default(),
            told: AtomicBool::new(false),
            told_too_many: AtomicBool::new(false),
            most: AtomicUsize::new(usize::MAX),
            guard_alarm: Alarm::default(),
            survey_alarm: Alarm::default(),
        }
    }
}

impl Children {
    fn lists(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A process has been started that nobody watches yet. Says how many there are.
    fn spawned(&self, key: usize) -> usize {
        let mut lists = self.lists();
        lists.all.insert(key);
        lists.unwatched.insert(key);
        lists.fresh.insert(key);
        lists.all.len()
    }

    /// A process counts whose death is told.
    pub fn watched(&self, key: usize) {
        let mut lists = self.lists();
        lists.all.insert(key);
        lists.unwatched.remove(&key);
    }

    /// A process is dead, or has a quota of its own.
    pub fn forget(&self, key: usize) {
        let mut lists = self.lists();
        lists.all.remove(&key);
        lists.unwatched.remove(&key);
        lists.fresh.remove(&key);
    }

    fn take_fresh(&self, most: usize) -> (Vec<usize>, bool) {
        let mut lists = self.lists();
        let taken: Vec<usize> = lists.fresh.iter().take(most).copied().collect();
        for key in &taken {
            lists.fresh.remove(key);
        }
        (taken, !lists.fresh.is_empty())
    }

    fn take_unwatched(&self, most: usize) -> Vec<usize> {
        let mut lists = self.lists();
        let taken: Vec<usize> = lists.unwatched.iter().take(most).copied().collect();
        for key in &taken {
            lists.unwatched.remove(key);
        }
        taken
    }

    /// Those behind `after`, so many of them as one call may look at.
    fn piece(&self, after: usize) -> Vec<usize> {
        let lists = self.lists();
        let behind = lists.all.range((Excluded(after), Unbounded));
        behind.take(PIECE).copied().collect()
    }
}

/// Bytes that a process takes beside its heap, where the account is that of one that counts towards another.
pub fn beside_heap(quota: &Quota) -> u64 {
    if quota.group.is_some() {
        BESIDE_HEAP.load(Ordering::Relaxed)
    } else {
        0
    }
}

/// `child` was started by a process that counts towards `group`, and so it does from here on; the guard will see to it.
/// Called by the tracer: it must not wait.
pub fn spawned(env: Env, group: &ResourceArc<Quota>, member: ResourceArc<Quota>, child: ErlNifPid) {
    // As much as it takes at least, until somebody looks.
    member.account.observe(FRESH.load(Ordering::Relaxed), 0);
    registry::insert(child, member);
    let children = group.children();
    let count = children.spawned(registry::key(child));
    let Some(guard) = group.guard.get() else {
        return;
    };
    let guard = LocalPid::from_c_arg(*guard);
    // Whether it is alive is not this process's concern.
    if !children.told.swap(true, Ordering::AcqRel) {
        let _ = env.send(&guard, atoms::spawned());
    }
    alarm::spawned(env, group);
    if count > children.most.load(Ordering::Relaxed)
        && !children.told_too_many.swap(true, Ordering::AcqRel)
    {
        let _ = env.send(&guard, atoms::too_many());
    }
}

/// From now on the deaths are told of all processes that count towards `group`.
pub fn watch_all(env: Env, group: &Quota) {
    let Some(children) = group.children.get() else {
        return;
    };
    for key in children.take_unwatched(usize::MAX) {
        let pid = registry::pid(key);
        if let Some(member) = registry::find(pid).filter(|it| it.counts_towards(group)) {
            attach(env, member, LocalPid::from_c_arg(pid));
        }
    }
}

/// What a process that has just been started takes, `memory` bytes with `heap` bytes of heap among them.
#[rustler::nif]
fn process_bytes(memory: u64, heap: u64) {
    let _measuring = timing::measure();
    let own = size_of::<Quota>() + size_of::<Account>() + ENTRIES * size_of::<usize>();
    let fresh = memory.saturating_add(own as u64);
    FRESH.store(fresh, Ordering::Relaxed);
    BESIDE_HEAP.store(fresh.saturating_sub(heap), Ordering::Relaxed);
}

/// How many processes may count towards the account besides its own, at once.
#[rustler::nif]
fn account_max_children(account: ResourceArc<Quota>, most: usize) {
    let _measuring = timing::measure();
    account.children().most.store(most, Ordering::Relaxed);
}

/// `{more, [{pid, account}]}` of processes that the account's work has started and that the guard does not know yet: `most` of
/// them at most, those that are alive, and whether there may be more. From now on the guard is told of the next.
///
/// Nobody is told of their deaths yet: for that they would have to be sent a signal, and could not be looked at until they
/// have handled it.
#[rustler::nif]
fn account_spawned(
    env: Env,
    account: ResourceArc<Quota>,
    most: usize,
) -> (bool, Vec<(LocalPid, ResourceArc<Quota>)>) {
    let _measuring = timing::measure();
    let Some(children) = account.children.get() else {
        return (false, Vec::new());
    };
    // First: what is started meanwhile is told, or taken here.
    children.told.store(false, Ordering::SeqCst);
    let (taken, more) = children.take_fresh(most.min(PIECE));
    let members = taken.into_iter().filter_map(|key| {
        let pid = LocalPid::from_c_arg(registry::pid(key));
        let member = registry::find(registry::pid(key)).filter(|it| it.counts_towards(&account))?;
        if pid.is_alive(env) {
            return Some((pid, member));
        }
        member.process_died(env, pid);
        None
    });
    (more, members.collect())
}

type Members = (Vec<(LocalPid, ResourceArc<Quota>)>, Option<usize>);

/// `{[{pid, account}], next}`: processes that count towards the account, but its own, from `after` on, which is 0 at first.
/// The rest is behind `next`, unless that is nil.
#[rustler::nif]
fn account_members(account: ResourceArc<Quota>, after: usize) -> Members {
    let _measuring = timing::measure();
    members(&account, after, |_| true)
}

/// The same of those that can be looked at without waiting until they have had a turn.
#[rustler::nif]
fn account_surveyable(account: ResourceArc<Quota>, after: usize) -> Members {
    let _measuring = timing::measure();
    members(&account, after, |member| {
        !member.asked.load(Ordering::Acquire)
    })
}

fn members(account: &Quota, after: usize, wanted: impl Fn(&Quota) -> bool) -> Members {
    let _measuring = timing::measure();
    let Some(children) = account.children.get() else {
        return (Vec::new(), None);
    };
    let keys = children.piece(after);
    let next = keys.last().copied().filter(|_| keys.len() == PIECE);
    let members = keys.into_iter().filter_map(|key| {
        let pid = registry::pid(key);
        match registry::find(pid) {
            Some(member) if member.counts_towards(account) => {
                wanted(&member).then(|| (LocalPid::from_c_arg(pid), member))
            }
            _ => {
                children.forget(key);
                None
            }
        }
    });
    (members.collect(), next)
}

/// Forgets those that are dead among the processes behind `after` that count towards the account. The rest is behind what this
/// gives, unless that is nil.
#[rustler::nif]
fn account_prune(env: Env, account: ResourceArc<Quota>, after: usize) -> Option<usize> {
    let _measuring = timing::measure();
    let children = account.children.get()?;
    let keys = children.piece(after);
    let next = keys.last().copied().filter(|_| keys.len() == PIECE);
    for key in keys {
        let pid = LocalPid::from_c_arg(registry::pid(key));
        if pid.is_alive(env) {
            continue;
        }
        match registry::find(registry::pid(key)) {
            Some(member) if member.counts_towards(&account) => member.process_died(env, pid),
            _ => children.forget(key),
        }
    }
    next
}

/// Whether more processes count towards the account than may. If not, the guard is told again when there are.
#[rustler::nif]
fn account_too_many(account: ResourceArc<Quota>) -> bool {
    let _measuring = timing::measure();
    let Some(children) = account.children.get() else {
        return false;
    };
    let too_many = || children.lists().all.len() > children.most.load(Ordering::Relaxed);
    if too_many() {
        return true;
    }
    children.told_too_many.store(false, Ordering::SeqCst);
    // One more may have come before it would have been told.
    too_many() && !children.told_too_many.swap(true, Ordering::AcqRel)
}

/// Records that more processes were started than may be.
#[rustler::nif]
fn account_breach_children(account: ResourceArc<Quota>) -> bool {
    let _measuring = timing::measure();
    account.account.breach(Category::Children)
}

/// The process of this account is watched alone from now on. Says whether it was not.
#[rustler::nif]
fn account_watched(account: ResourceArc<Quota>) -> bool {
    let _measuring = timing::measure();
    !account.watched.swap(true, Ordering::AcqRel)
}

/// The caller, the guard of this account, wants to look at the processes that were started in `wait_ms` milliseconds.
#[rustler::nif]
fn account_due(env: Env, account: ResourceArc<Quota>, wait_ms: u64) -> Atom {
    let _measuring = timing::measure();
    account.children().guard_alarm.set(env, wait_ms);
    rustler::types::atom::ok()
}

/// The process of this account is about to be sent a signal: until it has handled that, nobody can look at it without waiting.
/// That it was, the next `account_poll` says.
#[rustler::nif]
fn account_asked(account: ResourceArc<Quota>) -> Atom {
    let _measuring = timing::measure();
    account.asked.store(true, Ordering::Release);
    rustler::types::atom::ok()
}

/// The caller, which watches the process of this account, wants to look at it in `wait_ms` milliseconds.
#[rustler::nif]
fn account_alarm(env: Env, account: ResourceArc<Quota>, wait_ms: u64) -> Atom {
    let _measuring = timing::measure();
    account.alarm.set(env, wait_ms);
    rustler::types::atom::ok()
}

/// The account's process was found to be dead.
#[rustler::nif]
fn account_dead(env: Env, account: ResourceArc<Quota>, pid: LocalPid) {
    let _measuring = timing::measure();
    fault::point("account_dead");
    account.process_died(env, pid);
}
