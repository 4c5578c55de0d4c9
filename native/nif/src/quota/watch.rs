//! NIFs of `Quota.Watch.Guard`: when to poll next, breaches, and the cause of a kill.

use crate::fault_injection;
use crate::quota::handle::{Quota, head};
use crate::quota::lifecycle::leave;
use crate::quota::state::alarm;
use crate::quota::usage::{bytes, detailed};
use crate::quota::{children, registry};
use crate::timing;
use bounded_core::arena::account::{Breach, Category, Look, PollInterval, PollLoad};
use rustler::{Atom, Binary, Encoder, Env, Error, LocalPid, NifResult, ResourceArc, Term};
use std::sync::atomic::Ordering;

mod atoms {
    rustler::atoms! { over, within, left, near, soft, heap, binaries, native, ets, queue, children, result, unknown, usage }
}

static POLL_LOAD: PollLoad = PollLoad::new();

/// The guard of the account, or nil.
#[rustler::nif]
fn account_guard(account: ResourceArc<Quota>) -> Option<LocalPid> {
    let _measuring = timing::measure();
    account.guard.pid()
}

/// Another tracer is attached to the account's process: no event will say why it dies.
#[rustler::nif]
fn account_untraced(account: ResourceArc<Quota>) {
    let _measuring = timing::measure();
    account.enforcement.set_untraced();
}

/// The event of the account's breach is about to be sent: returns whether it was not sent before.
#[rustler::nif]
fn account_reported(account: ResourceArc<Quota>) -> bool {
    let _measuring = timing::measure();
    account.enforcement.report()
}

/// Reports the memory of the calling process, whose account this is, when its work ends: `over` if it is over its limit or a breach was
/// recorded before, otherwise `within`, or `left` if it `leaves` and could: the account is then closed. `alone`: no other process counts.
/// If others do, they are left out of the sum, since their figures may be those of dead processes.
#[rustler::nif]
fn account_ends(
    env: Env,
    account: ResourceArc<Quota>,
    heap: u64,
    binaries: u64,
    alone: bool,
    leaves: bool,
) -> Atom {
    let _measuring = timing::measure();
    let all = used(&account, heap, binaries);
    let total = if alone {
        all
    } else {
        heap.saturating_add(binaries)
    };
    if total > account.limit() || account.account.recorded().is_some() {
        // A breach takes its figures from what was observed.
        account.account.observe(heap, binaries);
        atoms::over()
    } else if leaves && leave(env, &account) {
        atoms::left()
    } else {
        atoms::within()
    }
}

/// Everything in use of an account whose process uses this much itself. An account without a watcher needs only the peaks.
fn used(quota: &Quota, heap: u64, binaries: u64) -> u64 {
    if quota.process.is_unmonitored() {
        return quota.account.note(heap, binaries);
    }
    quota.account.observe(heap, binaries);
    quota.account.total_with(heap, binaries)
}

