//! Selected elements as trees: recorded on a tape, made terms of at their end tags.
//!
//! A tree is built from the last step of the tape to the first, so a list of children is a list all
//! along, and building can stop at any step: what is built so far then travels through the caller,
//! as the terms of one call cannot be kept for the next.

use super::batch::Batch;
use super::intern::{Interner, RawName};
use super::large::{LARGE, LargeValues, Wait};
use super::terms::{self, RawTerm, Terms};
use bounded_core::charged::ChargedVec;
use bounded_core::quota::Account;
use bounded_core::xml::{
    Attributes, Error, ExceededLimit, Flow, Interest, Name, Parser, Prolog, Selector, Sink, Status,
    StepKind, Tape, TapeStep, TapeStop,
};
use rustler::{NifResult, Term};
use std::borrow::Cow;
use std::sync::Arc;

/// Bytes copied to the tape in one call.
const TAPE_STEP: usize = 256 * 1024;

/// What recording one event counts for, in bytes copied.
const EVENT_BYTES: usize = 24;

/// The state of a selection between calls.
pub struct Selection {
    selector: Selector,
    tape: Tape,
    /// Steps of a finished record still to be read, from the tape's end.
    unread: usize,
    /// Lists of children under construction, of open elements from the outermost. Terms of this call.
    children: ChargedVec<RawTerm>,
    /// The limit that a record went beyond.
    exceeded: Option<ExceededLimit>,
}

impl Selection {
    pub fn new(selector: Selector, max_record_bytes: u64, account: &Arc<Account>) -> Selection {
        Selection {
            selector,
            tape: Tape::new(max_record_bytes, account),
            unread: 0,
            children: ChargedVec::new(account),
            exceeded: None,
        }
    }

    pub fn exceeded(&self) -> Option<ExceededLimit> {
        self.exceeded
    }

    /// Steps still to be built of a finished record.
    pub fn unread(&self) -> usize {
        self.unread
    }
}

/// Records what the parser tells in one call, and builds what is complete.
pub struct RecordSink<'a, 'env> {
    pub terms: Terms<'env>,
    pub interner: &'a mut Interner,
    pub batch: &'a mut Batch,
    pub large: &'a mut LargeValues,
    pub selection: &'a mut Selection,
    /// Attributes of the element that building has come to. A term of this call.
    pub attributes: RawTerm,
}

