//! Values that are made into terms as soon as they are read: most of them.
//!
//! A field that has one value gets it at once, from the text of the document, if that is short and part of no other value. Terms are
//! valid in one call: those of a record that is open when the call ends go to the next one through the caller. What is long, comes
//! in pieces or is in a list goes through the journal.

use crate::xml::select::fields::{End, Fault, FieldSink, Fields, Mode};
use crate::xml::select::journal::{Entry, What};
use crate::xml::select::plan::{Action, Plan, Record};
use crate::xml::select::records::RecordSink;
use crate::xml::terms::{self, Terms};
use crate::xml::values::Values;
use bounded_core::arena::account::Refusal;
use bounded_core::xml::{Attributes, Flow, Name};

/// Longer values go through the journal, whose memory is charged.
const SHORT: usize = 1024;

/// The text of a field that becomes a term at once: it is the only one that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaf {
    None,
    /// Nothing of it was read yet.
    Open(usize),
    /// It was made of what was read so far.
    Made(usize),
}

impl Fields {
    /// Makes the value of a field.
    #[inline(always)]
    pub(super) fn make_value(&mut self, field: usize, bytes: &[u8], values: &mut Values<'_, '_>) {
        let score = &mut self.scores[field];
        let made = values.interner.field(&values.terms, field, bytes, score);
        values.batch.count(1, bytes.len());
        self.make.set(field, made);
    }

    /// Whether such a value may be made now.
    #[inline(always)]
    pub(super) fn is_short(&self, bytes: &[u8], values: &Values<'_, '_>) -> bool {
        bytes.len() <= SHORT && !values.batch.is_full()
    }

    /// Takes a short attribute. False: the journal takes it, or it has to wait.
    #[inline(always)]
    fn take_short(
        &mut self,
        plan: &Plan,
        index: usize,
        attributes: &Attributes<'_>,
        values: &mut Values<'_, '_>,
    ) -> bool {
        let field = &plan.fields[index];
        if !field.is_single || !self.is_open(field.root) {
            return false;
        }
        if self.found[index] {
            return true;
        }
        let Some(value) = field.find(attributes) else {
            return true;
        };
        if !self.is_short(value, values) || self.size.add(value.len(), 1).is_err() {
            return false;
        }
        self.make_value(index, value, values);
        self.found[index] = true;
        self.marks |= field.mark;
        true
    }

    /// Begins to take the text of an element. False: the journal takes it, or it has to wait.
    #[inline(always)]
    fn open_leaf(&mut self, plan: &Plan, index: usize) -> bool {
        let field = &plan.fields[index];
        if !field.is_single || !self.is_open(field.root) {
            return false;
        }
        if self.found[index] {
            return true;
        }
        if self.open_texts > 0 || self.ends.reserve(1).is_err() || self.size.add(0, 1).is_err() {
            return false;
        }
        // There is room.
        let _ = self.ends.push((self.depth + 1, End::Leaf));
        self.leaf = Leaf::Open(index);
        self.open_texts = 1;
        self.found[index] = true;
        self.marks |= field.mark;
        true
    }

    /// The text that is open ends.
    #[inline(always)]
    pub(super) fn end_leaf(&mut self, values: &mut Values<'_, '_>) {
        if let Leaf::Open(field) = self.leaf {
            self.make_value(field, b"", values);
        }
        self.leaf = Leaf::None;
    }

    /// The text that is open goes through the journal, with what was read of it.
    #[cold]
    pub(super) fn journal_leaf(&mut self, terms: &Terms) -> Result<(), Refusal> {
        let (field, read) = match self.leaf {
            Leaf::None => return Ok(()),
            Leaf::Open(field) => (field, None),
            Leaf::Made(field) => (field, terms.bytes(self.make.value(field))),
        };
        let (entry, start) = (self.journal.len(), self.texts.len());
        self.journal.push(Entry {
            what: What::Text,
            index: field as u32,
            start: start as u32,
            end: start as u32,
        })?;
        let mut rest = read.unwrap_or_default();
        while !rest.is_empty() {
            match self.texts.extend(rest) {
                Ok(count) => rest = &rest[count..],
                Err(refusal) => {
                    self.texts.truncate(start);
                    self.journal.truncate(entry);
                    return Err(refusal);
                }
            }
        }
        let mut ends = self.ends.iter_mut().rev();
        if let Some((_, end)) = ends.find(|(_, end)| *end == End::Leaf) {
            *end = End::Text(entry);
        }
        self.make.set(field, terms::nil().as_c_arg());
        self.leaf = Leaf::None;
        Ok(())
    }
}

impl FieldSink<'_, '_> {
    /// Takes the hits of a tag up to one that has to wait or goes through the journal; returns how many it took.
    #[inline(always)]
    pub(super) fn take_hits(&mut self, attributes: &Attributes<'_>) -> usize {
        let fields = &mut *self.fields;
        let RecordSink { values, selection } = &mut self.records;
        let plan = &selection.plan;
        let hits = plan.selector.hits();
        for (taken, &hit) in hits.iter().enumerate() {
            let is_taken = match plan.actions.get(hit as usize) {
                Some(&Action::Attribute(index)) => {
                    fields.take_short(plan, index, attributes, values)
                }
                Some(&Action::Text(index)) => fields.open_leaf(plan, index),
                Some(&Action::Record(index)) if fields.mode == Mode::Outside => {
                    let is_plain = |record: &Record| record.around.is_empty();
                    plan.records.get(index).is_some_and(is_plain)
                        && fields.take_record(plan, index).is_ok()
                }
                _ => false,
            };
            if !is_taken {
                return taken;
            }
        }
        hits.len()
    }

    /// Takes an element in which there is only this text, if it is one field and nothing else.
    #[inline(always)]
    pub(super) fn take_leaf(
        &mut self,
        name: &Name<'_>,
        attributes: &Attributes<'_>,
        context: u64,
        text: &[u8],
    ) -> bool {
        let fields = &mut *self.fields;
        let RecordSink { values, selection } = &mut self.records;
        let plan = &mut selection.plan;
        // An earlier call may have taken a part of this tag.
        if fields.capture.is_entering() || !fields.is_short(text, values) {
            return false;
        }
        plan.selector.enter(name, attributes, context);
        let &[hit] = plan.selector.hits() else {
            return false;
        };
        let Some(&Action::Text(index)) = plan.actions.get(hit as usize) else {
            return false;
        };
        let field = &plan.fields[index];
        if !field.is_single || !fields.is_open(field.root) || fields.open_texts > 0 {
            return false;
        }
        if fields.found[index] {
            return true;
        }
        if fields.size.add(text.len(), 1).is_err() {
            return false;
        }
        fields.make_value(index, text, values);
        fields.found[index] = true;
        fields.marks |= field.mark;
        true
    }

    /// Takes a piece of the text that is open. `None`: it goes through the journal.
    #[inline(always)]
    pub(super) fn leaf_text(&mut self, text: &[u8]) -> Option<Flow> {
        let fields = &mut *self.fields;
        let values = &mut self.records.values;
        match fields.leaf {
            Leaf::None => return None,
            Leaf::Open(field) if fields.is_short(text, values) => {
                if let Err(exceeded) = fields.size.add(text.len(), 0) {
                    return Some(self.fault(Fault::Exceeded(exceeded)));
                }
                fields.make_value(field, text, values);
                fields.leaf = Leaf::Made(field);
                return Some(Flow::Accepted);
            }
            _ => {}
        }
        let terms = values.terms;
        match fields.journal_leaf(&terms) {
            Ok(()) => None,
            Err(refusal) => Some(self.wait(refusal)),
        }
    }
}