/// Reports the memory of the account's process, in bytes, and returns when to poll again: `milliseconds`; or `{near, milliseconds}` when
/// half of the limit was passed since the last poll; or `{soft, milliseconds}` when the soft limit was. Or `over`: the sum is over the
/// limit; or `queue`: the mailbox is longer than `:max_queue`. `work` are reductions. `collections` had ended before the figures were read.
#[rustler::nif]
fn account_poll<'a>(
    env: Env<'a>,
    account: ResourceArc<Quota>,
    heap: u64,
    binaries: u64,
    work: u64,
    queue: u64,
    collections: u64,
) -> Term<'a> {
    let _measuring = timing::measure();
    fault_injection::point("account_poll");
    let heap = heap.saturating_add(children::beside_heap(&account));
    account.observe(heap, binaries, collections);
    let judged = head(&account);
    let terms = judged.terms();
    let process = &account.process;
    process
        .segment_cache
        .polled(account.account.usage().total, terms.limit);
    let total = judged.account.usage().total;
    process.alarm.set(env, PollInterval::BUSY_MS);
    process.asked.store(false, Ordering::Release);
    process.has_messages.store(queue > 0, Ordering::Release);
    if queue > terms.max_queue {
        return atoms::queue().encode(env);
    }
    let over = total > terms.limit;
    judged.enforcement.set_over(over);
    if over {
        return atoms::over().encode(env);
    }
    // The message queue counts towards its maximum as bytes do towards the limit.
    let filled = u128::from(queue) * u128::from(terms.limit) / u128::from(terms.max_queue).max(1);
    let filled = total.max(filled as u64);
    let look = look(filled, terms.limit, work);
    let (near, wait_ms) = process.with_interval(&POLL_LOAD, |interval| {
        // Asking the process for its stack takes a timeslice of its work, for which there has to be room.
        let near = interval.passes(terms.limit / 2, filled) && has_room(total, terms.limit);
        let wait_ms = interval.next(look);
        process.alarm.set(env, interval.overdue_ms());
        (near, wait_ms)
    });
    if judged.enforcement.passes_softly(total, terms.soft_limit) {
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

/// The limit in bytes that is enforced on the account's work.
#[rustler::nif]
fn account_limit(account: ResourceArc<Quota>) -> u64 {
    let _measuring = timing::measure();
    head(&account).limit()
}

/// Records that the account's quota was exceeded, by `reason`: `queue`, `children`, `result`, or `usage` for the kind of memory
/// of which there is most. Returns whether this is the first breach: only that one counts.
#[rustler::nif]
fn account_breach(account: ResourceArc<Quota>, reason: Atom) -> NifResult<bool> {
    let _measuring = timing::measure();
    let account = &head(&account).account;
    let category = match reason {
        reason if reason == atoms::usage() => account.usage().largest(),
        reason if reason == atoms::queue() => Category::Queue,
        reason if reason == atoms::children() => Category::Children,
        reason if reason == atoms::result() => Category::Result,
        _ => return Err(Error::BadArg),
    };
    Ok(account.breach(category))
}

/// Stores the stack of the account's process, in the external term format.
#[rustler::nif]
fn account_stack(account: ResourceArc<Quota>, stack: Binary) {
    let _measuring = timing::measure();
    head(&account).enforcement.set_stack(&stack);
}

/// Why the account's process was killed for its memory: `{category, usage, stack}`, or nil if no breach is recorded.
#[rustler::nif]
fn account_cause<'a>(env: Env<'a>, account: ResourceArc<Quota>) -> Option<Term<'a>> {
    let _measuring = timing::measure();
    let unknown = account.enforcement.is_cause_unknown().then(|| Breach {
        category: Category::Unknown,
        usage: account.account.usage(),
    });
    let breach = account.account.recorded().or(unknown)?;
    let usage = detailed(breach.usage, account.account.peaks());
    let stack = account.enforcement.with_stack(|stack| bytes(env, stack));
    Some((category(breach.category), usage, stack).encode(env))
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

/// Reports the memory of one of several processes, in bytes. Returns whether their sum is over the limit.
#[rustler::nif]
fn account_observe(
    account: ResourceArc<Quota>,
    heap: u64,
    binaries: u64,
    collections: u64,
) -> bool {
    let _measuring = timing::measure();
    let heap = heap.saturating_add(children::beside_heap(&account));
    account.observe(heap, binaries, collections);
    let judged = head(&account);
    judged.account.usage().total > judged.limit()
}

/// `polled` processes that count towards the account were polled, which took `taken_us` microseconds. Returns the milliseconds
/// until the next batch poll.
#[rustler::nif]
fn account_batch_polled(
    env: Env,
    account: ResourceArc<Quota>,
    polled: usize,
    taken_us: u64,
) -> u64 {
    let _measuring = timing::measure();
    let begun_us = alarm::now_us().saturating_sub(account.started.elapsed().as_micros() as u64);
    let look = look(account.account.usage().total, account.limit(), 0);
    let enforcement = &account.enforcement;
    let wait_ms = enforcement.with_batch_poll(&POLL_LOAD, begun_us, |batch_poll| {
        batch_poll.next(look, polled, taken_us)
    });
    account.init_children().batch_alarm.set(env, wait_ms);
    wait_ms
}
