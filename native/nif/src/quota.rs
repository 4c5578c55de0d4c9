//! NIFs of `Quota`: accounts as resources, and what is in use.

use crate::registry;
use bounded_core::quota::{Account, Usage};
use rustler::sys::ErlNifPid;
use rustler::{Env, LocalPid, Resource, ResourceArc};
use std::sync::Arc;

/// A handle on one account, closed when the last reference goes.
pub struct AccountHandle(Arc<Account>);

#[rustler::resource_impl]
impl Resource for AccountHandle {}

impl Drop for AccountHandle {
    fn drop(&mut self) {
        self.0.close();
    }
}

type UsageTuple = (u64, u64, u64, u64, u64);

fn tuple(usage: Usage) -> UsageTuple {
    (
        usage.heap,
        usage.binaries,
        usage.native,
        usage.total,
        usage.peak,
    )
}

/// A new account of `limit` bytes below that of `parent`'s process.
#[rustler::nif]
fn account_new(parent: LocalPid, limit: u64) -> ResourceArc<AccountHandle> {
    let parent: ErlNifPid = *parent.as_c_arg();
    let account = Account::child(&registry::account_of(parent), limit);
    ResourceArc::new(AccountHandle(account))
}

/// From now on `pid` charges this account.
#[rustler::nif]
fn account_attach(account: ResourceArc<AccountHandle>, pid: LocalPid) {
    registry::insert(*pid.as_c_arg(), Arc::clone(&account.0));
}

/// From now on `pid` charges the root account again.
#[rustler::nif]
fn account_detach(pid: LocalPid) -> bool {
    registry::remove(*pid.as_c_arg())
}

/// Reports what the VM uses for the account's processes; says whether it is over its limit.
#[rustler::nif]
fn account_observe(account: ResourceArc<AccountHandle>, heap: u64, binaries: u64) -> bool {
    account.0.observe(heap, binaries);
    account.0.is_over()
}

/// Ends the quota: what is still reserved is orphaned.
#[rustler::nif]
fn account_close(account: ResourceArc<AccountHandle>) {
    account.0.close();
}

/// `{heap, binaries, native, total, peak}` of an account, in bytes.
#[rustler::nif]
fn account_usage(account: ResourceArc<AccountHandle>) -> UsageTuple {
    tuple(account.0.usage())
}

/// Bytes that the account can still reserve.
#[rustler::nif]
fn account_headroom(account: ResourceArc<AccountHandle>) -> u64 {
    account.0.headroom()
}

/// The usage of the account that the calling process charges.
#[rustler::nif]
fn own_usage(env: Env) -> UsageTuple {
    tuple(registry::own_account(env).usage())
}

/// `{usage, orphaned bytes, processes with an account}` of the node.
#[rustler::nif]
fn node_usage() -> (UsageTuple, u64, usize) {
    let root = registry::root();
    (tuple(root.usage()), root.orphaned(), registry::len())
}
