//! NIFs of `BoundedBinary`: charged copies, made in one call or filled in steps.
//!
//! The VM shows a binary that does not start on a byte of its source as an aligned copy of the whole: `Bounded.Bytes`
//! tells such binaries, and callers pass small parts of them.

mod integers;
mod slices;
mod term;

use crate::arena::charged_binary::{self, ChargedBinary};
use crate::quota::registry;
use crate::{atoms, fault, timing};
use bounded_core::slice;
use rustler::schedule::consume_timeslice;
use rustler::{Binary, Encoder, Env, Error, NifResult, Resource, ResourceArc, Term};
use std::sync::Mutex;

/// A charged copy of `binary`; `:large` when that is too much for one call.
#[rustler::nif]
fn binary_copy<'a>(env: Env<'a>, binary: Binary<'a>) -> Term<'a> {
    let _measuring = timing::measure();
    fault::point("binary_copy");
    if binary.len() > slice::COPY_MAX {
        return atoms::large().encode(env);
    }
    use_timeslice(env, binary.len());
    match charged_binary::copy(env, &registry::own_account(env), &binary) {
        Ok(copy) => (atoms::ok(), copy).encode(env),
        Err(refusal) => charged_binary::refused(env, &refusal),
    }
}

/// A charged binary on its way: the process yields between two steps.
struct Filling {
    binary: ChargedBinary,
    written: usize,
}

struct FillingHandle(Mutex<Option<Filling>>);

#[rustler::resource_impl]
impl Resource for FillingHandle {}

impl FillingHandle {
    /// Only the process that fills has the handle: a lock that is taken or poisoned is a bad argument.
    fn with<T>(&self, work: impl FnOnce(&mut Option<Filling>) -> Option<T>) -> NifResult<T> {
        let mut filling = self.0.try_lock().map_err(|_| Error::BadArg)?;
        work(&mut filling).ok_or(Error::BadArg)
    }
}

/// Room for `len` bytes, charged before it is allocated.
#[rustler::nif]
fn binary_new(env: Env<'_>, len: usize) -> Term<'_> {
    let _measuring = timing::measure();
    match ChargedBinary::new(&registry::own_account(env), len) {
        Ok(binary) => {
            let filling = Filling { binary, written: 0 };
            let handle = ResourceArc::new(FillingHandle(Mutex::new(Some(filling))));
            (atoms::ok(), handle).encode(env)
        }
        Err(refusal) => charged_binary::refused(env, &refusal),
    }
}

/// Writes `piece`, of at most one step, behind what is there.
#[rustler::nif]
fn binary_append(
    env: Env,
    handle: ResourceArc<FillingHandle>,
    piece: Binary,
) -> NifResult<rustler::Atom> {
    let _measuring = timing::measure();
    handle.with(|filling| {
        let filling = filling.as_mut()?;
        let end = filling.written.checked_add(piece.len())?;
        let room = filling.binary.payload().get_mut(filling.written..end)?;
        if piece.len() > slice::STEP {
            return None;
        }
        room.write_copy_of_slice(&piece);
        filling.written = end;
        Some(())
    })?;
    use_timeslice(env, piece.len());
    Ok(atoms::ok())
}

/// The binary of all bytes written; the handle is of no more use.
#[rustler::nif]
fn binary_finish(env: Env<'_>, handle: ResourceArc<FillingHandle>) -> NifResult<Term<'_>> {
    let _measuring = timing::measure();
    let Filling {
        mut binary,
        written,
    } = handle.with(Option::take)?;
    binary.truncate(written);
    // SAFETY: `binary_append` wrote every byte up to `written`, where the binary now ends.
    Ok(unsafe { binary.into_term(env) })
}

fn use_timeslice(env: Env, bytes: usize) {
    let percent = slice::timeslice_percent(bytes);
    if percent > 0 {
        consume_timeslice(env, percent);
    }
}

/// Where the bytes of `binary` lie: parts of one block lie within it.
#[rustler::nif]
fn binary_address(binary: Binary) -> usize {
    binary.as_ptr() as usize
}

/// Whether the bytes of `second`, of the same length as `first`, begin one byte after those of `first`.
#[rustler::nif]
fn binary_adjacent(first: Binary, second: Binary) -> bool {
    let _measuring = timing::measure();
    first.len() == second.len() && first.as_ptr() as usize + 1 == second.as_ptr() as usize
}
