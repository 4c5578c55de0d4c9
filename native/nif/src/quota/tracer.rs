//! A tracer module made of NIFs: the only way to learn, before its death is known, that the VM killed
//! a process for its heap.
//!
//! It discards every event but `gc_max_heap_size`, so it costs two calls of `enabled/3` per garbage collection, and being
//! asked it learns that there was one. It has to discard those of collections: see `Quota.Tracer`. Where children count, it also
//! learns who they are. It runs inside the traced process: it must never raise (an exception that is not an atom takes the VM
//! down) and never wait for what a process may hold.

use crate::fault;
use crate::quota::handle::{Quota, head, member};
use crate::quota::{alarm, children, registry, segment_cache};
use crate::timing;
use bounded_core::arena::account::Category;
use rustler::{Atom, Encoder, Env, LocalPid, ResourceArc, Term};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

mod atoms {
    rustler::atoms! {
        ok, trace, discard, trace_status, gc_max_heap_size, gc_minor_end, gc_major_end, spawn, spawned, extra,
        guard = "Elixir.Quota.Guard", member = "Elixir.Quota.Member", members = "Elixir.Quota.Members", survey = "Elixir.Quota.Survey", sweeper = "Elixir.Quota.Sweeper", tracer = "Elixir.Quota.Tracer",
        heap_block_size, old_heap_block_size, mbuf_size, bin_vheap_size, bin_old_vheap_size,
    }
}

/// A `max_heap_size` within this part of the quota's own is taken for it.
const TOLERANCE: u64 = 16;

/// The `max_heap_size` that a quota gave its process.
#[derive(Default)]
pub struct Flag {
    /// 0 where it gave none.
    bytes: AtomicU64,
    counts_binaries: AtomicBool,
    /// It only reports what collections need: `Quota.measure/1`.
    measuring: AtomicBool,
}

impl Flag {
    /// Whether the VM has reported this one, and not a lower one.
    fn is_passed_by(&self, heap: u64, binaries: u64) -> bool {
        let bytes = self.bytes.load(Ordering::Acquire);
        let counted = match self.counts_binaries.load(Ordering::Acquire) {
            true => heap.saturating_add(binaries),
            false => heap,
        };
        // The VM's sum differs from this one by a few words, depending on what it is about to do.
        bytes > 0 && counted >= bytes - bytes / TOLERANCE
    }
}

/// The VM holds the account's process to `bytes`, by `max_heap_size`.
#[rustler::nif]
fn account_vm_limit(account: ResourceArc<Quota>, bytes: u64, counts_binaries: bool) {
    let _measuring = timing::measure();
    let flag = &account.flag;
    flag.counts_binaries
        .store(counts_binaries, Ordering::Release);
    flag.bytes.store(bytes, Ordering::Release);
}

/// From now on `max_heap_size` events of the account's process tell what its collections need, and nothing else.
#[rustler::nif]
fn account_measuring(account: ResourceArc<Quota>) {
    let _measuring = timing::measure();
    account.flag.measuring.store(true, Ordering::Release);
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
        alarm::collected(env, &quota);
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

/// A process has one `max_heap_size`, which it may set itself and which may be that of the node: only what exceeds the
/// one that its quota gave it is the quota's breach.
fn record(tracee: Term, info: Term) {
    let Some(quota) = quota_of(tracee) else {
        return;
    };
    let (heap, binaries) = sizes(info);
    if quota.flag.measuring.load(Ordering::Acquire) {
        quota.account.observe(heap, binaries);
        return;
    }
    if !quota.flag.is_passed_by(heap, binaries) {
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
