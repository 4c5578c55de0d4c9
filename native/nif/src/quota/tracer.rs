//! A tracer module made of NIFs: the only way to learn, before its death is known, that the VM killed
//! a process for its heap.
//!
//! It discards every event but `gc_max_heap_size`, of which a process has at most one, so it costs two
//! calls of `enabled/3` per garbage collection, and being asked it learns that there was one. Where children count, it also learns who they are. It runs inside the traced process: it must never raise
//! (an exception that is not an atom takes the VM down) and never wait for what a process may hold.

use crate::fault;
use crate::quota::handle::{Quota, head, member};
use crate::quota::{children, registry, segment_cache};
use crate::timing;
use bounded_core::arena::account::Category;
use rustler::{Atom, Encoder, Env, LocalPid, ResourceArc, Term};
use std::panic::{AssertUnwindSafe, catch_unwind};

mod atoms {
    rustler::atoms! {
        ok, trace, discard, trace_status, gc_max_heap_size, gc_minor_end, gc_major_end, spawn, spawned, extra,
        guard = "Elixir.Quota.Guard", member = "Elixir.Quota.Member", members = "Elixir.Quota.Members", survey = "Elixir.Quota.Survey", sweeper = "Elixir.Quota.Sweeper", tracer = "Elixir.Quota.Tracer",
        heap_block_size, old_heap_block_size, mbuf_size, bin_vheap_size, bin_old_vheap_size,
    }
}

/// Which events are wanted, and that this tracer is alive.
#[rustler::nif]
fn enabled<'a>(tag: Term<'a>, _state: Term<'a>, tracee: Term<'a>) -> Atom {
    let _measuring = timing::measure();
    // A panic becomes an exception of the atom `nif_panicked`, which the VM takes for no.
    fault::point("enabled");
    let wanted = [
        atoms::gc_max_heap_size(),
        atoms::spawn(),
        atoms::trace_status(),
    ];
    let env = tag.get_env();
    if wanted.iter().any(|wanted| tag == wanted.encode(env)) {
        return atoms::trace();
    }
    let major = tag == atoms::gc_major_end().encode(env);
    if (major || tag == atoms::gc_minor_end().encode(env))
        && let Some(quota) = quota_of(tracee)
    {
        segment_cache::collected(&quota, major);
        children::collected(env, &quota);
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
        fault::point("trace");
        if tag == atoms::gc_max_heap_size().encode(env) {
            record(tracee, info);
        } else if tag == atoms::spawn().encode(env) && !is_ours(opts) {
            count(env, tracee, info);
        }
    }));
    atoms::ok()
}

fn quota_of(process: Term) -> Option<ResourceArc<Quota>> {
    let pid = process.decode::<LocalPid>().ok()?;
    registry::find(*pid.as_c_arg())
}

/// Whether a process of `Quota` itself was started: it watches, it is not watched.
fn is_ours(opts: Term) -> bool {
    let function = opts.map_get(atoms::extra());
    let Ok((module, _, _)) = function.and_then(|mfa| mfa.decode::<(Atom, Term, Term)>()) else {
        return false;
    };
    [
        atoms::guard(),
        atoms::member(),
        atoms::members(),
        atoms::survey(),
        atoms::sweeper(),
        atoms::tracer(),
    ]
    .contains(&module)
}

/// The child counts towards the quota of its parent from here on; the guard will see to it.
fn count(env: Env, parent: Term, child: Term) {
    let (Some(quota), Ok(child)) = (quota_of(parent), child.decode::<LocalPid>()) else {
        return;
    };
    let group = head(&quota);
    children::spawned(env, group, member(group), *child.as_c_arg());
}

fn record(tracee: Term, info: Term) {
    let Some(quota) = quota_of(tracee) else {
        return;
    };
    let (heap, binaries) = sizes(info);
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
