//! A tracer module made of NIFs: the only way to learn, before its death is known, that the VM killed
//! a process for its heap.
//!
//! It discards every event but `gc_max_heap_size`, of which a process has at most one, so it costs one
//! call of `enabled/3` per garbage collection. It runs inside the traced process: it must never raise
//! (an exception that is not an atom takes the VM down) and never wait for what a process may hold.

use crate::registry;
use bounded_core::quota::Category;
use rustler::{Atom, Encoder, Env, ListIterator, LocalPid, Term};
use std::panic::{AssertUnwindSafe, catch_unwind};

mod atoms {
    rustler::atoms! {
        ok, trace, discard, trace_status, gc_max_heap_size,
        heap_block_size, old_heap_block_size, mbuf_size, bin_vheap_size, bin_old_vheap_size,
    }
}

/// Which events are wanted, and that this tracer is alive.
#[rustler::nif]
fn enabled<'a>(tag: Term<'a>, _state: Term<'a>, _tracee: Term<'a>) -> Atom {
    let wanted = tag == atoms::gc_max_heap_size().encode(tag.get_env())
        || tag == atoms::trace_status().encode(tag.get_env());
    if wanted {
        atoms::trace()
    } else {
        atoms::discard()
    }
}

/// The VM is about to kill `tracee`: records why, with the sizes of its heaps.
#[rustler::nif]
fn trace<'a>(
    env: Env<'a>,
    tag: Term<'a>,
    _state: Term<'a>,
    tracee: Term<'a>,
    info: Term<'a>,
    _opts: Term<'a>,
) -> Atom {
    let _ = catch_unwind(AssertUnwindSafe(|| {
        if tag == atoms::gc_max_heap_size().encode(env) {
            record(tracee, info);
        }
    }));
    atoms::ok()
}

fn record(tracee: Term, info: Term) {
    let Some(quota) = tracee
        .decode::<LocalPid>()
        .ok()
        .and_then(|pid| registry::find(*pid.as_c_arg()))
    else {
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
    let (mut heap, mut binaries) = (0, 0);
    for entry in info.decode::<ListIterator>().into_iter().flatten() {
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
            heap += bytes;
        } else if [atoms::bin_vheap_size(), atoms::bin_old_vheap_size()].contains(&key) {
            binaries += bytes;
        }
    }
    (heap, binaries)
}
