//! Quotas that have begun and that no guard watches yet.
//!
//! Most work is over before anyone needs to look at it, so a guard is started only for work that takes
//! longer than a moment: by its caller. Should the caller die in that moment, the sweeper, one process
//! of the node, starts the guard in its place. It sleeps while no quota is unguarded; beginning one
//! says whether it has to be woken.
//!
//! A quota whose guard was killed is unguarded again: what becomes of its work, the sweeper decides.

use crate::quota::handle::{Quota, attach};
use crate::quota::registry;
use crate::timing;
use bounded_core::arena::account::UNLIMITED;
use rustler::sys::ErlNifPid;
use rustler::{Env, LocalPid, ResourceArc};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

mod atoms {
    rustler::atoms! { wake }
}

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
    let _measuring = timing::measure();
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

/// `pid` guards this quota from now on, unless another process does already. Says whether `pid` is the one.
#[rustler::nif]
fn account_guarded(env: Env, account: ResourceArc<Quota>, pid: LocalPid) -> bool {
    let _measuring = timing::measure();
    match account.guard.set(*pid.as_c_arg()) {
        Err(_) => account.is_guard(&pid),
        Ok(()) => {
            not_unguarded(&account);
            if env.monitor(&account, &pid).is_none() {
                guard_ended(env, &account);
            }
            true
        }
    }
}

/// The guard of this quota has nothing left to watch and ends.
#[rustler::nif]
fn account_guard_done(account: ResourceArc<Quota>) {
    let _measuring = timing::measure();
    account.guard_done.store(true, Ordering::Release);
}

/// Whether the guard of this quota ended because it had nothing left to watch.
#[rustler::nif]
fn account_guard_ended(account: ResourceArc<Quota>) -> bool {
    let _measuring = timing::measure();
    account.guard_done.load(Ordering::Acquire)
}

/// The guard is dead. Unless it had finished, the sweeper sees to what it watched; what is only observed
/// goes on.
pub fn guard_ended(env: Env, quota: &Quota) {
    if quota.guard_done.load(Ordering::Acquire) || quota.account.limit() == UNLIMITED {
        return;
    }
    if !quota.unguarded.swap(true, Ordering::AcqRel) {
        UNGUARDED.fetch_add(1, Ordering::SeqCst);
    }
    let sweeper = *SWEEPER.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(sweeper) = sweeper {
        // Should it be dead, the next one looks as soon as it is there.
        let _ = env.send(&LocalPid::from_c_arg(sweeper), atoms::wake());
    }
}

/// The calling process is the sweeper from now on.
#[rustler::nif]
fn sweeper_enter(env: Env) {
    let _measuring = timing::measure();
    *SWEEPER.write().unwrap_or_else(PoisonError::into_inner) = Some(*env.pid().as_c_arg());
    SWEEPING.store(true, Ordering::SeqCst);
}

type Late = (Vec<(LocalPid, LocalPid, ResourceArc<Quota>)>, Option<usize>);

/// `{[{pid, caller, account}], next}` of the quotas that should have been guarded by now, and of those whose guard was
/// killed, from `piece` on, which is 0 at first. The rest is from `next` on, unless that is nil.
#[rustler::nif]
fn sweeper_unguarded(piece: usize) -> Late {
    let _measuring = timing::measure();
    if UNGUARDED.load(Ordering::SeqCst) == 0 {
        return (Vec::new(), None);
    }
    let late =
        |quota: &Quota| quota.unguarded.load(Ordering::Acquire) && quota.started.elapsed() >= AGE;
    let (found, next) = registry::piece(piece, late);
    let found = found.into_iter().map(|(pid, quota)| {
        let caller = LocalPid::from_c_arg(quota.caller);
        (LocalPid::from_c_arg(pid), caller, quota)
    });
    (found.collect(), next)
}

/// Says whether the sweeper may sleep until it is woken.
#[rustler::nif]
fn sweeper_rest() -> bool {
    let _measuring = timing::measure();
    SWEEPING.store(false, Ordering::SeqCst);
    let rest = UNGUARDED.load(Ordering::SeqCst) == 0;
    if !rest {
        SWEEPING.store(true, Ordering::SeqCst);
    }
    rest
}
