//! NIFs of `Quota`: accounts as resources, who runs in them, and what is in use.

use crate::{pool, registry};
use bounded_core::quota::{Account, Breach, Category, Crowd, Look, Pace, UNLIMITED, Usage};
use rustler::sys::ErlNifPid;
use rustler::{
    Atom, Binary, Encoder, Env, LocalPid, Monitor, OwnedBinary, Resource, ResourceArc, Term,
};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};
use std::time::Instant;

mod atoms {
    rustler::atoms! { unlimited, over, near, heap, binaries, native, result, unknown }
}

static CROWD: Crowd = Crowd::new();
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// One quota at run time: its account, and what is known of the work that it limits.
pub struct Quota {
    pub account: Arc<Account>,
    guard: OnceLock<ErlNifPid>,
    /// In the external term format: terms do not outlive their process here.
    label: OnceLock<Vec<u8>>,
    stack: Mutex<Vec<u8>>,
    pace: Mutex<Option<Pace>>,
    /// Nothing will tell why the process dies: someone else traces it.
    untraced: AtomicBool,
}

impl Quota {
    fn new(parent: &Arc<Account>, limit: u64) -> Quota {
        Quota {
            account: Account::child(parent, limit),
            guard: OnceLock::new(),
            label: OnceLock::new(),
            stack: Mutex::default(),
            pace: Mutex::default(),
            untraced: AtomicBool::new(false),
        }
    }

    /// Nothing runs in this quota any more; what it still holds is orphaned.
    fn end(&self) {
        self.account.close();
        *self.pace.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// A handle on one quota, which ends when the last reference to the handle goes.
pub struct AccountHandle(Arc<Quota>);

#[rustler::resource_impl]
impl Resource for AccountHandle {
    /// A process that ran in this quota is dead, however it died.
    fn down<'a>(&'a self, env: Env<'a>, pid: LocalPid, _monitor: Monitor) {
        registry::remove_from(*pid.as_c_arg(), &self.0);
        self.0.end();
        pool::wake(env, &self.0.account);
    }
}

impl AccountHandle {
    pub fn account(&self) -> &Account {
        &self.0.account
    }

    /// What the account is called, in the external term format.
    pub fn label(&self) -> Option<&[u8]> {
        self.0.label.get().map(Vec::as_slice)
    }
}

impl Drop for AccountHandle {
    fn drop(&mut self) {
        self.0.end();
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

fn category(category: Category) -> Atom {
    match category {
        Category::Heap => atoms::heap(),
        Category::Binaries => atoms::binaries(),
        Category::Native => atoms::native(),
        Category::Result => atoms::result(),
        Category::Unknown => atoms::unknown(),
    }
}

/// A new account of `limit` bytes below that of `parent`'s process.
#[rustler::nif]
fn account_new(parent: LocalPid, limit: u64) -> ResourceArc<AccountHandle> {
    let parent = registry::account_of(*parent.as_c_arg());
    ResourceArc::new(AccountHandle(Arc::new(Quota::new(&parent, limit))))
}

/// What the account is called in errors, in the external term format.
#[rustler::nif]
fn account_label(account: ResourceArc<AccountHandle>, label: Binary) {
    let _ = account.0.label.set(label.as_slice().to_vec());
}

/// From now on `pid` charges this account, until it dies or is detached. Says whether it is alive.
#[rustler::nif]
fn account_attach(env: Env, account: ResourceArc<AccountHandle>, pid: LocalPid) -> bool {
    // In this order: a death between the two is seen by the monitor.
    registry::insert(*pid.as_c_arg(), Arc::clone(&account.0));
    let alive = env.monitor(&account, &pid).is_some();
    if !alive {
        registry::remove_from(*pid.as_c_arg(), &account.0);
    }
    alive
}

/// `guard` watches the account's process.
#[rustler::nif]
fn account_guarded(account: ResourceArc<AccountHandle>, guard: LocalPid) {
    let _ = account.0.guard.set(*guard.as_c_arg());
}

/// From now on `pid` charges the root account again.
#[rustler::nif]
fn account_detach(pid: LocalPid) -> bool {
    registry::remove(*pid.as_c_arg())
}

/// Who watches the account's process, once it has started.
#[rustler::nif]
fn account_guard(account: ResourceArc<AccountHandle>) -> Option<LocalPid> {
    account.0.guard.get().copied().map(LocalPid::from_c_arg)
}

/// Nothing will tell why the account's process dies.
#[rustler::nif]
fn account_untraced(account: ResourceArc<AccountHandle>) {
    account.0.untraced.store(true, Ordering::Release);
}

/// Reports what the VM uses for the account's processes; says whether it is over its limit.
#[rustler::nif]
fn account_observe(account: ResourceArc<AccountHandle>, heap: u64, binaries: u64) -> bool {
    account.0.account.observe(heap, binaries);
    account.0.account.is_over()
}

/// Like `account_observe`, and says when to look again: `milliseconds`, or `{near, milliseconds}` when
/// more than half of the limit is in use and it grows, or `over`.
#[rustler::nif]
fn account_poll<'a>(
    env: Env<'a>,
    handle: ResourceArc<AccountHandle>,
    heap: u64,
    binaries: u64,
    work: u64,
) -> Term<'a> {
    let account = &handle.0.account;
    account.observe(heap, binaries);
    if account.is_over() {
        return atoms::over().encode(env);
    }
    let total = account.usage().total;
    let look = Look {
        at_us: START.elapsed().as_micros() as u64,
        total,
        headroom: account.limit().saturating_sub(total),
        work,
    };
    let mut pace = handle.0.pace.lock().unwrap_or_else(PoisonError::into_inner);
    let pace = pace.get_or_insert_with(|| Pace::new(&CROWD));
    let growing = pace.grows_to(total);
    let wait_ms = pace.next(look);
    if growing && total > account.limit() / 2 {
        (atoms::near(), wait_ms).encode(env)
    } else {
        wait_ms.encode(env)
    }
}

/// The account's limit in bytes.
#[rustler::nif]
fn account_limit(account: ResourceArc<AccountHandle>) -> u64 {
    account.0.account.limit()
}

/// Records that the account's limit was exceeded by what it holds most of. Only the first breach counts.
#[rustler::nif]
fn account_breach(account: ResourceArc<AccountHandle>) -> bool {
    let account = &account.0.account;
    account.breach(account.usage().largest())
}

/// Records that the result was larger than the account's limit.
#[rustler::nif]
fn account_breach_result(account: ResourceArc<AccountHandle>) -> bool {
    account.0.account.breach(Category::Result)
}

/// The stack of the account's process when it was last worth looking at, in the external term format.
#[rustler::nif]
fn account_stack(account: ResourceArc<AccountHandle>, stack: Binary) {
    let mut kept = account
        .0
        .stack
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    *kept = stack.as_slice().to_vec();
}

/// Why the account's process was killed: `{category, usage, stack}`, or nil when it was not for its memory.
#[rustler::nif]
fn account_cause<'a>(env: Env<'a>, account: ResourceArc<AccountHandle>) -> Term<'a> {
    let quota = &account.0;
    let untraced = quota.untraced.load(Ordering::Acquire).then(|| Breach {
        category: Category::Unknown,
        usage: quota.account.usage(),
    });
    let Some(breach) = quota.account.recorded().or(untraced) else {
        return rustler::types::atom::nil().encode(env);
    };
    let stack = quota.stack.lock().unwrap_or_else(PoisonError::into_inner);
    (
        category(breach.category),
        tuple(breach.usage),
        bytes(env, &stack),
    )
        .encode(env)
}

