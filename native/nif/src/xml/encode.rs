//! NIFs of `BoundedXml.encode/2` and its siblings: an encoder is a writer, a call takes terms and gives binaries.
//!
//! A call returns its remaining work as a list of frames, terms that the caller passes to the next call: a tree is never
//! copied, and its depth costs what was entered in a call, not what is open.
//!
//! - `setup`: options; `frame`: remaining work; `walk`: from terms to the writer, with `items`, `element` and `event`;
//! - `escape`: texts by themselves;
//! - `known`: names and texts that were checked in this call; `output`: pieces as binaries.

mod element;
mod escape;
mod event;
mod frame;
mod items;
mod known;
mod output;
mod setup;
mod walk;

use crate::arena::charged_binary;
use crate::quota::registry;
use crate::xml::terms::{RawTerm, Terms};
use crate::xml::{self, lock, unusable};
use crate::{atoms, timing};
use bounded_core::arena::account::{Account, Kind, Refusal, Reservation};
use bounded_core::arena::charged_vec::ChargedVec;
use bounded_core::xml::write::{Fault, FaultKind, WriteError, Writer};
use frame::Frame;
use output::Output;
use rustler::{Encoder as _, Env, NifResult, Resource, ResourceArc, Term};
use setup::Setup;
use std::sync::{Arc, Mutex};
use walk::{Stop, Walk};

mod words {
    rustler::atoms! {
        name, character, nesting, attribute, comment, instruction, declaration, doctype, root,
        namespace, entity, indent, shape,
    }
}

/// A document being written.
pub struct Encoder {
    writer: Writer,
    /// Frames of the call that runs, the innermost last. Empty between calls: terms live no longer.
    stack: ChargedVec<Frame>,
    /// Whether declarations that come as events are written.
    declares: bool,
    _fixed: Reservation,
}

/// Levels that are entered without asking for memory.
const LEVELS: usize = 16;

impl Encoder {
    fn new(setup: Setup<'_>, account: &Arc<Account>) -> Result<Encoder, Refusal> {
        let fixed = Reservation::new(account, Kind::Native, size_of::<Encoder>() as u64)?;
        let mut stack = ChargedVec::new(account);
        stack.reserve(LEVELS)?;
        Ok(Encoder {
            declares: setup.declares(),
            writer: Writer::new(setup.into_options(), account)?,
            stack,
            _fixed: fixed,
        })
    }
}

pub struct EncoderHandle(Mutex<Option<Box<Encoder>>>);

#[rustler::resource_impl]
impl Resource for EncoderHandle {}

/// What one call came to.
enum Outcome<'env> {
    Written {
        pieces: RawTerm,
        /// A list; empty when all is done.
        frames: RawTerm,
    },
    Refused(Refusal),
    Failed(Box<Fault>),
    /// Not one of the terms that can be written.
    Shape {
        expected: &'static str,
        found: Term<'env>,
        path: String,
    },
}

/// Begins a document, and writes what `frames` say. `last`: that is all of it.
///
/// `{:ok, {status, pieces, frames, encoder}}`, the pieces from the last on. What is done in one call never becomes a
/// resource.
#[rustler::nif]
fn xml_encode<'a>(
    env: Env<'a>,
    setup: Setup<'a>,
    frames: Term<'a>,
    last: bool,
) -> NifResult<Term<'a>> {
    timing::timed(env, || {
        let mut output = Output::new(env);
        let declaration = setup.declaration();
        let mut encoder = match Encoder::new(setup, &registry::own_account(env)) {
            Ok(encoder) => encoder,
            Err(refusal) => return Ok(charged_binary::refused(env, &refusal)),
        };
        if let Some(declaration) = declaration
            && let Err(error) = declaration.write(&mut encoder.writer, &mut output)
        {
            return Ok(answer(env, stopped(env, &encoder, error.into()), None));
        }
        let outcome = run(env, &mut encoder, output, frames, last, true);
        let goes_on = match &outcome {
            Outcome::Written { frames, .. } => !last || *frames != Terms::new(env).empty_list,
            _ => false,
        };
        let handle = goes_on.then(|| {
            let handle = EncoderHandle(Mutex::new(Some(Box::new(encoder))));
            ResourceArc::new(handle).encode(env)
        });
        Ok(answer(env, outcome, handle))
    })
}

