//! NIFs of `BoundedBinary`: charged copies, made in one call or filled in steps.

mod integers;
mod slices;
mod term;

use crate::arena::charged_binary::{self, ChargedBinary};
use crate::quota::registry;
use crate::{atoms, fault, timing};
use bounded_core::slice;
use rustler::schedule::consume_timeslice;
use rustler::sys::enif_make_sub_binary;
use rustler::{Binary, Encoder, Env, Error, NifResult, Resource, ResourceArc, Term};
use std::sync::Mutex;

/// A charged copy of `binary`, of `size` bytes; `:large` when that is too much for one call.
#[rustler::nif]
fn binary_copy<'a>(env: Env<'a>, binary: Term<'a>, size: usize) -> NifResult<Term<'a>> {
    let _measuring = timing::measure();
    fault::point("binary_copy");
    if size > slice::COPY_MAX || !is_usable(binary, size) {
        return Ok(atoms::large().encode(env));
    }
    let binary: Binary = binary.decode()?;
    use_timeslice(env, binary.len());
    Ok(
        match charged_binary::copy(env, &registry::own_account(env), &binary) {
            Ok(copy) => (atoms::ok(), copy).encode(env),
            Err(refusal) => charged_binary::refused(env, &refusal),
        },
    )
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

/// Whether `binary`, a bitstring of `size` bytes, starts on a byte of its source: of one that does not,
/// every look makes a copy. A small one is not worth asking.
#[rustler::nif]
fn binary_aligned(binary: Term, size: usize) -> bool {
    let _measuring = timing::measure();
    is_usable(binary, size)
}

fn is_usable(binary: Term, size: usize) -> bool {
    size <= slice::STEP || is_aligned(binary)
}

/// The VM shows an unaligned binary as an aligned copy: two overlapping parts of it, looked at one by
/// one, then have addresses that are not neighbours. Parts of at most 64 bytes are copies always. The
/// binary is larger than the parts.
fn is_aligned(binary: Term) -> bool {
    let address = |at| {
        let part: Option<Binary> = sub_binary(binary, at, 128).decode().ok();
        part.map(|part| part.as_ptr() as usize)
    };
    matches!((address(0), address(1)), (Some(first), Some(second)) if second == first + 1)
}

/// Part of a binary: callers pass a bitstring, and cut within its size.
fn sub_binary(binary: Term<'_>, start: usize, len: usize) -> Term<'_> {
    let env = binary.get_env();
    // SAFETY: both terms live in `env`; the callers' promise above.
    unsafe {
        let part = enif_make_sub_binary(env.as_c_arg(), binary.as_c_arg(), start, len);
        Term::new(env, part)
    }
}
