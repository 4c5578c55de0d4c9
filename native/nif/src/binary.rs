//! NIFs of `BoundedBinary`: charged copies, made in one call or filled in steps.
//!
//! The VM passes a binary that does not start on a byte of its source as an aligned copy of the whole. `Bounded.Bytes`
//! recognises such binaries, and callers pass small parts of them.

mod slices;
mod term;

use crate::arena::charged_binary::{self, ChargedBinary};
use crate::quota::registry;
use crate::{atoms, fault_injection, timing};
use bounded_core::slice;
use rustler::schedule::consume_timeslice;
use rustler::{Binary, Encoder, Env, Error, NifResult, Resource, ResourceArc, Term};
use std::sync::Mutex;

/// A charged copy of `binary`; `:large` if that is too much for one call.
#[rustler::nif]
fn binary_copy<'a>(env: Env<'a>, binary: Binary<'a>) -> Term<'a> {
    let _measuring = timing::measure();
    fault_injection::point("binary_copy");
    if binary.len() > slice::COPY_MAX {
        return atoms::large().encode(env);
    }
    use_timeslice(env, binary.len());
    match charged_binary::copy(env, &registry::own_account(env), &binary) {
        Ok(copy) => (atoms::ok(), copy).encode(env),
        Err(refusal) => charged_binary::refused(env, &refusal),
    }
}

/// A charged binary that is being written: the process yields between two steps.
struct BinaryBuilder {
    binary: ChargedBinary,
    written: usize,
}

struct BuilderHandle(Mutex<Option<BinaryBuilder>>);

#[rustler::resource_impl]
impl Resource for BuilderHandle {}

impl BuilderHandle {
    /// Only the process that fills has the handle: a lock that is taken or poisoned is a bad argument.
    fn with<T>(&self, work: impl FnOnce(&mut Option<BinaryBuilder>) -> Option<T>) -> NifResult<T> {
        let mut builder = self.0.try_lock().map_err(|_| Error::BadArg)?;
        work(&mut builder).ok_or(Error::BadArg)
    }
}

/// Allocates a binary of `len` bytes, after charging them.
#[rustler::nif]
fn binary_new(env: Env<'_>, len: usize) -> Term<'_> {
    let _measuring = timing::measure();
    match ChargedBinary::new(&registry::own_account(env), len) {
        Ok(binary) => {
            let builder = BinaryBuilder { binary, written: 0 };
            let handle = ResourceArc::new(BuilderHandle(Mutex::new(Some(builder))));
            (atoms::ok(), handle).encode(env)
        }
        Err(refusal) => charged_binary::refused(env, &refusal),
    }
}

/// Appends `piece`, of at most one step.
#[rustler::nif]
fn binary_append(
    env: Env,
    handle: ResourceArc<BuilderHandle>,
    piece: Binary,
) -> NifResult<rustler::Atom> {
    let _measuring = timing::measure();
    handle.with(|builder| {
        let builder = builder.as_mut()?;
        let end = builder.written.checked_add(piece.len())?;
        let room = builder.binary.payload().get_mut(builder.written..end)?;
        if piece.len() > slice::STEP {
            return None;
        }
        room.write_copy_of_slice(&piece);
        builder.written = end;
        Some(())
    })?;
    use_timeslice(env, piece.len());
    Ok(atoms::ok())
}

/// The binary of all bytes written. The handle cannot be used again.
#[rustler::nif]
fn binary_finish(env: Env<'_>, handle: ResourceArc<BuilderHandle>) -> NifResult<Term<'_>> {
    let _measuring = timing::measure();
    let BinaryBuilder {
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
