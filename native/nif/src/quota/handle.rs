//! NIFs of `Quota`: accounts as resources, who runs in them, and what is in use.

use crate::fault;
use crate::quota::alarm::Alarm;
use crate::quota::children::{self, Children};
use crate::quota::tracer::Flag;
use crate::quota::{orphan_monitor, pool, registry, watch};
use crate::timing;
use bounded_core::arena::account::{Account, Pace, Survey, UNLIMITED, Usage};
use rustler::sys::{ErlNifPid, enif_monitor_process};
use rustler::{Binary, Encoder, Env, LocalPid, Monitor, OwnedBinary, Resource, ResourceArc, Term};
use std::mem::MaybeUninit;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

mod atoms {
    rustler::atoms! { unlimited }
}

/// One quota at run time: its account, and what is known of the work that it limits.
pub struct Quota {
    pub account: Arc<Account>,
    /// Who asked for it, and dies with it or takes it along.
    pub caller: ErlNifPid,
    pub started: Instant,
    pub guard: OnceLock<ErlNifPid>,
    /// The guard has ended because there is nothing left to watch.
    pub guard_done: AtomicBool,
    /// It has begun, and no guard watches it yet.
    pub unguarded: AtomicBool,
    /// What the guard has to hold the work to; nothing but the account's limit unless set.
    pub terms: OnceLock<watch::Terms>,
    /// The quota that this process counts towards, having been started by its work.
    pub group: Option<ResourceArc<Quota>>,
    /// The processes that count towards it, where there are any.
    pub children: OnceLock<Box<Children>>,
    pub stack: Mutex<Vec<u8>>,
    pub pace: Mutex<Option<Pace>>,
    /// The looks at all that counts towards it at once.
    pub survey: Mutex<Option<Survey>>,
    /// Someone watches this process alone.
    pub watched: AtomicBool,
    /// Somebody waits for the answer of this process.
    pub asked: AtomicBool,
    /// When the next look at it is due.
    pub alarm: Alarm,
    /// Nothing will tell why the process dies: someone else traces it.
    pub untraced: AtomicBool,
    /// When a guard last looked, more was in use than may be.
    pub seen_over: AtomicBool,
    pub flag: Flag,
    /// The event of its breach has been sent.
    pub reported: AtomicBool,
    pub leftovers: crate::quota::segment_cache::Leftovers,
    /// The soft limit has been passed, and usage has not fallen under half of it since.
    pub softly_over: AtomicBool,
    /// In the external term format: terms do not outlive their process here.
    label: OnceLock<Vec<u8>>,
}

impl Quota {
    fn new(caller: ErlNifPid, limit: u64, group: Option<ResourceArc<Quota>>) -> Quota {
        let account = match &group {
            Some(group) => Account::child(&group.account, limit),
            None => Account::child(&registry::account_of(caller), limit),
        };
        Quota {
            account,
            caller,
            started: Instant::now(),
            guard: OnceLock::new(),
            guard_done: AtomicBool::new(false),
            unguarded: AtomicBool::new(false),
            terms: OnceLock::new(),
            group,
            children: OnceLock::new(),
            stack: Mutex::default(),
            pace: Mutex::default(),
            survey: Mutex::default(),
            watched: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            alarm: Alarm::default(),
            untraced: AtomicBool::new(false),
            seen_over: AtomicBool::new(false),
            flag: Flag::default(),
            reported: AtomicBool::new(false),
            leftovers: crate::quota::segment_cache::Leftovers::default(),
            softly_over: AtomicBool::new(false),
            label: OnceLock::new(),
        }
    }

    /// What the quota is called, in the external term format.
    pub fn label(&self) -> Option<&[u8]> {
        self.label.get().map(Vec::as_slice)
    }

    /// The limit in bytes that was asked for, whether it is enforced or only observed.
    pub fn limit(&self) -> u64 {
        match self.terms.get() {
            Some(terms) => terms.limit,
            None => self.account.limit(),
        }
    }

