//! NIFs that find what processes which count towards a quota hold together at one moment.
//!
//! Their figures are read one after the other, and the sum of figures of different moments may never have been in use: memory that one
//! gives back is taken by the next. So all are read first, and then those that were collected since are left out.

use crate::quota::children::{PIECE, Page};
use crate::quota::handle::Quota;
use crate::quota::lifecycle::process_died;
use crate::quota::state::turns;
use crate::quota::{pid, registry};
use crate::timing;
use rustler::{Env, LocalPid, ResourceArc};
use std::sync::atomic::Ordering;

/// A process with more than one part in this many of the limit is large.
const LARGE_SHARE: u64 = 64;
/// Maximum number of children for which [`account_held`] finds what they hold at one moment: more could each take tens of megabytes
/// meanwhile.
const FEW: usize = 8;

/// `{[{pid, account}], next}` as `account_children` with `pollable`: the large ones that do not run. With `in_doubt` also those that were
/// sent a signal, if they were collected since they were last read. Forgets dead ones.
#[rustler::nif]
fn account_large(env: Env, account: ResourceArc<Quota>, after: usize, in_doubt: bool) -> Page {
    let _measuring = timing::measure();
    let Some(children) = account.children() else {
        return (Vec::new(), None);
    };
    let large = account.limit() / LARGE_SHARE;
    let keys = children.piece(after, PIECE);
    let next = keys.last().copied().filter(|_| keys.len() == PIECE);
    let found = keys.into_iter().filter_map(|key| {
        let process = pid::pid(key);
        let child = registry::find(process).filter(|it| it.counts_towards(&account))?;
        let pid = LocalPid::from_c_arg(process);
        if !pid.is_alive(env) {
            process_died(env, &child, process);
            return None;
        }
        let asked = child.process.asked.load(Ordering::Acquire)
            && !(in_doubt && child.process.collections.is_newer());
        let is_large = child.account.usage().total > large;
        (is_large && !asked && !turns::is_running(&child, process)).then_some((pid, child))
    });
    (found.collect(), next)
}

/// Bytes that count towards the account, with or without its own process (`with_own`), and that were all in use at one moment, after the
/// last reading: figures of processes that have died or were collected since they were read are left out. nil without children, or with
/// more than [`FEW`].
#[rustler::nif]
fn account_held(env: Env, account: ResourceArc<Quota>, with_own: bool) -> Option<u64> {
    let _measuring = timing::measure();
    let keys = account.children()?.piece(0, FEW + 1);
    if keys.is_empty() || keys.len() > FEW {
        return None;
    }
    let children = keys.into_iter().filter_map(|key| {
        let process = pid::pid(key);
        let child = registry::find(process).filter(|it| it.counts_towards(&account))?;
        let (before, bytes) = child
            .process
            .collections
            .reading(|| child.account.usage().total);
        Some((LocalPid::from_c_arg(process), child, before, bytes))
    });
    let children: Vec<_> = children.collect();
    let own = &account.process.collections;
    let (own_before, own_bytes) = own.reading(|| account.account.own_total());
    let all = if with_own {
        account.account.usage().total
    } else {
        account.account.total_with(0, 0)
    };
    // From here on nothing is read: what follows finds which of the readings still hold.
    let outdated = children
        .iter()
        .filter(|(pid, child, before, _)| {
            child.process.collections.ended() != *before || !pid.is_alive(env)
        })
        .map(|(_, _, _, bytes)| bytes);
    let outdated = outdated.sum::<u64>()
        + if with_own && own.ended() != own_before {
            own_bytes
        } else {
            0
        };
    Some(all.saturating_sub(outdated))
}

/// The number of collections of the account's process that have ended. To be asked before a reading that is reported with it.
#[rustler::nif]
fn account_collections(account: ResourceArc<Quota>) -> u64 {
    let _measuring = timing::measure();
    account.process.collections.ended()
}
