//! One document being read: a parser, and what makes terms of its events.

use super::batch::Batch;
use super::config::{self, Config, PathStep};
use super::events::EventSink;
use super::intern::Interner;
use super::large::LargeValues;
use super::long_tag::LongTag;
use super::records::{RecordSink, Selection};
use super::spaces::Spaces;
use super::terms::{RawTerm, Terms};
use bounded_core::quota::{Account, Refusal};
use bounded_core::xml::{DocumentError, Error, ErrorKind, Parser, Position, Status};
use rustler::{Env, NifResult, Term};
use std::sync::Arc;

/// What the session can do next.
pub enum Next {
    /// Read more input.
    Input,
    /// Go on without any.
    Again,
    /// Go on building a record or a tag, given what is built so far.
    Build(RawTerm),
    /// Nothing: the document is complete.
    Done,
}

/// What one call came to.
pub enum Outcome {
    /// A list of events, perhaps empty.
    Events(RawTerm, Next),
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
}

impl Session {
    pub fn new(
        config: Config,
        path: Option<Vec<PathStep>>,
        account: &Arc<Account>,
    ) -> NifResult<Session> {
        let selection = match path {
            Some(path) => {
                let selector = config::selector(path, account)?;
                let selection = Selection::new(selector, config.max_record_bytes(), account);
                Some(Box::new(selection))
            }
            None => None,
        };
        Ok(Session {
            interner: Interner::new(config.namespaces(), account),
            large: LargeValues::new(account),
            long_tag: LongTag::default(),
            selection,
            parser: Parser::new(config.into_options(), account),
        })
    }

    pub fn position(&mut self) -> Position {
        self.parser.position()
    }

    /// Takes `chunk`, then reads on. Refused, it took nothing.
    pub fn feed(&mut self, env: Env, chunk: &[u8], last: bool) -> NifResult<Outcome> {
        if self.unread() > 0 {
            return Err(rustler::Error::BadArg);
        }
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
        self.run(env, None, chunk.is_empty())
    }

    /// Goes on building a record or a tag, then reads on. Refused, it did nothing.
    pub fn build<'env>(&mut self, env: Env<'env>, built: Term<'env>) -> NifResult<Outcome> {
        if self.unread() == 0 || !built.is_list() {
            return Err(rustler::Error::BadArg);
        }
        self.run(env, Some(built), true)
    }

    /// What is left to be built before anything is read: steps of a record, or attributes of a tag.
    fn unread(&self) -> usize {
        match &self.selection {
            Some(selection) => selection.unread(),
            None => self.long_tag.unbuilt(),
        }
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
        let mut next = None;
        let unread = self.unread();
        let status = match &mut self.selection {
            None => {
                if let Some(built) = built {
                    self.long_tag.resume(built.as_c_arg());
                }
                let status = self.parser.run(&mut EventSink {
                    terms,
                    interner: &mut self.interner,
                    batch: &mut batch,
                    large: &mut self.large,
                    long_tag: &mut self.long_tag,
                    place: None,
                });
                if self.long_tag.unbuilt() > 0 {
                    next = Some(Next::Build(self.long_tag.built()));
                    repeatable &= self.long_tag.unbuilt() == unread;
                }
                status
            }
            Some(selection) => {
                let mut sink = RecordSink {
                    terms,
                    interner: &mut self.interner,
                    batch: &mut batch,
                    large: &mut self.large,
                    selection,
                    spaces: Spaces::new(),
                    attributes: terms.empty_list,
                };
                let status = sink.run(&mut self.parser, built)?;
                if sink.selection.unread() > 0 {
                    next = Some(Next::Build(sink.suspended()));
                    repeatable &= sink.selection.unread() == unread;
                }
                status
            }
        };
        if batch.is_empty()
            && let Some(stopped) = self.stopped(&status, batch.refusal(), repeatable)
        {
            return Ok(stopped);
        }
        let next = next.unwrap_or(match status {
            Ok(Status::NeedInput) => Next::Input,
            Ok(Status::Done) => Next::Done,
            Ok(Status::Full) | Err(_) => Next::Again,
        });
        Ok(Outcome::Events(batch.list(&terms), next))
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