    /// Whether `pid` is the guard.
    pub fn is_guard(&self, pid: &LocalPid) -> bool {
        let guard = self.guard.get();
        guard.is_some_and(|guard| registry::key(*guard) == registry::key(*pid.as_c_arg()))
    }

    /// Nothing runs in this account any more. It closes when nothing does in those below it either.
    fn end(&self) {
        orphan_monitor::not_unguarded(self);
        self.account.close();
        *self.pace.lock().unwrap_or_else(PoisonError::into_inner) = None;
        *self.survey.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Like `end`, and tells whom it concerns.
    fn ended(&self, env: Env) {
        self.end();
        let head = self.group.as_deref().unwrap_or(self);
        // The guard, which would have watched what the work has started, may be gone with it. What nobody
        // watches would keep the account open for ever.
        if head.account.has_ended() {
            children::watch_all(env, head);
        }
        pool::wake(env, &self.account);
    }

    pub fn process_died(&self, env: Env, pid: LocalPid) {
        registry::remove_from(*pid.as_c_arg(), self);
        self.leave_group(*pid.as_c_arg());
        self.ended(env);
    }

    /// The process does not count towards another quota any more.
    fn leave_group(&self, pid: ErlNifPid) {
        if let Some(children) = self.group.as_deref().and_then(|it| it.children.get()) {
            children.forget(registry::key(pid));
        }
    }

    /// The processes that count towards it.
    pub fn children(&self) -> &Children {
        self.children.get_or_init(Box::default)
    }

    /// Whether it is the account of a process that counts towards `quota` without being its own.
    pub fn counts_towards(&self, quota: &Quota) -> bool {
        let group = self.group.as_deref();
        group.is_some_and(|group| std::ptr::eq(group, quota))
    }
}

/// A new account for a process that counts towards `group`, which limits it.
pub fn member(group: &ResourceArc<Quota>) -> ResourceArc<Quota> {
    let group = head(group).clone();
    ResourceArc::new(Quota::new(group.caller, UNLIMITED, Some(group)))
}

/// The quota whose limit holds for the work of `quota`.
pub fn head(quota: &ResourceArc<Quota>) -> &ResourceArc<Quota> {
    quota.group.as_ref().unwrap_or(quota)
}

#[rustler::resource_impl]
impl Resource for Quota {
    /// A process that ran in this quota, or its guard, is dead, however it died.
    fn down<'a>(&'a self, env: Env<'a>, pid: LocalPid, _monitor: Monitor) {
        fault::point("down");
        if self.is_guard(&pid) {
            return orphan_monitor::guard_ended(env, self);
        }
        self.process_died(env, pid);
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        fault::point("drop");
        self.end();
    }
}

pub type UsageTuple = (u64, u64, u64, u64, u64);

pub fn tuple(usage: Usage) -> UsageTuple {
    (
        usage.heap,
        usage.binaries,
        usage.native,
        usage.total,
        usage.peak,
    )
}

/// `{{heap, binaries, native, ets, total, peak}, {heap, binaries, native, ets}}`: now, and the peaks.
pub fn details(account: &Account) -> impl Encoder {
    let now = account.usage();
    detailed(now, account.peaks())
}

/// As `details`, with the figures of another moment.
pub fn detailed(now: Usage, peaks: Usage) -> impl Encoder {
    (
        (
            now.heap,
            now.binaries,
            now.native,
            now.ets,
            now.total,
            now.peak,
        ),
        (peaks.heap, peaks.binaries, peaks.native, peaks.ets),
    )
}

/// A new account of `limit` bytes below that of `parent`'s process.
#[rustler::nif]
fn account_new(parent: LocalPid, limit: u64) -> ResourceArc<Quota> {
    let _measuring = timing::measure();
    ResourceArc::new(Quota::new(*parent.as_c_arg(), limit, None))
}

/// A new account for a process that counts towards `group`, which limits it.
#[rustler::nif]
fn account_member(group: ResourceArc<Quota>) -> ResourceArc<Quota> {
    let _measuring = timing::measure();
    member(&group)
}

/// What the account is called in errors, in the external term format.
#[rustler::nif]
fn account_label(account: ResourceArc<Quota>, label: Binary) {
    let _measuring = timing::measure();
    let _ = account.label.set(label.as_slice().to_vec());
}

