//! Which account a process charges: its quota's, or the node's root account.
//!
//! Stored here rather than in the process dictionary, so that a tracer, a guard and code that does not know quotas get the same
//! answer. Sharded, because every charged call reads it.

use crate::quota::handle::Quota;
use crate::quota::pid;
use bounded_core::arena::account::Account;
use rustler::sys::ErlNifPid;
use rustler::{Env, ResourceArc};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

/// The number of shards. With hundreds of thousands of processes, one shard is still small enough for one call.
const SHARDS: usize = 1024;
/// A call reads shards until it has seen this many processes.
const PIECE: usize = 256;

type Shard = RwLock<HashMap<usize, ResourceArc<Quota>, BuildHasherDefault<PidHasher>>>;

static ROOT: LazyLock<Arc<Account>> = LazyLock::new(Account::root);
static ENTRIES: AtomicUsize = AtomicUsize::new(0);
static TABLE: LazyLock<[Shard; SHARDS]> =
    LazyLock::new(|| std::array::from_fn(|_| RwLock::default()));

/// The node's account: no limit, charged by every process without a quota.
pub fn root() -> &'static Arc<Account> {
    &ROOT
}

/// The account that `pid` charges.
pub fn account_of(pid: ErlNifPid) -> Arc<Account> {
    find(pid).map_or_else(|| Arc::clone(&ROOT), |quota| Arc::clone(&quota.account))
}

/// The account that the calling process charges.
pub fn own_account(env: Env) -> Arc<Account> {
    account_of(*env.pid().as_c_arg())
}

/// The quota that `pid` runs in, if any.
pub fn find(pid: ErlNifPid) -> Option<ResourceArc<Quota>> {
    if ENTRIES.load(Ordering::Acquire) == 0 {
        return None;
    }
    let key = pid::key(pid);
    let shard = shard(key).read().unwrap_or_else(PoisonError::into_inner);
    shard.get(&key).cloned()
}

/// From now on `pid` charges the account of `quota`. Returns the quota whose account it charged before.
pub fn insert(pid: ErlNifPid, quota: ResourceArc<Quota>) -> Option<ResourceArc<Quota>> {
    let key = pid::key(pid);
    let mut shard = shard(key).write().unwrap_or_else(PoisonError::into_inner);
    let replaced = shard.insert(key, quota);
    // While the shard is locked: the entry could be removed before it was added, and the number be below zero.
    if replaced.is_none() {
        ENTRIES.fetch_add(1, Ordering::AcqRel);
    }
    // The destructor of the replaced quota may take other locks, so it must not run while the shard is locked.
    drop(shard);
    replaced
}

/// Like `insert`, unless `pid` runs in a quota already. Returns whether it does not.
pub fn insert_first(pid: ErlNifPid, quota: ResourceArc<Quota>) -> bool {
    let key = pid::key(pid);
    let mut shard = shard(key).write().unwrap_or_else(PoisonError::into_inner);
    let Entry::Vacant(entry) = shard.entry(key) else {
        return false;
    };
    entry.insert(quota);
    ENTRIES.fetch_add(1, Ordering::AcqRel);
    true
}

/// From now on `pid` charges the root account again, if it is `quota` that it runs in. Returns whether it was.
pub fn remove(pid: ErlNifPid, quota: &Quota) -> bool {
    let key = pid::key(pid);
    let mut shard = shard(key).write().unwrap_or_else(PoisonError::into_inner);
    if !shard
        .get(&key)
        .is_some_and(|found| std::ptr::eq(&**found, quota))
    {
        return false;
    }
    let removed = shard.remove(&key);
    ENTRIES.fetch_sub(1, Ordering::AcqRel);
    // Its destructor must not run while the shard is locked, as in `insert`.
    drop(shard);
    drop(removed);
    true
}

/// Processes in quotas that `wanted` accepts, from the shard `first` on, with the shard from which the next call continues, or
/// `None` after the last one.
pub fn piece(
    first: usize,
    wanted: impl Fn(&Quota) -> bool,
) -> (Vec<(ErlNifPid, ResourceArc<Quota>)>, Option<usize>) {
    let (mut found, mut seen) = (Vec::new(), 0);
    for (number, shard) in TABLE.iter().enumerate().skip(first) {
        if seen >= PIECE {
            return (found, Some(number));
        }
        let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
        // With few processes most shards are empty.
        if shard.is_empty() {
            continue;
        }
        seen += shard.len();
        let quotas = shard.iter().filter(|(_, quota)| wanted(quota));
        found.extend(quotas.map(|(key, quota)| (pid::pid(*key), quota.clone())));
    }
    (found, None)
}

/// The number of processes that charge a quota's account.
pub fn len() -> usize {
    ENTRIES.load(Ordering::Acquire)
}

/// Pids are small numbers that an attacker cannot choose: spreading their bits is enough.
#[derive(Default)]
struct PidHasher(u64);

impl Hasher for PidHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_usize(usize::from(*byte));
        }
    }

    fn write_usize(&mut self, key: usize) {
        self.0 = (self.0 ^ key as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

fn shard(key: usize) -> &'static Shard {
    &TABLE[pid::place(key, SHARDS)]
}