/// Goes on with a document.
#[rustler::nif]
fn xml_encode_more<'a>(
    env: Env<'a>,
    encoder: Term<'a>,
    frames: Term<'a>,
    last: bool,
) -> NifResult<Term<'a>> {
    let handle: ResourceArc<EncoderHandle> = encoder.decode()?;
    let mut state = match lock(env, &handle.0) {
        Ok(state) => state,
        Err(unusable) => return Ok(unusable),
    };
    timing::timed(env, || {
        let Some(open) = &mut *state else {
            return Ok(unusable(env, xml::words::closed()));
        };
        let outcome = run(env, open, Output::new(env), frames, last, false);
        match &outcome {
            Outcome::Written { frames, .. } if !last || *frames != Terms::new(env).empty_list => {}
            Outcome::Refused(_) => {}
            _ => *state = None,
        }
        Ok(answer(env, outcome, Some(encoder)))
    })
}

/// Gives an encoder's memory back now rather than when it is garbage.
#[rustler::nif]
fn xml_encode_close(encoder: ResourceArc<EncoderHandle>) {
    if let Ok(mut state) = encoder.0.try_lock() {
        *state = None;
    }
}

/// One call's share of work. `fresh`: all of it can be done again, if it is refused.
fn run<'env>(
    env: Env<'env>,
    encoder: &mut Encoder,
    output: Output<'env>,
    frames: Term<'env>,
    last: bool,
    fresh: bool,
) -> Outcome<'env> {
    encoder.stack.clear();
    let mut walk = Walk::new(env, encoder, output, frames.as_c_arg());
    let mut ended = walk.run();
    if ended.is_ok() && walk.is_done() && last {
        ended = walk.finish();
    }
    let moved = walk.has_moved();
    let (pieces, frames) = match ended {
        Ok(()) => walk.suspend(),
        Err(Stop::Refused(_)) if !fresh && moved => walk.suspend(),
        Err(stop) => return stopped(env, encoder, stop),
    };
    encoder.stack.clear();
    Outcome::Written { pieces, frames }
}

fn stopped<'env>(env: Env<'env>, encoder: &Encoder, stop: Stop) -> Outcome<'env> {
    match stop {
        Stop::Refused(refusal) => Outcome::Refused(refusal),
        Stop::Fault(fault) => Outcome::Failed(fault),
        Stop::Shape(expected, found) => Outcome::Shape {
            expected,
            found: Terms::new(env).wrap(found),
            path: encoder.writer.child_path(),
        },
    }
}

impl From<WriteError> for Stop {
    fn from(error: WriteError) -> Stop {
        match error {
            WriteError::Refused(refusal) => Stop::Refused(refusal),
            WriteError::Fault(fault) => Stop::Fault(fault),
        }
    }
}

/// `{:ok, {status, pieces, frames, encoder}}` or `{:error, {kind, reason, path, term}}`.
fn answer<'a>(env: Env<'a>, outcome: Outcome<'a>, encoder: Option<Term<'a>>) -> Term<'a> {
    let terms = Terms::new(env);
    match outcome {
        Outcome::Written { pieces, frames } => {
            let status = match frames == terms.empty_list {
                true => xml::words::done(),
                false => xml::words::more(),
            };
            let written = (status, terms.wrap(pieces), terms.wrap(frames), encoder);
            (atoms::ok(), written).encode(env)
        }
        Outcome::Refused(refusal) => charged_binary::refused(env, &refusal),
        Outcome::Failed(fault) => {
            let details = (kind(fault.kind), fault.reason, fault.path, None::<Term>);
            (atoms::error(), details).encode(env)
        }
        Outcome::Shape {
            expected,
            found,
            path,
        } => {
            let details = (words::shape(), expected, path, Some((found,)));
            (atoms::error(), details).encode(env)
        }
    }
}

fn kind(kind: FaultKind) -> rustler::Atom {
    match kind {
        FaultKind::Name => words::name(),
        FaultKind::Character => words::character(),
        FaultKind::Encoding => xml::words::encoding(),
        FaultKind::Nesting => words::nesting(),
        FaultKind::Attribute => words::attribute(),
        FaultKind::Comment => words::comment(),
        FaultKind::Instruction => words::instruction(),
        FaultKind::Declaration => words::declaration(),
        FaultKind::Doctype => words::doctype(),
        FaultKind::Root => words::root(),
        FaultKind::Namespace => words::namespace(),
        FaultKind::Entity => words::entity(),
        FaultKind::Indent => words::indent(),
    }
}
