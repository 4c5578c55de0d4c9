//! NIFs of `BoundedXml`: a parser is a resource, a call takes a part of the document and gives a batch
//! of events.
//!
//! No call takes longer than a fraction of a millisecond: the next call does the remaining work.
//!
//! - `session`: one document, from bytes to terms;
//! - `events`, `select`: the two things that are made of it, both of `values`;
//! - `encode`: the other way, from terms to bytes;
//! - `batch`, `large`, `long_tag`: what bounds a call; `intern`, `terms`: what makes it fast.

mod batch;
mod config;
mod encode;
mod events;
mod intern;
mod large;
mod long_tag;
mod select;
mod session;
mod string_cache;
mod terms;
mod values;

use crate::arena::charged_binary;
use crate::quota::registry;
use crate::{atoms, fault_injection, timing};
use bounded_core::xml::{DocumentError, ErrorKind};
use config::Config;
use rustler::{Binary, Encoder, Env, Error, NifResult, Resource, ResourceArc, Term};
use session::{Next, Outcome, Session};
use std::sync::{Mutex, MutexGuard, TryLockError};

mod words {
    rustler::atoms! {
        more, full, done,
        unusable, busy, broken, closed, interrupted,
        malformed, truncated, limit, encoding, internal, missing, unsupported,
    }
}

enum State {
    Open(Box<Session>),
    /// The document had an error, which every later call returns again. The memory is freed.
    Failed(Box<DocumentError>),
    Closed,
    /// A call raised halfway, and events are lost.
    Interrupted,
}

pub struct ParserHandle(Mutex<State>);

#[rustler::resource_impl]
impl Resource for ParserHandle {}

/// Options, and the paths of a selection or nil.
type Setup<'a> = (Config, Term<'a>);

/// Makes a parser, charged to the calling process, and feeds it the first part of the document, which may be empty. A document
/// that ends with it never becomes a resource.
#[rustler::nif]
fn xml_open<'a>(
    env: Env<'a>,
    setup: Setup<'a>,
    binary: Binary<'a>,
    offset: usize,
    length: usize,
    last: bool,
) -> NifResult<Term<'a>> {
    timing::timed(env, || {
        let (config, paths) = setup;
        let mut session = match Session::new(config, paths, &registry::own_account(env))? {
            Ok(session) => session,
            Err(refusal) => return Ok(charged_binary::refused(env, &refusal)),
        };
        let outcome = session.feed(env, part(&binary, offset, length)?, last, None)?;
        let parser = match outcome {
            Outcome::Events {
                next: Next::Done, ..
            }
            | Outcome::Refused(_)
            | Outcome::Failed(_) => terms::nil().encode(env),
            Outcome::Events { .. } => handle(State::Open(Box::new(session))).encode(env),
        };
        Ok(answer(env, outcome, parser))
    })
}

/// Feeds the next part of the document, or, if it is empty, continues with what was fed before. `built` is the part of an
/// unfinished element that the last call returned.
#[rustler::nif]
fn xml_feed<'a>(
    env: Env<'a>,
    parser: Term<'a>,
    binary: Binary<'a>,
    offset: usize,
    length: usize,
    last: bool,
    built: Term<'a>,
) -> NifResult<Term<'a>> {
    let part = part(&binary, offset, length)?;
    with_session(env, parser, |session| {
        fault_injection::point("xml_feed");
        session.feed(env, part, last, Some(built))
    })
}

/// Frees the parser's memory now rather than when it is collected as garbage.
#[rustler::nif]
fn xml_close(parser: ResourceArc<ParserHandle>) {
    if let Ok(mut state) = parser.0.try_lock() {
        let _measuring = timing::measure();
        *state = State::Closed;
    }
}

/// Events of an open parser are lost: it can only be closed.
#[rustler::nif]
fn xml_interrupt(parser: ResourceArc<ParserHandle>) {
    if let Ok(mut state) = parser.0.try_lock()
        && matches!(*state, State::Open(_))
    {
        let _measuring = timing::measure();
        *state = State::Interrupted;
    }
}

/// `{:ok, {line, column, byte_offset}}` of the next byte to be read.
#[rustler::nif]
fn xml_position<'a>(env: Env<'a>, parser: ResourceArc<ParserHandle>) -> Term<'a> {
    let mut state = match lock(env, &parser.0) {
        Ok(state) => state,
        Err(unusable) => return unusable,
    };
    match &mut *state {
        State::Open(session) => {
            let position = session.position();
            let place = (position.line, position.column, position.byte_offset);
            (atoms::ok(), place).encode(env)
        }
        State::Failed(error) => failed(env, error),
        State::Closed => unusable(env, words::closed()),
        State::Interrupted => unusable(env, words::interrupted()),
    }
}

