//! The processes that count towards a quota besides its own: which they are, which of them nobody watches yet, and what a
//! process takes beside its heap.
//!
//! Kept by quota, so that asking for them costs by their number and not by that of all quotas, and in order, so that
//! they can be asked for in pieces.

use crate::fault;
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
    rustler::atoms! { spawned, too_many, collected }
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
}

#[derive(Default)]
struct Lists {
    all: BTreeSet<usize>,
    /// Those whose deaths nobody is told of.
    unwatched: BTreeSet<usize>,
}

impl Default for Children {
    fn default() -> Children {
        Children {
            lists: Mutex::default(),
            told: AtomicBool::new(false),
            told_too_many: AtomicBool::new(false),
            most: AtomicUsize::new(usize::MAX),
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
    if count > children.most.load(Ordering::Relaxed)
        && !children.told_too_many.swap(true, Ordering::AcqRel)
    {
        let _ = env.send(&guard, atoms::too_many());
    }
}

/// The process of this account has collected its heap: wakes up its watcher, if that rests because the process did.
pub fn collected(env: Env, quota: &Quota) {
    if quota.resting.load(Ordering::Relaxed)
        && quota.resting.swap(false, Ordering::AcqRel)
        && let Some(watcher) = quota.watcher.get()
    {
        let _ = env.send(&LocalPid::from_c_arg(*watcher), atoms::collected());
    }
}

/// Of the processes that nobody watches, looks at `most` at most and has their deaths told: those that live, with their
/// accounts. Those that run in a quota of their own by now are watched by its guard.
pub fn watch(env: Env, group: &Quota, most: usize) -> Vec<(LocalPid, ResourceArc<Quota>)> {
    let Some(children) = group.children.get() else {
        return Vec::new();
    };
    let taken = children.take_unwatched(most).into_iter();
    let with_accounts = taken.filter_map(|key| {
        let pid = registry::pid(key);
        Some((LocalPid::from_c_arg(pid), registry::find(pid)?))
    });
    with_accounts
        .filter(|(_, member)| member.counts_towards(group))
        .filter(|(pid, member)| attach(env, member.clone(), *pid))
        .collect()
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

/// Has the deaths of processes told that the account's work has started since this was last asked, of `most` at most and of
/// no more than one call may look at: `{more, [{pid, account}]}`, those that are alive, and whether there may be more.
/// From now on the guard is told of the next.
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
    let watched = watch(env, &account, most.min(PIECE));
    let more = !children.lists().unwatched.is_empty();
    (more, watched)
}

/// `{[{pid, account}], next}`: processes that count towards the account, but its own, from `after` on, which is 0 at first.
/// The rest is behind `next`, unless that is nil.
#[rustler::nif]
fn account_members(
    account: ResourceArc<Quota>,
    after: usize,
) -> (Vec<(LocalPid, ResourceArc<Quota>)>, Option<usize>) {
    let _measuring = timing::measure();
    let Some(children) = account.children.get() else {
        return (Vec::new(), None);
    };
    let keys = children.piece(after);
    let next = keys.last().copied().filter(|_| keys.len() == PIECE);
    let members = keys.into_iter().filter_map(|key| {
        let pid = registry::pid(key);
        match registry::find(pid) {
            Some(member) if member.counts_towards(&account) => {
                Some((LocalPid::from_c_arg(pid), member))
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

/// The caller, which watches the process of this account, is about to wait for long: it is sent `collected` when that process
/// collects its heap.
#[rustler::nif]
fn account_rest(env: Env, account: ResourceArc<Quota>) -> Atom {
    let _measuring = timing::measure();
    let _ = account.watcher.set(*env.pid().as_c_arg());
    account.resting.store(true, Ordering::Release);
    rustler::types::atom::ok()
}

/// The account's process was found to be dead.
#[rustler::nif]
fn account_dead(env: Env, account: ResourceArc<Quota>, pid: LocalPid) {
    let _measuring = timing::measure();
    fault::point("account_dead");
    account.process_died(env, pid);
}