impl<'env> RecordSink<'_, 'env> {
    /// Goes on building from what the call before gave, then reads on.
    pub fn run(
        &mut self,
        parser: &mut Parser,
        built: Option<Term<'env>>,
    ) -> NifResult<Result<Status, Error>> {
        self.selection.tape.set_budget(TAPE_STEP);
        if let Some(built) = built {
            self.resume(built)?;
        }
        Ok(match self.is_full() {
            true => Ok(Status::Full),
            false => parser.run(self),
        })
    }

    fn resume(&mut self, built: Term<'env>) -> NifResult<()> {
        let mut lists = built.into_list_iterator()?;
        let attributes = lists.next().ok_or(rustler::Error::BadArg)?;
        self.attributes = attributes.as_c_arg();
        self.selection.children.clear();
        for list in lists {
            // There is room since building began.
            let added = self.selection.children.push(list.as_c_arg());
            added.map_err(|_| rustler::Error::BadArg)?;
        }
        self.build();
        Ok(())
    }

    /// What is built so far, for `run`: the attributes, then the lists from the outermost on.
    pub fn suspended(&self) -> RawTerm {
        let children = self.terms.list(&self.selection.children);
        self.terms.cell(self.attributes, children)
    }

    fn build(&mut self) {
        if self.selection.children.is_empty() {
            let room = self.selection.tape.deepest();
            if let Err(refusal) = self.selection.children.reserve(room) {
                return self.batch.wait(refusal.into());
            }
        }
        while self.selection.unread > 0 {
            if self.batch.is_full() {
                return;
            }
            if let Err(wait) = self.build_step() {
                return self.batch.wait(wait);
            }
        }
        self.selection.tape.clear();
    }

    /// Reads the last unread step, an attribute's name along with its value.
    fn build_step(&mut self) -> Result<(), Wait> {
        let Selection { tape, unread, .. } = &*self.selection;
        let (last, unread) = (*unread - 1, *unread);
        let Some(&step) = tape.step(last) else {
            self.selection.unread = 0;
            return Ok(());
        };
        match step.kind {
            StepKind::Close => {
                self.selection.children.push(self.terms.empty_list)?;
                self.batch.count(1, 0);
            }
            StepKind::Text => {
                let text = self.text(&step)?;
                self.add_child(text);
            }
            StepKind::SkippedEntity => {
                let name = self.string(&step)?;
                let tag = terms::skipped_entity().as_c_arg();
                self.add_child(self.terms.tuple([tag, name]));
            }
            StepKind::AttributeValue | StepKind::AttributeName => {
                if let Some(&name) = self.selection.tape.step(last.wrapping_sub(1)) {
                    let pair = self.attribute(&name, &step)?;
                    self.attributes = self.terms.cell(pair, self.attributes);
                }
                self.batch.count(1, 0);
                self.selection.unread = unread - 2;
                return Ok(());
            }
            StepKind::Open => {
                let children = self.selection.children.pop();
                let children = children.unwrap_or(self.terms.empty_list);
                let name = self.name(&step);
                let element = self.terms.tuple([name, self.attributes, children]);
                self.attributes = self.terms.empty_list;
                if self.selection.children.is_empty() {
                    self.batch.push(element);
                } else {
                    self.add_child(element);
                }
            }
        }
        self.selection.unread = last;
        Ok(())
    }

    fn add_child(&mut self, child: RawTerm) {
        self.batch.count(1, 0);
        if let Some(list) = self.selection.children.last_mut() {
            *list = self.terms.cell(child, *list);
        }
    }

    fn text(&mut self, step: &TapeStep) -> Result<RawTerm, Wait> {
        match self.selection.tape.whole(step) {
            Some(text) if text.len() <= LARGE => {
                self.batch.count(0, text.len());
                Ok(self.interner.text(&self.terms, text))
            }
            _ => self.string(step),
        }
    }

    fn attribute(&mut self, name: &TapeStep, value: &TapeStep) -> Result<RawTerm, Wait> {
        let RecordSink {
            selection,
            interner,
            terms,
            ..
        } = self;
        match selection.tape.whole(value) {
            Some(value) if value.len() <= LARGE => {
                self.batch.count(0, value.len());
                let pair = |name: RawName<'_>| interner.attribute(terms, name, value);
                Ok(with_name(&selection.tape, name, pair))
            }
            _ => {
                let (value, name) = (self.string(value)?, self.name(name));
                Ok(self.terms.tuple([name, value]))
            }
        }
    }

    /// A string of any length, wherever it lies.
    fn string(&mut self, step: &TapeStep) -> Result<RawTerm, Wait> {
        let tape = &self.selection.tape;
        if step.len() > LARGE {
            self.large
                .fill(0, step.len(), |offset| tape.text(step, offset))?;
            if let Some(term) = self.large.take(&self.terms) {
                return Ok(term);
            }
        }
        self.batch.count(0, step.len());
        Ok(self.terms.binary_from(step.len(), tape.text(step, 0)))
    }

    fn name(&mut self, step: &TapeStep) -> RawTerm {
        let RecordSink {
            selection,
            interner,
            terms,
            ..
        } = self;
        with_name(&selection.tape, step, |name| interner.name(terms, name))
    }

    /// What the tape's answer means for the parser.
    fn flow(&mut self, recorded: Result<(), TapeStop>) -> Flow {
        match recorded {
            Ok(()) => {
                self.batch.count(0, EVENT_BYTES);
                return Flow::Taken;
            }
            Err(TapeStop::Refused(refusal)) => self.batch.wait(Wait::Refused(refusal)),
            Err(TapeStop::Paused) => self.batch.wait(Wait::Paused),
            Err(TapeStop::TooLarge(seen)) => {
                self.selection.exceeded = Some(ExceededLimit {
                    name: "max_record_bytes",
                    value: self.selection.tape.limit(),
                    seen,
                });
                self.batch.wait(Wait::Paused);
            }
        }
        Flow::Again
    }
}

