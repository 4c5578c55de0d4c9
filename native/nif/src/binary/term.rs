//! External terms: what they take before they are decoded.

use crate::arena::charged_binary;
use crate::quota::registry;
use crate::{atoms, timing};
use bounded_core::arena::account::{Kind, Reservation};
use bounded_core::external_term::{Allowed, Fault, Progress, SizeScan};
use rustler::schedule::consume_timeslice;
use rustler::{Binary, Encoder, Env, Term};

/// Terms read in one call: 0.1 to 0.2 ms.
const STEP: usize = 16 * 1024;

type Position = (usize, u64, u64);

/// Continues with a walk over the external term in `binary` at `{position, pending, decoded}`, the latter
/// two in terms and bytes: `{:more, position}`, `{:ok, decoded}` or `{:error, {kind, {details, offset}}}`.
#[rustler::nif]
fn binary_walk_term<'a>(
    env: Env<'a>,
    binary: Binary<'a>,
    (position, pending, decoded): Position,
    limit: u64,
    (functions, references, ports, external, records): (bool, bool, bool, bool, bool),
    (node, creation): (Binary<'a>, u32),
) -> Term<'a> {
    let _measuring = timing::measure();
    let mut scan = SizeScan {
        position,
        pending,
        decoded,
    };
    let allowed = Allowed {
        functions,
        references,
        ports,
        external,
        records,
        node: &node,
        creation,
    };
    match scan.step(&binary, limit, &allowed, STEP) {
        Ok(Progress::More) => {
            consume_timeslice(env, 20);
            let position: Position = (scan.position, scan.pending, scan.decoded);
            (atoms::more(), position).encode(env)
        }
        Ok(Progress::Done) => (atoms::ok(), scan.decoded).encode(env),
        Err(fault) => error(env, fault, scan.position),
    }
}

fn error(env: Env<'_>, fault: Fault, offset: usize) -> Term<'_> {
    let kind = match fault {
        Fault::Limit(bytes) => (atoms::limit(), (bytes, offset)).encode(env),
        Fault::Truncated => (atoms::truncated(), (atoms::term(), offset)).encode(env),
        Fault::Malformed => (atoms::malformed(), (atoms::term(), offset)).encode(env),
        Fault::Forbidden(kind) => (atoms::forbidden(), (kind, offset)).encode(env),
    };
    (atoms::error(), kind).encode(env)
}

/// `:ok` when the caller's account has room for `bytes` now. The VM makes the term and counts it, so the
/// reservation must not outlast this call: the guard would count the term twice.
#[rustler::nif]
fn binary_room(env: Env<'_>, bytes: u64) -> Term<'_> {
    match Reservation::new(&registry::own_account(env), Kind::Native, bytes) {
        Ok(_) => atoms::ok().encode(env),
        Err(refusal) => charged_binary::refused(env, &refusal),
    }
}
