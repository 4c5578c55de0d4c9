//! A tracer module made of NIFs: the only way to learn that the VM killed a process for its heap before its death is reported.
//!
//! It discards every event except `gc_max_heap_size`, `spawn` and `trace_status`. It has to discard those of collections: see
//! `Quota.Watch.Tracer`. So tracing costs two calls of `enabled/3` for each collection, which also tell it that there was one.
//! Where children count, `spawn` events tell it their pids, and calls of `enabled/3` when they are scheduled. It runs inside the traced
//! process: it must never raise (an exception that is not an atom takes the VM down) and never wait for a lock that a process may hold.

use crate::fault_injection;
use crate::quota::handle::{Quota, head};
use crate::quota::state::{alarm, turns};
use crate::quota::{children, registry, watchers};
use crate::timing;
use bounded_core::arena::account::Category;
use rustler::{Atom, Encoder, Env, LocalPid, ResourceArc, Term};
use std::panic::{AssertUnwindSafe, catch_unwind};

mod atoms {
    rustler::atoms! {
        ok, trace, discard, scheduled_in = "in", scheduled_out = "out", trace_status, gc_max_heap_size, gc_minor_end, gc_major_end, spawn, spawned, extra,
        heap_block_size, old_heap_block_size, mbuf_size, bin_vheap_size, bin_old_vheap_size,
    }
}

/// The VM limits the account's process to `bytes`, by `max_heap_size`.
#[rustler::nif]
fn account_vm_limit(account: ResourceArc<Quota>, bytes: u64, counts_binaries: bool) {
    let _measuring = timing::measure();
    account.process.vm_limit.set(bytes, counts_binaries);
}

/// From now on `max_heap_size` events of the account's process report the memory that its collections need, and no breach.
#[rustler::nif]
fn account_measuring(account: ResourceArc<Quota>) {
    let _measuring = timing::measure();
    account.process.vm_limit.measure();
}

/// Whether an event is wanted, and whether this tracer is alive.
#[rustler::nif]
fn enabled<'a>(tag: Term<'a>, _state: Term<'a>, tracee: Term<'a>) -> Atom {
    let _measuring = timing::measure();
    // A panic becomes an exception of the atom `nif_panicked`, which the VM takes for no.
    fault_injection::point("enabled");
    let wanted = [
        atoms::gc_max_heap_size(),
        atoms::spawn(),
        atoms::trace_status(),
    ];
    let env = tag.get_env();
    if wanted.iter().any(|wanted| tag == wanted.encode(env)) {
        return atoms::trace();
    }
    let begins = tag == atoms::scheduled_in().encode(env);
    if begins || tag == atoms::scheduled_out().encode(env) {
        turn(env, tracee, begins);
        return atoms::discard();
    }
    let major = tag == atoms::gc_major_end().encode(env);
    if (major || tag == atoms::gc_minor_end().encode(env))
        && let Some(quota) = quota_of(tracee)
    {
        collected(env, &quota, major);
    }
    atoms::discard()
}

/// The VM is about to kill `tracee`: records why, with the sizes of its heaps. Or `tracee` has started a
/// process, which counts from now on.
#[rustler::nif]
fn trace<'a>(
    env: Env<'a>,
    tag: Term<'a>,
    _state: Term<'a>,
    tracee: Term<'a>,
    info: Term<'a>,
    opts: Term<'a>,
) -> Atom {
    let _measuring = timing::measure();
    let _ = catch_unwind(AssertUnwindSafe(|| {
        fault_injection::point("trace");
        if tag == atoms::gc_max_heap_size().encode(env) {
            record(tracee, info);
        } else if tag == atoms::spawn().encode(env) && !is_watcher(opts) {
            count(env, tracee, info);
        }
    }));
    atoms::ok()
}

/// The calling process is scheduled in or out. Only counted processes are traced for that.
fn turn(env: Env, tracee: Term, begins: bool) {
    let Ok(process) = tracee.decode::<LocalPid>() else {
        return;
    };
    if begins {
        turns::begins(*process.as_c_arg());
    } else {
        turns::ends(env, *process.as_c_arg());
    }
}

/// The calling process, whose account `quota` is, was collected: it may have grown.
fn collected(env: Env, quota: &ResourceArc<Quota>, major: bool) {
    let head = head(quota);
    let process = &quota.process;
    process.collections.end();
    let total = quota.account.usage().total;
    process.segment_cache.collected(major, total, head.limit());
    let now = alarm::now_us();
    process.alarm.ring_if_due(env, now);
    if let Some(children) = head.children() {
        children.ring_if_due(env, now);
    }
}

fn quota_of(process: Term) -> Option<ResourceArc<Quota>> {
    let pid = process.decode::<LocalPid>().ok()?;
    registry::find(*pid.as_c_arg())
}

/// Whether a watcher was started: it watches, and never counts.
fn is_watcher(opts: Term) -> bool {
    let function = opts.map_get(atoms::extra());
    function
        .and_then(|mfa| mfa.decode::<(Atom, Term, Term)>())
        .is_ok_and(|(module, _, _)| watchers::contains(module))
}

/// The child counts towards the quota of its parent from here on; the guard will see to it.
fn count(env: Env, parent: Term, child: Term) {
    let (Some(quota), Ok(child)) = (quota_of(parent), child.decode::<LocalPid>()) else {
        return;
    };
    children::spawned(env, head(&quota), *child.as_c_arg());
}

/// A process has one `max_heap_size`, which it may set itself and which may be that of the node: only what exceeds the
/// one that its quota gave it is the quota's breach.
fn record(tracee: Term, info: Term) {
    let Some(quota) = quota_of(tracee) else {
        return;
    };
    let (heap, binaries) = sizes(info);
    if quota.process.vm_limit.is_measuring() {
        quota.account.observe(heap, binaries);
        return;
    }
    if !quota.process.vm_limit.is_exceeded_by(heap, binaries) {
        return;
    }
    quota.account.observe(heap, binaries);
    quota.account.breach(if binaries > heap {
        Category::Binaries
    } else {
        Category::Heap
    });
}

/// Bytes of the heaps and of the binaries that they refer to.
fn sizes(info: Term) -> (u64, u64) {
    let (mut heap, mut binaries) = (0u64, 0u64);
    let mut rest = info;
    while let Ok((entry, tail)) = rest.list_get_cell() {
        rest = tail;
        let Ok((key, words)) = entry.decode::<(Atom, u64)>() else {
            continue;
        };
        let bytes = words.saturating_mul(size_of::<usize>() as u64);
        if [
            atoms::heap_block_size(),
            atoms::old_heap_block_size(),
            atoms::mbuf_size(),
        ]
        .contains(&key)
        {
            heap = heap.saturating_add(bytes);
        } else if [atoms::bin_vheap_size(), atoms::bin_old_vheap_size()].contains(&key) {
            binaries = binaries.saturating_add(bytes);
        }
    }
    (heap, binaries)
}