impl Sink for RecordSink<'_, '_> {
    const SELECTS: bool = true;

    fn start_document(&mut self, _prolog: &Prolog<'_>) -> Flow {
        Flow::Taken
    }

    #[inline]
    fn interest(&mut self, name: &Name<'_>) -> Interest {
        self.selection.selector.interest(name)
    }

    #[inline]
    fn context(&self) -> u64 {
        self.selection.selector.context()
    }

    #[inline]
    fn start_element(&mut self, name: Name<'_>, attributes: &Attributes<'_>) -> Flow {
        if self.batch.is_full() {
            return Flow::Again;
        }
        let selection = &mut *self.selection;
        if !selection.tape.is_recording() && !selection.selector.is_selected() {
            return match selection.selector.enter() {
                Ok(()) => Flow::Taken,
                Err(refusal) => self.flow(Err(refusal.into())),
            };
        }
        let recorded = selection.tape.open(&name, attributes);
        self.flow(recorded)
    }

    #[inline]
    fn end_element(&mut self, _name: Name<'_>) -> Flow {
        if self.batch.is_full() {
            return Flow::Again;
        }
        if !self.selection.tape.is_recording() {
            self.selection.selector.leave();
            return Flow::Taken;
        }
        match self.selection.tape.close() {
            Ok(true) => {
                self.selection.unread = self.selection.tape.len();
                self.build();
                Flow::Taken
            }
            Ok(false) => Flow::Taken,
            Err(stop) => self.flow(Err(stop)),
        }
    }

    #[inline]
    fn characters(&mut self, text: &str) -> Flow {
        if self.batch.is_full() {
            return Flow::Again;
        }
        let recorded = self.selection.tape.characters(text);
        self.flow(recorded)
    }

    fn skipped_entity(&mut self, name: &str) -> Flow {
        if self.batch.is_full() {
            return Flow::Again;
        }
        let recorded = self.selection.tape.skipped_entity(name);
        self.flow(recorded)
    }

    fn end_document(&mut self) -> Flow {
        Flow::Taken
    }

    #[inline]
    fn is_full(&self) -> bool {
        self.batch.is_full() || self.selection.unread > 0
    }
}

/// What `make` makes of the name of a step.
#[inline(always)]
fn with_name(tape: &Tape, step: &TapeStep, make: impl FnOnce(RawName<'_>) -> RawTerm) -> RawTerm {
    let local = match tape.known_name(step) {
        Some(local) => Cow::Borrowed(local),
        None => joined(tape.text(step, 0)),
    };
    let namespace = step.namespace().and_then(|index| tape.namespace(index));
    let namespace = namespace.map(|(id, uri)| (id, joined(uri)));
    make(RawName {
        id: step.id,
        local: &local,
        namespace: namespace.as_ref().map(|(id, uri)| (*id, &**uri)),
    })
}

/// What lies in one block of the tape, but for one in thousands.
fn joined<'a>(mut slices: impl Iterator<Item = &'a [u8]>) -> Cow<'a, [u8]> {
    let first = slices.next().unwrap_or_default();
    match slices.next() {
        None => Cow::Borrowed(first),
        Some(second) => {
            let mut all = [first, second].concat();
            slices.for_each(|slice| all.extend_from_slice(slice));
            Cow::Owned(all)
        }
    }
}
