//! Processes that begin and cease to charge an account.

use crate::fault_injection;
use crate::quota::handle::Quota;
use crate::quota::{orphan_monitor, pid, pool, registry};
use rustler::sys::{ErlNifPid, enif_monitor_process};
use rustler::{Env, LocalPid, Monitor, NifUnitEnum, Resource, ResourceArc};
use std::mem::MaybeUninit;

#[rustler::resource_impl]
impl Resource for Quota {
    /// A process that charged this account, or its guard, has died, from any cause.
    fn down<'a>(&'a self, env: Env<'a>, pid: LocalPid, _monitor: Monitor) {
        fault_injection::point("down");
        if self.guard.is(&pid) {
            return orphan_monitor::guard_ended(env, self);
        }
        process_died(env, self, *pid.as_c_arg());
    }
}

/// From now on `pid` charges the account of `quota`, until it dies or is detached. Returns whether it is alive.
pub fn attach(env: Env, quota: ResourceArc<Quota>, pid: LocalPid) -> bool {
    let process = *pid.as_c_arg();
    // In this order: the monitor sees a death between the two. The registry's reference keeps the monitor alive.
    let before = registry::insert(process, quota.clone());
    if quota.group().is_none() {
        before.iter().for_each(|it| it.leave_group(process));
    }
    monitor_charging(env, &quota, pid)
}

/// What became of a process that was to charge an account: see [`adopt`].
#[derive(NifUnitEnum)]
pub enum Adoption {
    Adopted,
    /// It runs in another quota already.
    Taken,
    Dead,
}

/// Like [`attach`], for one process that decides about another: unless `pid` runs in a quota already.
pub fn adopt(env: Env, quota: &ResourceArc<Quota>, pid: LocalPid) -> Adoption {
    let process = *pid.as_c_arg();
    if !registry::insert_first(process, quota.clone()) {
        return Adoption::Taken;
    }
    if monitor_charging(env, quota, pid) {
        Adoption::Adopted
    } else {
        Adoption::Dead
    }
}

/// From now on the death of `pid`, which charges the account of `quota`, is reported. If it is dead, it charges nothing more.
/// Returns whether it is alive.
fn monitor_charging(env: Env, quota: &ResourceArc<Quota>, pid: LocalPid) -> bool {
    let process = *pid.as_c_arg();
    if let Some(group) = quota.group() {
        group.init_children().monitored(pid::key(process));
    }
    let alive = monitor(env, quota, pid);
    if !alive {
        registry::remove(process, quota);
        quota.leave_group(process);
        // A watcher may have reported it, and keep it alive. That of the work's own process is for the caller to close.
        if quota.group().is_some() {
            quota.end();
        }
    }
    alive
}

/// From now on `pid` charges the account of `quota`, which it leaves by itself as its work ends: monitoring costs a tenth of a
/// short run. If its caller finds that it has not left, or if it gets a guard, [`monitor_late`] has its death reported.
pub fn begin(quota: ResourceArc<Quota>, pid: LocalPid) {
    let process = *pid.as_c_arg();
    quota.process.set_unmonitored(process);
    let before = registry::insert(process, quota);
    before.iter().for_each(|it| it.leave_group(process));
}

/// The calling process, whose account `quota` is, has ended its work, holds no native memory, and charges nothing more. Returns
/// whether it has left: not if its death will be reported.
pub fn leave(env: Env, quota: &Quota) -> bool {
    // Memory that a pool has admitted stays reserved until the process is dead.
    if quota.account.is_admitted() || quota.account.reserved() > 0 {
        return false;
    }
    let Some(process) = quota.process.take_unmonitored() else {
        return false;
    };
    process_died(env, quota, process);
    true
}

/// From now on the death of the process of `quota` is reported, if it was not yet and if the process has not left.
pub fn monitor_late(env: Env, quota: &ResourceArc<Quota>) {
    let Some(process) = quota.process.take_unmonitored() else {
        return;
    };
    if !monitor(env, quota, LocalPid::from_c_arg(process)) {
        process_died(env, quota, process);
    }
}

/// `Env::monitor`, also where a process has just died: Rustler's own asks for the environment of a process.
fn monitor(env: Env, quota: &ResourceArc<Quota>, pid: LocalPid) -> bool {
    let mut monitor = MaybeUninit::uninit();
    // SAFETY: `env` is that of the calling scheduler, of a process or of a callback; both are allowed. The
    // resource is alive, and its type has a `down`.
    let refused = unsafe {
        enif_monitor_process(
            env.as_c_arg(),
            quota.as_c_arg(),
            pid.as_c_arg(),
            monitor.as_mut_ptr(),
        )
    };
    refused == 0
}

/// The process of `quota` has died.
pub fn process_died(env: Env, quota: &Quota, process: ErlNifPid) {
    registry::remove(process, quota);
    quota.leave_group(process);
    ended(env, quota);
}

/// Ends the quota, and notifies those whom that concerns.
pub fn ended(env: Env, quota: &Quota) {
    quota.end();
    let head = quota.group().unwrap_or(quota);
    // The guard, which would have monitored the processes that the work has started, may have died with it. One that is
    // not monitored would keep the account open for ever.
    if head.account.has_ended() {
        monitor_all(env, head);
    }
    pool::wake(env, &quota.account);
}

/// From now on the deaths of all processes that count towards `group` are reported.
fn monitor_all(env: Env, group: &Quota) {
    let Some(children) = group.children() else {
        return;
    };
    for key in children.take_unmonitored() {
        let process = pid::pid(key);
        if let Some(child) = registry::find(process).filter(|it| it.counts_towards(group)) {
            monitor_charging(env, &child, LocalPid::from_c_arg(process));
        }
    }
}
