//! NIFs of accounts: making them, which process charges which, and usage.

use crate::quota::handle::{Quota, head};
use crate::quota::lifecycle::{Adoption, adopt, attach, begin, ended, monitor_late};
use crate::quota::state::enforcement::Terms;
use crate::quota::usage::{UsageTuple, bytes, details, tuple};
use crate::quota::{orphan_monitor, registry};
use crate::timing;
use rustler::{Binary, Encoder, Env, LocalPid, ResourceArc, Term};

mod atoms {
    rustler::atoms! { unlimited }
}

/// `{limit, soft_limit, max_queue, max_children}`: what the guard enforces. Bytes, bytes, messages and processes; all but the
/// first may be nil.
type TermsTuple = (u64, Option<u64>, Option<u64>, Option<usize>);

/// A new account of `limit` bytes below that of `parent`'s process, or below the node's for nil. Without `terms`, the guard enforces `limit` alone.
/// `label` names the account in errors, in the external term format, or is nil.
#[rustler::nif]
fn account_new(
    env: Env,
    parent: Option<LocalPid>,
    limit: u64,
    terms: Option<TermsTuple>,
    label: Option<Binary>,
) -> ResourceArc<Quota> {
    let _measuring = timing::measure();
    let around = parent.map(|parent| registry::account_of(*parent.as_c_arg()));
    let caller = *parent.unwrap_or_else(|| env.pid()).as_c_arg();
    let quota = Quota::new(caller, around.as_ref().unwrap_or(registry::root()), limit);
    if let Some((limit, soft_limit, max_queue, max_children)) = terms {
        quota.enforcement.set_terms(Terms {
            limit,
            soft_limit: soft_limit.unwrap_or(u64::MAX),
            max_queue: max_queue.unwrap_or(u64::MAX),
        });
        if let Some(most) = max_children {
            quota.init_children().set_most(most);
        }
    }
    if let Some(label) = label {
        quota.set_label(&label);
    }
    ResourceArc::new(quota)
}

/// A new account for a process that counts towards `group`, which limits it.
#[rustler::nif]
fn account_child(group: ResourceArc<Quota>) -> ResourceArc<Quota> {
    let _measuring = timing::measure();
    Quota::child(&group)
}

/// The label of the account, in the external term format, or nil.
#[rustler::nif]
fn account_label<'a>(env: Env<'a>, account: ResourceArc<Quota>) -> Option<Term<'a>> {
    let _measuring = timing::measure();
    bytes(env, head(&account).label()?)
}

/// From now on `pid` charges this account, until it dies or is detached. Returns whether it is alive.
#[rustler::nif]
fn account_attach(env: Env, account: ResourceArc<Quota>, pid: LocalPid) -> bool {
    let _measuring = timing::measure();
    attach(env, account, pid)
}

/// Like `account_attach`, unless `pid` runs in a quota already: `:adopted`, `:taken` or `:dead`.
#[rustler::nif]
fn account_adopt(env: Env, account: ResourceArc<Quota>, pid: LocalPid) -> Adoption {
    let _measuring = timing::measure();
    adopt(env, &account, pid)
}

/// Like `account_attach`, for work that has no guard yet, and whose `max_heap_size` is `vm_limit` bytes. Returns whether the
/// orphan monitor has to be started.
#[rustler::nif]
fn account_begin(
    env: Env,
    account: ResourceArc<Quota>,
    pid: LocalPid,
    vm_limit: u64,
    counts_binaries: bool,
) -> bool {
    let _measuring = timing::measure();
    account.process.vm_limit.set(vm_limit, counts_binaries);
    account.guard.set_unguarded();
    begin(account, pid);
    orphan_monitor::wake(env)
}

/// From now on `pid` charges the root account again, if it charges this one. Returns whether it did.
#[rustler::nif]
fn account_detach(account: ResourceArc<Quota>, pid: LocalPid) -> bool {
    let _measuring = timing::measure();
    registry::remove(*pid.as_c_arg(), &account)
}

/// The account's process has sent its result: the memory that the VM still uses for it no longer counts.
#[rustler::nif]
fn account_answered(env: Env, account: ResourceArc<Quota>) {
    let _measuring = timing::measure();
    account.account.end_observing();
    monitor_late(env, &account);
}

