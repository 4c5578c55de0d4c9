//! Quotas that have begun and that no guard watches yet.
//!
//! Most work is over before anyone needs to look at it, so a guard is started only for work that takes
//! longer than a moment: by its caller. Should the caller die in that moment, the sweeper, one process
//! of the node, starts the guard in its place. It sleeps while no quota is unguarded; beginning one
//! says whether it has to be woken.

use crate::quota::{Quota, attach};
use crate::registry;
use rustler::sys::ErlNifPid;
use rustler::{Env, LocalPid, ResourceArc};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

/// Younger quotas are left to their callers.
const AGE: Duration = Duration::from_millis(4);

static UNGUARDED: AtomicUsize = AtomicUsize::new(0);
static SWEEPING: AtomicBool = AtomicBool::new(false);
static SWEEPER: RwLock<Option<ErlNifPid>> = RwLock::new(None);

/// The quota is guarded, or over.
pub fn not_unguarded(quota: &Quota) {
    if quota.unguarded.swap(false, Ordering::AcqRel) {
        UNGUARDED.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Like `account_attach`, for work that has no guard yet. Says whether the sweeper has to be woken.
#[rustler::nif]
fn account_begin(env: Env, account: ResourceArc<Quota>, pid: LocalPid) -> bool {
    account.unguarded.store(true, Ordering::Release);
    UNGUARDED.fetch_add(1, Ordering::SeqCst);
    if !attach(env, account.clone(), pid) {
        not_unguarded(&account);
    }
    !(SWEEPING.swap(true, Ordering::SeqCst) && sweeper_alive(env))
}

fn sweeper_alive(env: Env) -> bool {
    let sweeper = *SWEEPER.read().unwrap_or_else(PoisonError::into_inner);
    sweeper.is_some_and(|pid| LocalPid::from_c_arg(pid).is_alive(env))
}

/// The calling process guards this quota from now on, unless another one does already.
#[rustler::nif]
fn account_guarded(env: Env, account: ResourceArc<Quota>) -> bool {
    not_unguarded(&account);
    account.guard.set(*env.pid().as_c_arg()).is_ok()
}

/// The calling process is the sweeper from now on.
#[rustler::nif]
fn sweeper_enter(env: Env) {
    *SWEEPER.write().unwrap_or_else(PoisonError::into_inner) = Some(*env.pid().as_c_arg());
    SWEEPING.store(true, Ordering::SeqCst);
}

/// `{pid, caller, account}` of the quotas that should have been guarded by now.
#[rustler::nif]
fn sweeper_unguarded() -> Vec<(LocalPid, LocalPid, ResourceArc<Quota>)> {
    if UNGUARDED.load(Ordering::SeqCst) == 0 {
        return Vec::new();
    }
    let late =
        |quota: &Quota| quota.unguarded.load(Ordering::Acquire) && quota.started.elapsed() >= AGE;
    let found = registry::all(late).into_iter().map(|(pid, quota)| {
        let caller = LocalPid::from_c_arg(quota.caller);
        (LocalPid::from_c_arg(pid), caller, quota)
    });
    found.collect()
}

/// Says whether the sweeper may sleep until it is woken.
#[rustler::nif]
fn sweeper_rest() -> bool {
    SWEEPING.store(false, Ordering::SeqCst);
    let rest = UNGUARDED.load(Ordering::SeqCst) == 0;
    if !rest {
        SWEEPING.store(true, Ordering::SeqCst);
    }
    rest
}