/// A few bytes as a binary of the VM's own.
fn bytes<'a>(env: Env<'a>, bytes: &[u8]) -> Option<Term<'a>> {
    if bytes.is_empty() {
        return None;
    }
    let mut binary = OwnedBinary::new(bytes.len());
    binary.as_mut_slice().copy_from_slice(bytes);
    Some(binary.release(env).to_term(env))
}

/// Ends the quota: what is still reserved is orphaned.
#[rustler::nif]
fn account_close(env: Env, account: ResourceArc<AccountHandle>) {
    account.0.end();
    pool::wake(env, &account.0.account);
}

/// `{heap, binaries, native, total, peak}` of an account, in bytes.
#[rustler::nif]
fn account_usage(account: ResourceArc<AccountHandle>) -> UsageTuple {
    tuple(account.0.account.usage())
}

/// Bytes that the account can still reserve.
#[rustler::nif]
fn account_headroom(account: ResourceArc<AccountHandle>) -> u64 {
    account.0.account.headroom()
}

/// Reports what the VM uses for the calling process, if it runs in a quota; says what is left.
#[rustler::nif]
fn own_observe<'a>(env: Env<'a>, heap: u64, binaries: u64) -> Term<'a> {
    match registry::find(*env.pid().as_c_arg()) {
        None => atoms::unlimited().encode(env),
        Some(quota) => {
            quota.account.observe(heap, binaries);
            quota.account.headroom().encode(env)
        }
    }
}

/// Whether the calling process runs in a quota.
#[rustler::nif]
fn own_quota(env: Env) -> bool {
    registry::find(*env.pid().as_c_arg()).is_some()
}

/// `{limit, usage, label}` of the quota that the calling process runs in; the limit is nil without one.
#[rustler::nif]
fn own_usage<'a>(env: Env<'a>) -> Term<'a> {
    let quota = registry::find(*env.pid().as_c_arg());
    let account = match &quota {
        Some(quota) => &quota.account,
        None => registry::root(),
    };
    let limit = Some(account.limit()).filter(|limit| *limit != UNLIMITED);
    let label = quota.as_ref().and_then(|quota| quota.label.get());
    let label = label.and_then(|label| bytes(env, label));
    (limit, tuple(account.usage()), label).encode(env)
}

/// `{usage, orphaned bytes, processes with an account}` of the node.
#[rustler::nif]
fn node_usage() -> (UsageTuple, u64, usize) {
    let root = registry::root();
    (tuple(root.usage()), root.orphaned(), registry::len())
}
