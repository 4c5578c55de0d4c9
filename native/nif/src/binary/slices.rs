//! Many fields of one binary, cut in one call.

use super::timing;
use crate::arena::{self, ChargedBinary};
use crate::{atoms, registry};
use bounded_core::quota::Refusal;
use bounded_core::slice::{self, Piece, Plan};
use rustler::sys::{ErlNifTerm, enif_get_tuple, enif_make_list_from_array};
use rustler::{Binary, Encoder, Env, Error, NewBinary, NifResult, Term};
use std::ptr;

/// `{:ok, pieces}` of `binary`, each a binary of its own or, when `shared`, all parts of one block;
/// `:large` when that is too much for one call.
#[rustler::nif]
fn binary_slices<'a>(
    env: Env<'a>,
    binary: Term<'a>,
    size: usize,
    positions: Term<'a>,
    shared: bool,
) -> NifResult<Term<'a>> {
    let _measured = timing::measure();
    if !super::is_usable(binary, size) {
        return Ok(atoms::large().encode(env));
    }
    let bytes: Binary = binary.decode()?;
    let Some(plan) = plan(bytes.len(), positions)? else {
        return Ok(atoms::large().encode(env));
    };
    super::use_timeslice(
        env,
        plan.total() + plan.pieces().len() * slice::STEP / slice::PLAN_PIECES,
    );
    let cut = if shared {
        cut_shared(env, &bytes, &plan)
    } else {
        cut(env, &bytes, &plan)
    };
    Ok(match cut {
        Ok(pieces) => (atoms::ok(), list(env, &pieces)).encode(env),
        Err(refusal) => arena::refused(env, &refusal),
    })
}

/// The pieces to cut, or nothing when they are too many for one call.
fn plan(size: usize, mut positions: Term) -> NifResult<Option<Plan>> {
    let mut plan = Plan::new();
    // One question per cell: only what is no cell is asked whether it is the end.
    while let Ok((position, rest)) = positions.list_get_cell() {
        if !plan.push(piece(size, position)?) {
            return Ok(None);
        }
        positions = rest;
    }
    if positions.is_empty_list() {
        Ok(Some(plan))
    } else {
        Err(Error::BadArg)
    }
}

fn piece(size: usize, term: Term) -> NifResult<Piece> {
    let env = term.get_env();
    let mut arity = 0;
    let mut elements = ptr::null();
    // SAFETY: a tuple's elements are an array of `arity` terms that lives as long as its environment.
    let pair = unsafe {
        let is_tuple =
            enif_get_tuple(env.as_c_arg(), term.as_c_arg(), &mut arity, &mut elements) == 1;
        if !is_tuple || arity != 2 {
            return Err(Error::BadArg);
        }
        [Term::new(env, *elements), Term::new(env, *elements.add(1))]
    };
    Piece::of(size, pair[0].decode()?, pair[1].decode()?).ok_or(Error::BadArg)
}

fn cut(env: Env, bytes: &[u8], plan: &Plan) -> Result<Vec<ErlNifTerm>, Refusal> {
    plan.pieces()
        .iter()
        .map(|piece| own_copy(env, &bytes[piece.range()]).map(|copy| copy.as_c_arg()))
        .collect()
}

fn own_copy<'a>(env: Env<'a>, bytes: &[u8]) -> Result<Term<'a>, Refusal> {
    if bytes.len() <= slice::PLAIN_MAX {
        Ok(NewBinary::from_slice(env, bytes).into())
    } else {
        arena::copy(env, &registry::own_account(env), bytes)
    }
}

fn cut_shared(env: Env, bytes: &[u8], plan: &Plan) -> Result<Vec<ErlNifTerm>, Refusal> {
    let block = block(env, bytes, plan)?;
    let mut start = 0;
    let pieces = plan.pieces().iter().map(|piece| {
        let part = super::sub_binary(block, start, piece.len);
        start += piece.len;
        part.as_c_arg()
    });
    Ok(pieces.collect())
}

/// All pieces, one after the other.
fn block<'a>(env: Env<'a>, bytes: &[u8], plan: &Plan) -> Result<Term<'a>, Refusal> {
    if plan.total() <= slice::PLAIN_MAX {
        let mut block = NewBinary::new(env, plan.total());
        let mut room = block.as_mut_slice();
        for piece in plan.pieces() {
            let (part, rest) = room.split_at_mut(piece.len);
            part.copy_from_slice(&bytes[piece.range()]);
            room = rest;
        }
        return Ok(block.into());
    }
    let mut block = ChargedBinary::new(&registry::own_account(env), plan.total())?;
    let mut room = block.payload();
    for piece in plan.pieces() {
        let (part, rest) = room.split_at_mut(piece.len);
        part.write_copy_of_slice(&bytes[piece.range()]);
        room = rest;
    }
    // SAFETY: the pieces add up to the total, so the loop wrote the whole payload.
    Ok(unsafe { block.into_term(env) })
}

fn list<'a>(env: Env<'a>, terms: &[ErlNifTerm]) -> Term<'a> {
    // SAFETY: a plan's pieces are far fewer than a `u32` counts, and all terms live in `env`.
    unsafe {
        let list = enif_make_list_from_array(env.as_c_arg(), terms.as_ptr(), terms.len() as u32);
        Term::new(env, list)
    }
}
