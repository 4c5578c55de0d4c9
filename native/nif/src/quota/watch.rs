//! NIFs of `Quota.Guard`: what it has to hold the work to, when to look next, and why it killed.

use crate::fault;
use crate::quota::handle::{Quota, bytes, detailed, head};
use crate::quota::{alarm, children, registry, segment_cache};
use crate::timing;
use bounded_core::arena::account::{Breach, Category, Crowd, Look, Pace, Survey};
use rustler::{Atom, Binary, Encoder, Env, LocalPid, ResourceArc, Term};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

mod atoms {
    rustler::atoms! { over, near, soft, heap, binaries, native, ets, queue, children, result, unknown }
}

static CROWD: Crowd = Crowd::new();

/// What the guard has to hold the work to.
#[derive(Clone, Copy)]
pub struct Terms {
    /// Bytes. The account's own limit is larger where this one is only observed.
    pub limit: u64,
    /// Bytes at which there is one collection and one event.
    pub soft_limit: u64,
    /// Messages that may wait.
    pub max_queue: u64,
}

impl Terms {
    fn of(quota: &Quota) -> Terms {
        quota.terms.get().copied().unwrap_or(Terms {
            limit: quota.account.limit(),
            soft_limit: u64::MAX,
            max_queue: u64::MAX,
        })
    }
}

/// The terms of an account, before its work begins; nil where there are none.
#[rustler::nif]
fn account_terms(
    account: ResourceArc<Quota>,
    limit: u64,
    soft_limit: Option<u64>,
    max_queue: Option<u64>,
) {
    let _measuring = timing::measure();
    let _ = account.terms.set(Terms {
        limit,
        soft_limit: soft_limit.unwrap_or(u64::MAX),
        max_queue: max_queue.unwrap_or(u64::MAX),
    });
}

/// Who watches the account's process, if anyone does yet.
#[rustler::nif]
fn account_guard(account: ResourceArc<Quota>) -> Option<LocalPid> {
    let _measuring = timing::measure();
    account.guard.get().copied().map(LocalPid::from_c_arg)
}

/// Nothing will tell why the account's process dies.
#[rustler::nif]
fn account_untraced(account: ResourceArc<Quota>) {
    let _measuring = timing::measure();
    account.untraced.store(true, Ordering::Release);
}

/// The event of the account's breach is about to be sent: says whether it was not yet.
#[rustler::nif]
fn account_reported(account: ResourceArc<Quota>) -> bool {
    let _measuring = timing::measure();
    !account.reported.swap(true, Ordering::AcqRel)
}

/// Reports what the account's work uses as it ends: says whether it was over its limit, now or before. Figures of processes
/// that count besides it may be those of the dead, so they are left out where `alone` is false.
#[rustler::nif]
fn account_ends_over(account: ResourceArc<Quota>, heap: u64, binaries: u64, alone: bool) -> bool {
    let _measuring = timing::measure();
    account.account.observe(heap, binaries);
    let total = if alone {
        account.account.usage().total
    } else {
        heap.saturating_add(binaries)
    };
    total > Terms::of(&account).limit || account.account.recorded().is_some()
}

/// Reports what the VM uses for the account's process, and says when to look again: `milliseconds`; or
/// `{near, milliseconds}` when half of the limit has been passed since the last look; or
/// `{soft, milliseconds}` when it has passed its soft limit; or `over`, or `queue`.
#[rustler::nif]
fn account_poll<'a>(
    env: Env<'a>,
    account: ResourceArc<Quota>,
    heap: u64,
    binaries: u64,
    work: u64,
    queue: u64,
) -> Term<'a> {
    let _measuring = timing::measure();
    fault::point("account_poll");
    let heap = heap.saturating_add(children::beside_heap(&account));
    account.account.observe(heap, binaries);
    segment_cache::looked(&account);
    let judged = head(&account);
    let terms = Terms::of(judged);
    let total = judged.account.usage().total;
    account.alarm.set(env, Pace::BUSY_MS);
    account.asked.store(false, Ordering::Release);
    if queue > terms.max_queue {
        return atoms::queue().encode(env);
    }
    let over = total > terms.limit;
    judged.seen_over.store(over, Ordering::Release);
    if over {
        return atoms::over().encode(env);
    }
    // Messages fill what they may fill just as bytes do.
    let filled = u128::from(queue) * u128::from(terms.limit) / u128::from(terms.max_queue).max(1);
    let filled = total.max(filled as u64);
    let look = look(filled, terms.limit, work);
    let mut pace = account.pace.lock().unwrap_or_else(PoisonError::into_inner);
    let pace = pace.get_or_insert_with(|| Pace::new(&CROWD));
    // Asking for its stack takes a timeslice of the work, for which there has to be room.
    let near = pace.passes(terms.limit / 2, filled) && has_room(total, terms.limit);
    let wait_ms = pace.next(look);
    account.alarm.set(env, pace.overdue_ms());
    if softly_over(judged, total, terms.soft_limit) {
        (atoms::soft(), wait_ms).encode(env)
    } else if near {
        (atoms::near(), wait_ms).encode(env)
    } else {
        wait_ms.encode(env)
    }
}

