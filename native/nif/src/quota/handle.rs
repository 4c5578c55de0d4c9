//! A quota at run time: its account, the process that it limits, and what is known of both.

use crate::fault_injection;
use crate::quota::pid;
use crate::quota::state::children::Children;
use crate::quota::state::enforcement::{Enforcement, Terms};
use crate::quota::state::guard::GuardState;
use crate::quota::state::process::ProcessState;
use bounded_core::arena::account::{Account, UNLIMITED};
use rustler::ResourceArc;
use rustler::sys::ErlNifPid;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// One quota, or the account of one process that counts towards a quota.
pub struct Quota {
    pub account: Arc<Account>,
    /// The process that asked for the quota.
    pub caller: ErlNifPid,
    pub started: Instant,
    /// The quota that this process counts towards, if it has none of its own.
    group: Option<ResourceArc<Quota>>,
    /// The processes that count towards this quota, once there are any.
    children: OnceLock<Box<Children>>,
    pub guard: GuardState,
    pub enforcement: Enforcement,
    pub process: ProcessState,
    /// In the external term format: terms do not outlive their process here.
    label: OnceLock<Vec<u8>>,
}

impl Quota {
    /// A quota of `limit` bytes below the account `parent`, for `caller`.
    pub fn new(caller: ErlNifPid, parent: &Arc<Account>, limit: u64) -> Quota {
        Quota::with_account(caller, Account::child(parent, limit), None)
    }

    /// A new account for a process that counts towards the quota of `group`, which limits it.
    pub fn child(group: &ResourceArc<Quota>) -> ResourceArc<Quota> {
        let group = head(group).clone();
        let account = Account::child(&group.account, UNLIMITED);
        ResourceArc::new(Quota::with_account(group.caller, account, Some(group)))
    }

    /// Reports what the VM uses for the account's process, read when `collections` of it had ended, unless a later reading was reported.
    pub fn observe(&self, heap: u64, binaries: u64, collections: u64) {
        self.process
            .collections
            .report(collections, || self.account.observe(heap, binaries));
    }

    fn with_account(
        caller: ErlNifPid,
        account: Arc<Account>,
        group: Option<ResourceArc<Quota>>,
    ) -> Quota {
        Quota {
            account,
            caller,
            started: Instant::now(),
            group,
            children: OnceLock::new(),
            guard: GuardState::default(),
            enforcement: Enforcement::default(),
            process: ProcessState::default(),
            label: OnceLock::new(),
        }
    }

    /// Sets the label, once, in the external term format.
    pub fn set_label(&self, label: &[u8]) {
        let _ = self.label.set(label.to_vec());
    }

    /// The label, in the external term format.
    pub fn label(&self) -> Option<&[u8]> {
        self.label.get().map(Vec::as_slice)
    }

    /// The terms that the guard enforces.
    pub fn terms(&self) -> Terms {
        self.enforcement.terms().unwrap_or(Terms {
            limit: self.account.limit(),
            soft_limit: u64::MAX,
            max_queue: u64::MAX,
        })
    }

    /// The limit in bytes that was asked for, whether it is enforced or only observed.
    pub fn limit(&self) -> u64 {
        self.terms().limit
    }

    /// The quota that this process counts towards, if it has none of its own.
    pub fn group(&self) -> Option<&Quota> {
        self.group.as_deref()
    }

    /// The processes that count towards this quota, if there were any.
    pub fn children(&self) -> Option<&Children> {
        self.children.get().map(|children| &**children)
    }

    /// The processes that count towards this quota. The list is made unless there is one.
    pub fn init_children(&self) -> &Children {
        self.children.get_or_init(Box::default)
    }

    /// Whether this is the account of a process that counts towards `quota` without being its own.
    pub fn counts_towards(&self, quota: &Quota) -> bool {
        self.group().is_some_and(|group| std::ptr::eq(group, quota))
    }

    /// The process does not count towards another quota any more.
    pub fn leave_group(&self, process: ErlNifPid) {
        if let Some(children) = self.group().and_then(Quota::children) {
            children.forget(pid::key(process));
        }
    }

    /// No process charges this account any more. It closes once none charges those below it either.
    pub fn end(&self) {
        self.guard.clear_unguarded();
        self.account.close();
        self.process.end();
        self.enforcement.end();
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        fault_injection::point("drop");
        // The rest of `end` is what dropping the fields does. A guard that died after the end may have marked its quota as unguarded.
        self.guard.clear_unguarded();
        self.account.close();
    }
}

/// The quota whose limit holds for the process of `quota`.
pub fn head(quota: &ResourceArc<Quota>) -> &ResourceArc<Quota> {
    quota.group.as_ref().unwrap_or(quota)
}
