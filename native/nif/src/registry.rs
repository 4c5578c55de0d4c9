//! Which account a process charges: its quota's, or the node's root account.
//!
//! Kept here rather than in the process dictionary, so that a tracer, a guard and code that never
//! heard of quotas find the same answer. Sharded, because every charged call looks here.

use bounded_core::quota::Account;
use rustler::Env;
use rustler::sys::ErlNifPid;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

const SHARDS: usize = 64;

type Shard = RwLock<HashMap<usize, Arc<Account>>>;

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
    find(pid).unwrap_or_else(|| Arc::clone(&ROOT))
}

/// The account that the calling process charges.
pub fn own_account(env: Env) -> Arc<Account> {
    account_of(*env.pid().as_c_arg())
}

/// The account of the quota that `pid` runs in, if any.
pub fn find(pid: ErlNifPid) -> Option<Arc<Account>> {
    if ENTRIES.load(Ordering::Acquire) == 0 {
        return None;
    }
    let key = key(pid);
    let shard = shard(key).read().unwrap_or_else(PoisonError::into_inner);
    shard.get(&key).cloned()
}

/// From now on `pid` charges `account`.
pub fn insert(pid: ErlNifPid, account: Arc<Account>) {
    let key = key(pid);
    let mut shard = shard(key).write().unwrap_or_else(PoisonError::into_inner);
    if shard.insert(key, account).is_none() {
        ENTRIES.fetch_add(1, Ordering::AcqRel);
    }
}

/// From now on `pid` charges the root account again. Says whether it charged another one.
pub fn remove(pid: ErlNifPid) -> bool {
    let key = key(pid);
    let mut shard = shard(key).write().unwrap_or_else(PoisonError::into_inner);
    let removed = shard.remove(&key).is_some();
    if removed {
        ENTRIES.fetch_sub(1, Ordering::AcqRel);
    }
    removed
}

/// How many processes have a quota's account.
pub fn len() -> usize {
    ENTRIES.load(Ordering::Acquire)
}

/// A local pid is an immediate term: equal pids are equal words.
fn key(pid: ErlNifPid) -> usize {
    // SAFETY: `ErlNifPid` is `repr(C)` around one term, which is one word of plain data.
    unsafe { std::mem::transmute::<ErlNifPid, usize>(pid) }
}

fn shard(key: usize) -> &'static Shard {
    // The low bits of a pid are its tag.
    &TABLE[key >> 4 & (SHARDS - 1)]
}
