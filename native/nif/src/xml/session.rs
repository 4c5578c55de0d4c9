//! One document being read: a parser, and what makes terms of its events.

use crate::xml::batch::Batch;
use crate::xml::config::{self, Config};
use crate::xml::events::EventSink;
use crate::xml::intern::Interner;
use crate::xml::large::LargeValues;
use crate::xml::long_tag::LongTag;
use crate::xml::records::{RecordSink, Selection};
use crate::xml::terms::{RawTerm, Terms};
use crate::xml::values::Values;
use bounded_core::arena::account::{Account, Kind, Refusal, Reservation};
use bounded_core::xml::{DocumentError, Error, ErrorKind, Parser, Position, Status};
use rustler::{Env, NifResult, Term};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// What the session can do next.
pub enum Next {
    /// Read more input.
    Input,
    /// Go on without any.
    Again,
    /// Nothing: the document is complete.
    Done,
}

/// What one call came to.
pub enum Outcome {
    /// A list of events, perhaps empty, and what is built of something unfinished, for the next call.
    Events {
        events: RawTerm,
        next: Next,
        built: RawTerm,
    },
    /// No event, and no memory: the same can be tried again.
    Refused(Refusal),
    /// No event: the document is at fault.
    Failed(Box<DocumentError>),
}

pub struct Session {
    parser: Parser,
    interner: Interner,
    large: LargeValues,
    long_tag: LongTag,
    selection: Option<Box<Selection>>,
    /// Charges the session itself, whatever it reads. Last, so that it is given back after the memory is.
    _fixed: Reservation,
}

/// Bytes that a session takes before it has read anything.
fn fixed_bytes(selects: bool) -> u64 {
    let selection = if selects {
        allocated(size_of::<Selection>())
    } else {
        0
    };
    (allocated(size_of::<Session>()) + selection) as u64
}

/// What mimalloc takes for `size` bytes: its size classes are four to a doubling.
fn allocated(size: usize) -> usize {
    size.next_multiple_of((size.next_power_of_two() / 8).max(8))
}

impl Session {
    /// A session with a path unless that is nil, or the refusal of what it takes before it has read anything.
    pub fn new(
        config: Config,
        path: Term,
        account: &Arc<Account>,
    ) -> NifResult<Result<Session, Refusal>> {
        let selects = !path.is_atom();
        let fixed = match Reservation::new(account, Kind::Native, fixed_bytes(selects)) {
            Ok(fixed) => fixed,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let selection = match selects {
            true => {
                let selector = config::selector(path)?;
                let limit = config.max_record_bytes();
                Some(Box::new(Selection::new(selector, limit, account)))
            }
            false => None,
        };
        Ok(Ok(Session {
            interner: Interner::new(config.namespaces(), account),
            large: LargeValues::new(account),
            long_tag: LongTag::default(),
            selection,
            parser: Parser::new(config.into_options(), account),
            _fixed: fixed,
        }))
    }

    pub fn position(&mut self) -> Position {
        self.parser.position()
    }

    /// A number that differs as soon as anything moved: in the parser, or in an event that takes several calls.
    pub fn progress(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let records = self.selection.as_ref().map(|it| it.tree.progress());
        let within = (self.large.written(), self.long_tag.unbuilt(), records);
        (self.parser.progress(), within).hash(&mut hasher);
        hasher.finish()
    }

    /// Takes `chunk`, then reads on, given what the call before built. Refused, it took nothing.
    pub fn feed<'env>(
        &mut self,
        env: Env<'env>,
        chunk: &[u8],
        last: bool,
        built: Option<Term<'env>>,
    ) -> NifResult<Outcome> {
        if !chunk.is_empty() {
            match self.parser.feed(chunk) {
                Ok(()) => {}
                Err(Error::Refused(refusal)) => return Ok(Outcome::Refused(refusal)),
                Err(Error::Document(error)) => return Ok(Outcome::Failed(error)),
            }
        }
        if last {
            self.parser.finish();
        }
        self.run(env, built, chunk.is_empty())
    }

    /// One call's share of work. `repeatable` says that nothing was taken yet: only then may a refusal
    /// be answered by the same call again.
    fn run<'env>(
        &mut self,
        env: Env<'env>,
        built: Option<Term<'env>>,
        mut repeatable: bool,
    ) -> NifResult<Outcome> {
        let terms = Terms::new(env);
        let mut batch = Batch::new();
        self.interner.begin_call();
        self.large.begin_call();
        let unbuilt = self.long_tag.unbuilt();
        let mut built = built.map_or(terms.empty_list, |built| built.as_c_arg());
        if unbuilt > 0 {
            let (tag, rest) = terms.uncons(built).ok_or(rustler::Error::BadArg)?;
            self.long_tag.resume(tag);
            built = rest;
        }
        let values = Values {
            terms,
            interner: &mut self.interner,
            batch: &mut batch,
            large: &mut self.large,
            long_tag: &mut self.long_tag,
        };
        let status = match &mut self.selection {
            None => self.parser.run(&mut EventSink {
                values,
                place: None,
            }),
            Some(selection) => {
                selection.tree.resume(&terms, built);
                let status = self.parser.run(&mut RecordSink { values, selection });
                if selection.tree.is_broken() {
                    return Err(rustler::Error::BadArg);
                }
                repeatable &= !selection.tree.is_touched();
                built = selection.tree.suspend(&terms);
                status
            }
        };
        if self.long_tag.unbuilt() > 0 {
            repeatable &= self.long_tag.unbuilt() == unbuilt;
            built = terms.cell(self.long_tag.built(), built);
        }
        if batch.is_empty()
            && let Some(stopped) = self.stopped(&status, batch.refusal(), repeatable)
        {
            return Ok(stopped);
        }
        Ok(Outcome::Events {
            events: batch.list(&terms),
            next: match status {
                Ok(Status::NeedInput) => Next::Input,
                Ok(Status::Done) => Next::Done,
                Ok(Status::Full) | Err(_) => Next::Again,
            },
            built,
        })
    }

    /// What a call without events ends with, unless it is worth going on.
    fn stopped(
        &mut self,
        status: &Result<Status, Error>,
        refusal: Option<Refusal>,
        repeatable: bool,
    ) -> Option<Outcome> {
        let exceeded = self.selection.as_ref().and_then(|it| it.exceeded());
        match (exceeded, status, refusal) {
            (Some(exceeded), ..) => Some(Outcome::Failed(Box::new(DocumentError {
                kind: ErrorKind::Limit,
                reason: format!(
                    "{} is {}, and a selected element has {} or more",
                    exceeded.name, exceeded.value, exceeded.seen
                ),
                position: self.parser.position(),
                limit: Some(exceeded),
            }))),
            (_, Err(Error::Document(error)), _) => Some(Outcome::Failed(error.clone())),
            (_, Err(Error::Refused(refusal)), _) if repeatable => Some(Outcome::Refused(*refusal)),
            (_, Ok(_), Some(refusal)) if repeatable => Some(Outcome::Refused(refusal)),
            _ => None,
        }
    }
}
