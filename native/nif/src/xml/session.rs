//! One document being read: a parser, and what makes terms of its events.

use crate::xml::batch::Batch;
use crate::xml::config::Config;
use crate::xml::events::EventSink;
use crate::xml::intern::Interner;
use crate::xml::large::LargeValues;
use crate::xml::long_tag::LongTag;
use crate::xml::select::fields::{Fault, FieldSink, Fields};
use crate::xml::select::plan::Plan;
use crate::xml::select::records::{RecordSink, Selection};
use crate::xml::terms::{RawTerm, Terms};
use crate::xml::values::Values;
use bounded_core::arena::account::{Account, Kind, Refusal, Reservation};
use bounded_core::xml::{DocumentError, Error, ErrorKind, Parser, Position, Status};
use rustler::{Env, NifResult, Term};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// The state of the session after a call.
pub enum Next {
    /// Read more input.
    Input,
    /// Go on without any.
    Again,
    /// Nothing: the document is complete.
    Done,
}

/// The result of one call.
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
    /// What it makes of elements besides trees.
    fields: Option<Box<Fields>>,
    /// The charge of the session itself. The last field, so that it is refunded after the memory is freed.
    _fixed: Reservation,
}

/// Bytes that a session takes before it has read anything.
fn fixed_bytes(plan: Option<&Plan>) -> u64 {
    let selection = match plan {
        None => 0,
        Some(plan) if plan.is_trees() => allocated(size_of::<Selection>()) as u64,
        Some(plan) => allocated(size_of::<Selection>()) as u64 + plan.bytes() + Fields::bytes(plan),
    };
    allocated(size_of::<Session>()) as u64 + selection
}

/// The bytes that mimalloc allocates for `size` bytes: it has four size classes for each doubling.
fn allocated(size: usize) -> usize {
    size.next_multiple_of((size.next_power_of_two() / 8).max(8))
}

impl Session {
    /// A session with paths unless they are nil, or the refusal of what it takes before it has read anything.
    pub fn new(
        config: Config,
        paths: Term,
        account: &Arc<Account>,
    ) -> NifResult<Result<Session, Refusal>> {
        let plan = match paths.is_atom() {
            true => None,
            false => Some(Plan::new(paths)?),
        };
        let bytes = fixed_bytes(plan.as_ref());
        let fixed = match Reservation::new(account, Kind::Native, bytes) {
            Ok(fixed) => fixed,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let limits = config.record_limits();
        let mut options = config.options();
        // Positions of records are part of the plan.
        options.positions &= plan.is_none();
        let fields = plan.as_ref().filter(|plan| !plan.is_trees()).map(|plan| {
            options.tag_positions = plan.needs_positions();
            options.raw = plan.has_raw();
            options.end_offsets = plan.extras.byte_offsets;
            Box::new(Fields::new(plan, limits, account))
        });
        let selection = plan.map(|plan| Box::new(Selection::new(plan, limits, account)));
        Ok(Ok(Session {
            interner: Interner::new(config.namespaces(), account),
            large: LargeValues::new(account),
            long_tag: LongTag::default(),
            selection,
            fields,
            parser: Parser::new(options, account),
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
        let fields = self.fields.as_ref().map(|it| it.progress());
        let within = (
            self.large.written(),
            self.long_tag.unbuilt(),
            records,
            fields,
        );
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
        let status = match (&mut self.selection, &mut self.fields) {
            (None, _) => self.parser.run(&mut EventSink {
                values,
                place: None,
            }),
            (Some(selection), Some(fields)) => {
                let (tree, making) = match fields.is_making() {
                    true => (terms.empty_list, built),
                    false => (built, terms.empty_list),
                };
                selection.tree.resume(&terms, tree);
                fields.resume(&selection.plan, &terms, making);
                let mut sink = FieldSink {
                    records: RecordSink { values, selection },
                    fields,
                };
                let status = self.parser.run(&mut sink);
                if selection.tree.is_broken() || fields.is_broken() {
                    return Err(rustler::Error::BadArg);
                }
                repeatable &= !selection.tree.is_touched() && !fields.is_touched();
                built = match fields.is_making() {
                    true => fields.suspend(&selection.plan, &terms),
                    false => selection.tree.suspend(&terms),
                };
                status
            }
            (Some(selection), None) => {
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

    /// The result of a call without events, unless it should continue.
    fn stopped(
        &mut self,
        status: &Result<Status, Error>,
        refusal: Option<Refusal>,
        repeatable: bool,
    ) -> Option<Outcome> {
        match (self.fault(), status, refusal) {
            (Some(fault), ..) => Some(Outcome::Failed(Box::new(fault))),
            (_, Err(Error::Document(error)), _) => Some(Outcome::Failed(error.clone())),
            (_, Err(Error::Refused(refusal)), _) if repeatable => Some(Outcome::Refused(*refusal)),
            (_, Ok(_), Some(refusal)) if repeatable => Some(Outcome::Refused(refusal)),
            _ => None,
        }
    }

    /// Why a record cannot be made.
    fn fault(&self) -> Option<DocumentError> {
        let selection = self.selection.as_ref()?;
        let fields = self.fields.as_ref();
        let mut exceeded = match fields.and_then(|it| it.fault()) {
            Some(Fault::Missing(field)) => {
                let position = fields.map(|it| it.position());
                let required = selection.plan.fields.get(field);
                let name = required.and_then(|field| field.required.as_deref());
                return Some(DocumentError {
                    kind: ErrorKind::Missing,
                    reason: format!(
                        "the selected element has no {}, which is required",
                        name.unwrap_or_default()
                    ),
                    position: position.unwrap_or(self.parser.position()),
                    limit: None,
                });
            }
            Some(Fault::Exceeded(exceeded)) => exceeded,
            None => selection.exceeded()?,
        };
        let mut position = self.parser.position();
        if let (Some(fields), true) = (fields, selection.plan.has_raw()) {
            // How far it got depends on where the document is cut.
            position = fields.position();
            exceeded.seen = exceeded.value.saturating_add(1);
        }
        Some(DocumentError {
            kind: ErrorKind::Limit,
            reason: format!(
                "{} is {}, and a selected element has {} or more",
                exceeded.name, exceeded.value, exceeded.seen
            ),
            position,
            limit: Some(exceeded),
        })
    }
}