/// A number that changes whenever the parser has made progress.
#[rustler::nif]
fn xml_progress<'a>(env: Env<'a>, parser: ResourceArc<ParserHandle>) -> Term<'a> {
    match lock(env, &parser.0) {
        Ok(state) => match &*state {
            State::Open(session) => session.progress().encode(env),
            State::Failed(_) | State::Closed | State::Interrupted => terms::nil().encode(env),
        },
        Err(unusable) => unusable,
    }
}

/// The number of states of a selection, of which there may be 63.
#[rustler::nif]
fn xml_states(paths: Term) -> NifResult<usize> {
    select::plan::states(paths)
}

/// Whether a document can be read in the encoding of this name.
#[rustler::nif(name = "xml_encoding?")]
fn xml_encoding(name: &str) -> bool {
    bounded_core::xml::is_encoding(name)
}

/// The supported encodings, each by one of its names, sorted.
#[rustler::nif]
fn xml_encodings() -> Vec<&'static str> {
    bounded_core::xml::encodings()
}

fn handle(state: State) -> ResourceArc<ParserHandle> {
    ResourceArc::new(ParserHandle(Mutex::new(state)))
}

fn part<'a>(binary: &'a Binary, offset: usize, length: usize) -> NifResult<&'a [u8]> {
    let end = offset.checked_add(length).ok_or(Error::BadArg)?;
    binary.get(offset..end).ok_or(Error::BadArg)
}

/// Lets an open parser do the work of one call, and closes it if that was the last.
fn with_session<'a>(
    env: Env<'a>,
    parser: Term<'a>,
    work: impl FnOnce(&mut Session) -> NifResult<Outcome>,
) -> NifResult<Term<'a>> {
    let handle: ResourceArc<ParserHandle> = parser.decode()?;
    let mut state = match lock(env, &handle.0) {
        Ok(state) => state,
        Err(unusable) => return Ok(unusable),
    };
    timing::timed(env, || {
        let outcome = match &mut *state {
            State::Open(session) => work(session)?,
            State::Failed(error) => return Ok(failed(env, error)),
            State::Closed => return Ok(unusable(env, words::closed())),
            State::Interrupted => return Ok(unusable(env, words::interrupted())),
        };
        match &outcome {
            Outcome::Events {
                next: Next::Done, ..
            } => *state = State::Closed,
            Outcome::Failed(error) => *state = State::Failed(error.clone()),
            _ => {}
        }
        Ok(answer(env, outcome, parser))
    })
}

/// Locks a parser or an encoder. Two processes at once, and a call that panicked, are errors: this never waits.
fn lock<'b, 'a, T>(env: Env<'a>, state: &'b Mutex<T>) -> Result<MutexGuard<'b, T>, Term<'a>> {
    state.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => unusable(env, words::busy()),
        TryLockError::Poisoned(_) => unusable(env, words::broken()),
    })
}

/// `{:ok, {status, events, built, parser}}` or an error.
fn answer<'a>(env: Env<'a>, outcome: Outcome, parser: Term<'a>) -> Term<'a> {
    let terms = terms::Terms::new(env);
    let (events, next, built) = match outcome {
        Outcome::Events {
            events,
            next,
            built,
        } => (events, next, built),
        Outcome::Refused(refusal) => return charged_binary::refused(env, &refusal),
        Outcome::Failed(error) => return failed(env, &error),
    };
    let status = match next {
        Next::Input => words::more(),
        Next::Again => words::full(),
        Next::Done => words::done(),
    };
    let batch = (status, terms.wrap(events), terms.wrap(built), parser);
    (atoms::ok(), batch).encode(env)
}

/// `{:error, {kind, {reason, line, column, byte_offset, limit}}}`.
fn failed<'a>(env: Env<'a>, error: &DocumentError) -> Term<'a> {
    let kind = match error.kind {
        ErrorKind::Malformed => words::malformed(),
        ErrorKind::Truncated => words::truncated(),
        ErrorKind::Limit => words::limit(),
        ErrorKind::Encoding => words::encoding(),
        ErrorKind::Internal => words::internal(),
        ErrorKind::Missing => words::missing(),
        ErrorKind::Unsupported => words::unsupported(),
    };
    let limit = error.limit.as_ref().map(|limit| {
        // One of a few names known at compile time.
        let name = rustler::Atom::from_str(env, limit.name);
        (name.ok(), limit.value, limit.seen)
    });
    let place = error.position;
    let details = (
        &error.reason,
        place.line,
        place.column,
        place.byte_offset,
        limit,
    );
    (atoms::error(), (kind, details)).encode(env)
}

fn unusable<'a>(env: Env<'a>, reason: rustler::Atom) -> Term<'a> {
    (atoms::error(), (words::unusable(), reason)).encode(env)
}
