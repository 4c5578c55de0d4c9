//! NIFs of `Quota.Pool`. A pool is a resource, which outlives the pool's process.

use crate::atoms::{error, ok};
use crate::quota::handle::Quota;
use crate::quota::pid;
use crate::timing;
use bounded_core::arena::account::Account;
use bounded_core::arena::pool::{Admission, Pool, Reason, Refusal};
use rustler::{Atom, Binary, Encoder, Env, LocalPid, OwnedBinary, Resource, ResourceArc, Term};
use std::sync::Arc;

mod atoms {
    rustler::atoms! { too_large, full, queued, paused, room }
}

/// Admissions with a longer label are counted without one.
const LONGEST_LABEL: usize = 1024;
/// The number of labels that one call returns.
const HOLDERS: usize = 256;

/// A pool.
pub struct PoolHandle(Arc<Pool>);

#[rustler::resource_impl]
impl Resource for PoolHandle {}

/// A new pool of `size` bytes.
#[rustler::nif]
fn pool_new(size: u64) -> ResourceArc<PoolHandle> {
    let _measuring = timing::measure();
    ResourceArc::new(PoolHandle(Pool::new(size)))
}

/// From now on the calling process is the keeper of the queue: it is sent `room` when bytes are given back while the queue is
/// not empty.
#[rustler::nif]
fn pool_keep(env: Env, pool: ResourceArc<PoolHandle>) {
    let _measuring = timing::measure();
    pool.0.set_keeper(pid::key(*env.pid().as_c_arg()) as u64);
}

/// Admits a newcomer, or the head of the queue where `queued`: from now on the account's bytes are reserved. Otherwise
/// `{:error, {reason, free, waiting}}`.
#[rustler::nif]
fn pool_admit<'a>(
    env: Env<'a>,
    pool: ResourceArc<PoolHandle>,
    account: ResourceArc<Quota>,
    bytes: u64,
    queued: bool,
) -> Term<'a> {
    let _measuring = timing::measure();
    let grant = if queued {
        Pool::admit_queued
    } else {
        Pool::admit
    };
    admit(env, &pool.0, &account, bytes, grant)
}

type Grant = fn(&Arc<Pool>, u64, Option<&[u8]>) -> Result<Admission, Refusal>;

fn admit<'a>(env: Env<'a>, pool: &Arc<Pool>, handle: &Quota, bytes: u64, grant: Grant) -> Term<'a> {
    let account = &handle.account;
    // Reserved already: nested in a quota of this pool, or asked again because the answer was lost.
    if account.is_admitted_by(pool) {
        return ok().encode(env);
    }
    let label = handle.label().filter(|label| label.len() <= LONGEST_LABEL);
    match grant(pool, bytes, label) {
        Ok(admission) => {
            // It comes back only if another pool has admitted the account, and is given back then.
            drop(account.admit(admission));
            ok().encode(env)
        }
        Err(refusal) => {
            let waiting = pool.figures().waiting;
            (error(), (reason(refusal.reason), refusal.free, waiting)).encode(env)
        }
    }
}

fn reason(reason: Reason) -> Atom {
    match reason {
        Reason::TooLarge => atoms::too_large(),
        Reason::Full => atoms::full(),
        Reason::Queued => atoms::queued(),
        Reason::Paused => atoms::paused(),
    }
}

/// Sets the length of the queue: newcomers queue unless it is 0.
#[rustler::nif]
fn pool_set_waiting(pool: ResourceArc<PoolHandle>, count: u64) {
    let _measuring = timing::measure();
    pool.0.set_waiting(count);
}

/// Sets whether no request is admitted for now.
#[rustler::nif]
fn pool_set_paused(pool: ResourceArc<PoolHandle>, paused: bool) {
    let _measuring = timing::measure();
    pool.0.set_paused(paused);
}

/// From now on `size` bytes can be reserved.
#[rustler::nif]
fn pool_resize(pool: ResourceArc<PoolHandle>, size: u64) {
    let _measuring = timing::measure();
    pool.0.resize(size);
}

/// Counts a request that was refused.
#[rustler::nif]
fn pool_refused(pool: ResourceArc<PoolHandle>) {
    let _measuring = timing::measure();
    pool.0.note_refusal();
}

type Figures = (u64, u64, u64, u64, u64, u64, u64);

/// `{{size, reserved, orphaned, peak, running, admitted, refused}, waiting, paused}`
#[rustler::nif]
fn pool_figures(pool: ResourceArc<PoolHandle>) -> (Figures, u64, bool) {
    let _measuring = timing::measure();
    let it = pool.0.figures();
    let figures = (
        it.size,
        it.reserved,
        it.orphaned,
        it.peak,
        it.running,
        it.admitted,
        it.refused,
    );
    (figures, it.waiting, it.paused)
}

/// `{label, bytes, admissions}` of one label.
type Held<'a> = (Term<'a>, u64, u64);

/// `{[{label, bytes, admissions}], next}` by label, labels in the external term format, of those behind the label `after`, or
/// all. The rest is behind `next`, unless that is nil.
#[rustler::nif]
fn pool_holders<'a>(
    env: Env<'a>,
    pool: ResourceArc<PoolHandle>,
    after: Option<Binary>,
) -> (Vec<Held<'a>>, Option<Term<'a>>) {
    let _measuring = timing::measure();
    let holders = pool
        .0
        .holders(after.as_ref().map(Binary::as_slice), HOLDERS);
    let full = holders.len() == HOLDERS;
    let described: Vec<Held> = holders
        .into_iter()
        .map(|holder| {
            let mut label = OwnedBinary::new(holder.label.len());
            label.as_mut_slice().copy_from_slice(&holder.label);
            let label = label.release(env).to_term(env);
            (label, holder.bytes, holder.admissions)
        })
        .collect();
    let next = described
        .last()
        .filter(|_| full)
        .map(|(label, _, _)| *label);
    (described, next)
}

/// Bytes of `account` may have been given back: notifies the keepers of its pools whose queues are not empty.
pub fn wake(env: Env, account: &Account) {
    for pool in account.pools() {
        if pool.is_queued() && pool.keeper() != 0 {
            // `pool_keep` stored the key of a pid.
            let keeper = pid::pid(pool.keeper() as usize);
            // The keeper may be dead: the next one looks for room when it starts.
            let _ = env.send(&LocalPid::from_c_arg(keeper), atoms::room());
        }
    }
}
