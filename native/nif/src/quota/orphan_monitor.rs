//! Quotas that have begun and that no guard watches yet.
//!
//! Most work ends before a guard would poll it, so its caller starts a guard only for work that takes longer than a moment.
//! Should the caller die in that moment, the orphan monitor, one process of the node, starts the guard instead. It sleeps
//! while no quota is unguarded; the call that begins one returns whether it has to be woken.
//!
//! A quota whose guard was killed is unguarded again: the orphan monitor decides what happens to its work.

use crate::quota::handle::Quota;
use crate::quota::state::guard::{GuardEnd, WATCH};
use crate::quota::{lifecycle, pid, registry};
use crate::timing;
use bounded_core::arena::account::UNLIMITED;
use rustler::{Env, LocalPid, ResourceArc};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

mod atoms {
    rustler::atoms! { wake }
}

/// Younger quotas are left to their callers.
const AGE: Duration = Duration::from_millis(4);

/// The key of the monitor's pid; 0 before there is one. Every run reads it.
static MONITOR: AtomicUsize = AtomicUsize::new(0);

/// A quota has begun: wakes the orphan monitor if it sleeps. Returns whether it has to be started, because there is none.
///
/// The message is sent here and not by the caller, which may be killed before: the others would take the monitor for awake.
pub fn wake(env: Env) -> bool {
    let Some(monitor) = monitor().filter(|it| it.is_alive(env)) else {
        return true;
    };
    WATCH.must_wake() && env.send(&monitor, atoms::wake()).is_err()
}

fn monitor() -> Option<LocalPid> {
    let key = MONITOR.load(Ordering::Acquire);
    (key != 0).then(|| LocalPid::from_c_arg(pid::pid(key)))
}

/// `pid` guards this quota from now on, unless another process does already. Returns whether `pid` is the one.
#[rustler::nif]
fn account_guarded(env: Env, account: ResourceArc<Quota>, pid: LocalPid) -> bool {
    let _measuring = timing::measure();
    if !account.guard.set(&pid) {
        return account.guard.is(&pid);
    }
    account.guard.clear_unguarded();
    lifecycle::monitor_late(env, &account);
    if env.monitor(&account, &pid).is_none() {
        guard_ended(env, &account);
    }
    true
}

/// The guard of this quota is about to end, for `reason`.
#[rustler::nif]
fn account_guard_ends(account: ResourceArc<Quota>, reason: GuardEnd) {
    let _measuring = timing::measure();
    account.guard.end(reason);
}

/// Why the guard of this quota has ended, or nil where it has not said so: it is alive or was killed.
#[rustler::nif]
fn account_guard_ended(account: ResourceArc<Quota>) -> Option<GuardEnd> {
    let _measuring = timing::measure();
    account.guard.ended()
}

/// The guard is dead. Unless it had finished, the orphan monitor decides what happens to its work. Work that is only
/// observed continues.
pub fn guard_ended(env: Env, quota: &Quota) {
    if quota.guard.ended() == Some(GuardEnd::Done) || quota.account.limit() == UNLIMITED {
        return;
    }
    quota.guard.set_unguarded();
    if let Some(monitor) = monitor() {
        // If it is dead, the next one checks as soon as it has started.
        let _ = env.send(&monitor, atoms::wake());
    }
}

/// The calling process is the orphan monitor from now on.
#[rustler::nif]
fn orphan_monitor_enter(env: Env) {
    let _measuring = timing::measure();
    MONITOR.store(pid::key(*env.pid().as_c_arg()), Ordering::Release);
    WATCH.started();
}

type Late = (Vec<(LocalPid, LocalPid, ResourceArc<Quota>)>, Option<usize>);

/// `{[{pid, caller, account}], next}` of the quotas that should have been guarded by now, and of those whose guard was
/// killed, from `piece` on, which is 0 at first. The rest is from `next` on, unless that is nil.
#[rustler::nif]
fn orphan_monitor_unguarded(piece: usize) -> Late {
    let _measuring = timing::measure();
    if !WATCH.any_unguarded() {
        return (Vec::new(), None);
    }
    let late = |quota: &Quota| quota.guard.is_unguarded() && quota.started.elapsed() >= AGE;
    let (found, next) = registry::piece(piece, late);
    let found = found.into_iter().map(|(pid, quota)| {
        let caller = LocalPid::from_c_arg(quota.caller);
        (LocalPid::from_c_arg(pid), caller, quota)
    });
    (found.collect(), next)
}

/// Returns whether the orphan monitor may sleep until it is woken.
#[rustler::nif]
fn orphan_monitor_rest() -> bool {
    let _measuring = timing::measure();
    WATCH.may_sleep()
}