/// Ends the quota's own work. Once the last process that counts towards it has ended, reserved bytes are orphaned.
#[rustler::nif]
fn account_close(env: Env, account: ResourceArc<Quota>) {
    let _measuring = timing::measure();
    ended(env, &account);
    monitor_late(env, &account);
}

/// `{heap, binaries, native, total, peak}` of an account, in bytes.
#[rustler::nif]
fn account_usage(account: ResourceArc<Quota>) -> UsageTuple {
    let _measuring = timing::measure();
    tuple(account.account.usage())
}

/// Bytes in use of an account, without what the VM uses for its own process.
#[rustler::nif]
fn account_others(account: ResourceArc<Quota>) -> u64 {
    let _measuring = timing::measure();
    account.account.total_with(0, 0)
}

/// The current figures and the peaks of an account, in bytes: see [`details`].
#[rustler::nif]
fn account_details<'a>(env: Env<'a>, account: ResourceArc<Quota>) -> Term<'a> {
    let _measuring = timing::measure();
    details(&account.account).encode(env)
}

/// Reports what the VM uses for the calling process, if it runs in a quota; returns the bytes that are left.
#[rustler::nif]
fn own_observe<'a>(env: Env<'a>, heap: u64, binaries: u64) -> Term<'a> {
    let _measuring = timing::measure();
    match registry::find(*env.pid().as_c_arg()) {
        None => atoms::unlimited().encode(env),
        Some(quota) => {
            quota.account.observe(heap, binaries);
            quota.account.headroom().encode(env)
        }
    }
}

/// Whether `pid` runs in a quota.
#[rustler::nif]
fn in_quota(pid: LocalPid) -> bool {
    let _measuring = timing::measure();
    registry::find(*pid.as_c_arg()).is_some()
}

/// `{limit, usage, label}` of the quota that the calling process runs in, or nil.
#[rustler::nif]
fn own_usage<'a>(env: Env<'a>) -> Option<Term<'a>> {
    let _measuring = timing::measure();
    let quota = registry::find(*env.pid().as_c_arg())?;
    let quota = head(&quota);
    let label = quota.label().and_then(|label| bytes(env, label));
    Some((quota.limit(), details(&quota.account), label).encode(env))
}

/// The account of the quota that `pid` runs in, or nil.
#[rustler::nif]
fn account_of(pid: LocalPid) -> Option<ResourceArc<Quota>> {
    let _measuring = timing::measure();
    let quota = registry::find(*pid.as_c_arg())?;
    Some(head(&quota).clone())
}

/// `{account, caller}` of the quota that the calling process runs in, or nil.
#[rustler::nif]
fn own_account(env: Env) -> Option<(ResourceArc<Quota>, LocalPid)> {
    let _measuring = timing::measure();
    let quota = registry::find(*env.pid().as_c_arg())?;
    let quota = head(&quota).clone();
    let caller = LocalPid::from_c_arg(quota.caller);
    Some((quota, caller))
}

/// `{[{pid, caller, limit, milliseconds, usage, label}], next}` of the running quotas from `piece` on, which is 0 at
/// first. The rest is from `next` on, unless that is nil.
#[rustler::nif]
fn quotas<'a>(env: Env<'a>, piece: usize) -> (Vec<Term<'a>>, Option<usize>) {
    let _measuring = timing::measure();
    let (heads, next) = registry::piece(piece, |quota| quota.group().is_none());
    let described = heads.into_iter().map(|(pid, quota)| {
        (
            LocalPid::from_c_arg(pid),
            LocalPid::from_c_arg(quota.caller),
            quota.limit(),
            quota.started.elapsed().as_millis() as u64,
            details(&quota.account),
            quota.label().and_then(|label| bytes(env, label)),
        )
            .encode(env)
    });
    (described.collect(), next)
}

/// `{usage, orphaned bytes, processes with an account}` of the node.
#[rustler::nif]
fn node_usage() -> (UsageTuple, u64, usize) {
    let _measuring = timing::measure();
    let root = registry::root();
    (tuple(root.usage()), root.orphaned(), registry::len())
}

/// Refuses the reservation `nth` of the calling process's account from now on, and with `lasting` every later one; 0 for none.
/// Returns the number of those refused since the last call, and the bytes that the account has reserved.
#[cfg(feature = "faults")]
#[rustler::nif]
fn refuse_reservation(env: Env, nth: u64, lasting: bool) -> (u64, u64) {
    let account = registry::own_account(env);
    (account.refuse_reservation(nth, lasting), account.reserved())
}