/// The label of the account, in the external term format, or nil.
#[rustler::nif]
fn account_caption<'a>(env: Env<'a>, account: ResourceArc<Quota>) -> Option<Term<'a>> {
    let _measuring = timing::measure();
    bytes(env, head(&account).label()?)
}

/// From now on `pid` charges this account, until it dies or is detached. Says whether it is alive.
#[rustler::nif]
fn account_attach(env: Env, account: ResourceArc<Quota>, pid: LocalPid) -> bool {
    let _measuring = timing::measure();
    attach(env, account, pid)
}

pub fn attach(env: Env, quota: ResourceArc<Quota>, pid: LocalPid) -> bool {
    // In this order: a death between the two is seen by the monitor. The registry's reference keeps
    // the monitor alive.
    let before = registry::insert(*pid.as_c_arg(), quota.clone());
    match &quota.group {
        Some(group) => group.children().watched(registry::key(*pid.as_c_arg())),
        None => before.iter().for_each(|it| it.leave_group(*pid.as_c_arg())),
    }
    let alive = monitor(env, &quota, pid);
    if !alive {
        registry::remove_from(*pid.as_c_arg(), &quota);
        quota.leave_group(*pid.as_c_arg());
    }
    alive
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

/// From now on `pid` charges the root account again.
#[rustler::nif]
fn account_detach(pid: LocalPid) -> bool {
    let _measuring = timing::measure();
    registry::remove(*pid.as_c_arg())
}

/// The account's work has answered: what the VM still uses for it counts no more.
#[rustler::nif]
fn account_answered(account: ResourceArc<Quota>) {
    let _measuring = timing::measure();
    account.account.end_observing();
}

/// A few bytes as a binary of the VM's own.
pub fn bytes<'a>(env: Env<'a>, bytes: &[u8]) -> Option<Term<'a>> {
    if bytes.is_empty() {
        return None;
    }
    let mut binary = OwnedBinary::new(bytes.len());
    binary.as_mut_slice().copy_from_slice(bytes);
    Some(binary.release(env).to_term(env))
}

/// Ends the quota's own work; with the last process that counts towards it, what is still reserved is orphaned.
#[rustler::nif]
fn account_close(env: Env, account: ResourceArc<Quota>) {
    let _measuring = timing::measure();
    account.ended(env);
}

/// `{heap, binaries, native, total, peak}` of an account, in bytes.
#[rustler::nif]
fn account_usage(account: ResourceArc<Quota>) -> UsageTuple {
    let _measuring = timing::measure();
    tuple(account.account.usage())
}

/// Bytes that the account can still reserve.
#[rustler::nif]
fn account_headroom(account: ResourceArc<Quota>) -> u64 {
    let _measuring = timing::measure();
    account.account.headroom()
}

/// Reports what the VM uses for the calling process, if it runs in a quota; says what is left.
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

/// `{account, caller}` of the quota that the calling process runs in, or nil.
#[rustler::nif]
fn own_account(env: Env) -> Option<(ResourceArc<Quota>, LocalPid)> {
    let _measuring = timing::measure();
    let quota = registry::find(*env.pid().as_c_arg())?;
    let quota = head(&quota).clone();
    let caller = LocalPid::from_c_arg(quota.caller);
    Some((quota, caller))
}

/// The same of an account.
#[rustler::nif]
fn account_details<'a>(env: Env<'a>, account: ResourceArc<Quota>) -> Term<'a> {
    let _measuring = timing::measure();
    details(&account.account).encode(env)
}

/// `{[{pid, caller, limit, milliseconds, usage, label}], next}` of the quotas at work from `piece` on, which is 0 at
/// first. The rest is from `next` on, unless that is nil.
#[rustler::nif]
fn quotas<'a>(env: Env<'a>, piece: usize) -> (Vec<Term<'a>>, Option<usize>) {
    let _measuring = timing::measure();
    let (heads, next) = registry::piece(piece, |quota| quota.group.is_none());
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