fn look(total: u64, limit: u64, work: u64) -> Look {
    Look {
        at_us: alarm::now_us(),
        total,
        headroom: limit.saturating_sub(total),
        work,
    }
}

/// Whether `limit` leaves an eighth of itself.
fn has_room(total: u64, limit: u64) -> bool {
    total <= limit - limit / 8
}

/// Whether `total` has just passed the soft limit; armed again under half of it.
fn softly_over(quota: &Quota, total: u64, soft_limit: u64) -> bool {
    if total > soft_limit {
        !quota.softly_over.swap(true, Ordering::AcqRel)
    } else {
        if total < soft_limit / 2 {
            quota.softly_over.store(false, Ordering::Release);
        }
        false
    }
}

/// Reports the tables that belong to the account's processes, in bytes; counts from the next poll on.
#[rustler::nif]
fn account_observe_ets(account: ResourceArc<Quota>, bytes: u64) {
    let _measuring = timing::measure();
    account.account.observe_ets(bytes);
}

/// Whether `pid` counts towards the account.
#[rustler::nif]
fn account_counts(account: ResourceArc<Quota>, pid: LocalPid) -> bool {
    let _measuring = timing::measure();
    registry::find(*pid.as_c_arg()).is_some_and(|found| std::ptr::eq(&**head(&found), &*account))
}

/// The limit in bytes that the account's work is held to.
#[rustler::nif]
fn account_limit(account: ResourceArc<Quota>) -> u64 {
    let _measuring = timing::measure();
    Terms::of(head(&account)).limit
}

/// Records that the account's limit was exceeded by what it holds most of. Only the first breach counts.
#[rustler::nif]
fn account_breach(account: ResourceArc<Quota>) -> bool {
    let _measuring = timing::measure();
    let account = &head(&account).account;
    account.breach(account.usage().largest())
}

/// Records that more messages waited than may.
#[rustler::nif]
fn account_breach_queue(account: ResourceArc<Quota>) -> bool {
    let _measuring = timing::measure();
    head(&account).account.breach(Category::Queue)
}

/// Records that the result was larger than the account's limit.
#[rustler::nif]
fn account_breach_result(account: ResourceArc<Quota>) -> bool {
    let _measuring = timing::measure();
    account.account.breach(Category::Result)
}

/// The stack of the account's process when it was last worth looking at, in the external term format.
#[rustler::nif]
fn account_stack(account: ResourceArc<Quota>, stack: Binary) {
    let _measuring = timing::measure();
    let account = head(&account);
    let mut kept = account.stack.lock().unwrap_or_else(PoisonError::into_inner);
    *kept = stack.as_slice().to_vec();
}

/// Why the account's process was killed: `{category, usage, stack}`, or nil when it was not for its memory.
#[rustler::nif]
fn account_cause<'a>(env: Env<'a>, account: ResourceArc<Quota>) -> Option<Term<'a>> {
    let _measuring = timing::measure();
    let unknown =
        account.untraced.load(Ordering::Acquire) && account.seen_over.load(Ordering::Acquire);
    let unknown = unknown.then(|| Breach {
        category: Category::Unknown,
        usage: account.account.usage(),
    });
    let breach = account.account.recorded().or(unknown)?;
    let usage = detailed(breach.usage, account.account.peaks());
    let stack = account.stack.lock().unwrap_or_else(PoisonError::into_inner);
    Some((category(breach.category), usage, bytes(env, &stack)).encode(env))
}

fn category(category: Category) -> Atom {
    match category {
        Category::Heap => atoms::heap(),
        Category::Binaries => atoms::binaries(),
        Category::Native => atoms::native(),
        Category::Ets => atoms::ets(),
        Category::Queue => atoms::queue(),
        Category::Children => atoms::children(),
        Category::Result => atoms::result(),
        Category::Unknown => atoms::unknown(),
    }
}

/// Reports what the VM uses for one of many. Says whether their sum is over the limit.
#[rustler::nif]
fn account_observe(account: ResourceArc<Quota>, heap: u64, binaries: u64) -> bool {
    let _measuring = timing::measure();
    let heap = heap.saturating_add(children::beside_heap(&account));
    account.account.observe(heap, binaries);
    let judged = head(&account);
    judged.account.usage().total > Terms::of(judged).limit
}

/// `surveyed` processes that count towards the account have been looked at, which took `taken_us` microseconds:
/// milliseconds until they should be again.
#[rustler::nif]
fn account_surveyed(env: Env, account: ResourceArc<Quota>, surveyed: usize, taken_us: u64) -> u64 {
    let _measuring = timing::measure();
    let begun_us = alarm::now_us().saturating_sub(account.started.elapsed().as_micros() as u64);
    let look = look(account.account.usage().total, Terms::of(&account).limit, 0);
    let mut survey = account
        .survey
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let survey = survey.get_or_insert_with(|| Survey::new(&CROWD, begun_us));
    let wait_ms = survey.next(look, surveyed, taken_us);
    account.children().survey_alarm.set(env, wait_ms);
    wait_ms
}
