//! Many fields of one binary, cut in one call.

use crate::{atoms, timing};
use bounded_core::slice::{self, INLINE_PIECES, Piece, Plan};
use rustler::sys::{
    ErlNifTerm, enif_get_list_cell, enif_get_tuple, enif_make_list_from_array,
    enif_make_new_binary, enif_make_sub_binary,
};
use rustler::{Binary, Encoder, Env, Error, NewBinary, NifResult, Term};
use smallvec::SmallVec;
use std::mem::MaybeUninit;
use std::ptr;

/// The terms of the pieces.
type Cut = SmallVec<[ErlNifTerm; INLINE_PIECES]>;

/// The pieces that one call cuts are not charged: the VM counts them.
const _: () = assert!(slice::STEP <= slice::PLAIN_MAX);

/// The pieces of `binary` in a list of their own, each a binary of its own or, when `shared`, all parts of
/// one block; `:large` when that is too much for one call. Nothing is refused here, so there is no `:ok` around it.
#[rustler::nif]
fn binary_slices<'a>(
    env: Env<'a>,
    binary: Binary<'a>,
    positions: Term<'a>,
    shared: bool,
) -> NifResult<Term<'a>> {
    let _measuring = timing::measure();
    let bytes = binary.as_slice();
    let mut plan = Plan::new();
    let few = read(&mut plan, bytes.len(), positions)?;
    let extent = plan.extent();
    if !few || !extent.fits() {
        return Ok(atoms::large().encode(env));
    }
    crate::binary::use_timeslice(
        env,
        extent.total + plan.pieces().len() * slice::STEP / slice::PLAN_PIECES,
    );
    Ok(if shared && extent.block > 0 {
        cut_shared(env, bytes, &plan, extent.block)
    } else {
        cut(env, bytes, &plan)
    })
}

/// Reads the pieces to cut; returns whether they are few enough for one call.
fn read(plan: &mut Plan, size: usize, positions: Term) -> NifResult<bool> {
    let env = positions.get_env();
    let (mut position, mut rest) = (ErlNifTerm::default(), positions.as_c_arg());
    // One call of the VM for each cell. Whether the list is proper is asked once, after the last cell.
    // SAFETY: the terms live in `env`, and the VM writes to both places when it says that there is a cell.
    while unsafe { enif_get_list_cell(env.as_c_arg(), rest, &mut position, &mut rest) } == 1 {
        if !plan.push(piece(env, size, position)?) {
            return Ok(false);
        }
    }
    // SAFETY: a term of `env`, as above.
    if unsafe { Term::new(env, rest) }.is_empty_list() {
        Ok(true)
    } else {
        Err(Error::BadArg)
    }
}

#[inline]
fn piece(env: Env, size: usize, pair: ErlNifTerm) -> NifResult<Piece> {
    let mut arity = 0;
    let mut elements = ptr::null();
    // SAFETY: a tuple's elements are an array of `arity` terms that lives as long as its environment.
    let (position, length) = unsafe {
        let is_tuple = enif_get_tuple(env.as_c_arg(), pair, &mut arity, &mut elements) == 1;
        if !is_tuple || arity != 2 {
            return Err(Error::BadArg);
        }
        (Term::new(env, *elements), Term::new(env, *elements.add(1)))
    };
    Piece::of(size, position.decode()?, length.decode()?).ok_or(Error::BadArg)
}

fn cut<'a>(env: Env<'a>, bytes: &[u8], plan: &Plan) -> Term<'a> {
    let mut copies = Cut::new();
    for piece in plan.pieces() {
        copies.push(copy(env, &bytes[piece.range()]));
    }
    list(env, copies.as_slice())
}

/// Parts of a block of `len` bytes, which all pieces that are no heap binaries add up to. Each is made when its
/// bytes have been copied: the processor does one while it waits for the other.
fn cut_shared<'a>(env: Env<'a>, bytes: &[u8], plan: &Plan, len: usize) -> Term<'a> {
    let mut block = ErlNifTerm::default();
    // SAFETY: gives a binary in `env` and where its bytes lie, which are ours to write until this call ends.
    let room = unsafe {
        let start = enif_make_new_binary(env.as_c_arg(), len, &mut block);
        std::slice::from_raw_parts_mut(start.cast::<MaybeUninit<u8>>(), len)
    };
    let mut written = 0;
    let mut parts = Cut::new();
    for piece in plan.pieces() {
        let bytes = &bytes[piece.range()];
        if piece.len <= slice::HEAP_MAX {
            parts.push(copy(env, bytes));
        } else {
            room[written..written + piece.len].write_copy_of_slice(bytes);
            // SAFETY: the part lies within the block, which is a term of `env`, or the line above had panicked.
            parts.push(unsafe { enif_make_sub_binary(env.as_c_arg(), block, written, piece.len) });
            written += piece.len;
        }
    }
    list(env, parts.as_slice())
}

fn copy(env: Env, bytes: &[u8]) -> ErlNifTerm {
    let copy: Term = NewBinary::from_slice(env, bytes).into();
    copy.as_c_arg()
}

fn list<'a>(env: Env<'a>, terms: &[ErlNifTerm]) -> Term<'a> {
    // SAFETY: a plan's pieces are far fewer than a `u32` counts, and all terms live in `env`.
    unsafe {
        let list = enif_make_list_from_array(env.as_c_arg(), terms.as_ptr(), terms.len() as u32);
        Term::new(env, list)
    }
}
