//! Takes what is asked for of an element whose tag was read.

use crate::xml::large::Wait;
use crate::xml::select::fields::direct::Leaf;
use crate::xml::select::fields::{End, Fault, FieldSink, Fields, Mode, Stop};
use crate::xml::select::journal::{Entry, What};
use crate::xml::select::plan::{Action, Field, Plan};
use bounded_core::arena::account::Refusal;
use bounded_core::arena::chunked_buf::ChunkedBuf;
use bounded_core::xml::{Attributes, ExceededLimit, Flow, Name};

/// Copied of a value in one call, before others have their turn.
const STEP: usize = 64 * 1024;

/// How far the tag has got that is being entered: each hit is taken once, however often the tag is passed.
#[derive(Debug, Default)]
pub struct Progress {
    entering: bool,
    /// The context in it.
    within: u64,
    /// How many hits were taken, of two rounds: first what does not open records, then the rest.
    taken: usize,
    /// Bytes of a value, or of a text's piece, that were copied.
    copied: usize,
    /// A value was taken that is a record, which is being made.
    making: bool,
    done: u64,
}

impl Progress {
    pub fn done(&self) -> u64 {
        self.done
    }

    /// Whether a tag was passed of which not all was taken.
    #[inline(always)]
    pub fn is_entering(&self) -> bool {
        self.entering
    }

    pub fn copied(&self) -> usize {
        self.copied
    }

    pub fn copy(&mut self, count: usize) {
        self.copied += count;
        self.done += count as u64;
    }

    /// Copies what is left of `value` to the end of `buffer`. Pauses after a step.
    #[inline]
    pub fn copy_to(&mut self, buffer: &mut ChunkedBuf, value: &[u8]) -> Result<(), Stop> {
        if self.copied == 0 {
            self.copy(buffer.extend(value)?);
        }
        match self.copied < value.len() {
            true => self.copy_rest(buffer, value),
            false => Ok(()),
        }
    }

    #[cold]
    fn copy_rest(&mut self, buffer: &mut ChunkedBuf, value: &[u8]) -> Result<(), Stop> {
        let mut step = 0;
        while self.copied < value.len() {
            if step >= STEP {
                return Err(Stop::Wait(Wait::Paused));
            }
            let count = buffer.extend(&value[self.copied..])?;
            self.copy(count);
            step += count;
        }
        Ok(())
    }

    pub fn end_copy(&mut self) {
        self.copied = 0;
    }

    /// All of the tag was taken; returns the context in its element.
    pub fn finish(&mut self) -> u64 {
        self.entering = false;
        self.within
    }
}

impl FieldSink<'_, '_> {
    /// Takes the hits of a tag in this context. False: not all of them yet.
    pub(super) fn enter(
        &mut self,
        name: &Name<'_>,
        attributes: &Attributes<'_>,
        context: u64,
    ) -> bool {
        if !self.fields.capture.entering {
            let plan = &mut self.records.selection.plan;
            let within = plan.selector.enter(name, attributes, context);
            self.fields.capture.entering = true;
            self.fields.capture.within = within;
            let count = plan.selector.hits().len();
            self.fields.capture.taken = 0;
            if !plan.has_first_round {
                let taken = self.take_hits(attributes);
                if taken == count {
                    return true;
                }
                self.fields.capture.taken = count + taken;
            }
        }
        self.take_rest(name, attributes)
    }

    /// Takes the hits of a tag that were not taken yet.
    #[inline(never)]
    fn take_rest(&mut self, name: &Name<'_>, attributes: &Attributes<'_>) -> bool {
        let count = self.records.selection.plan.selector.hits().len();
        for taken in self.fields.capture.taken..2 * count {
            let index = taken.checked_sub(count).unwrap_or(taken);
            let hit = self.records.selection.plan.selector.hits()[index];
            if !self.take(hit, taken >= count, name, attributes) {
                self.fields.capture.done += (taken - self.fields.capture.taken) as u64;
                self.fields.capture.taken = taken;
                return false;
            }
        }
        true
    }

    fn take(
        &mut self,
        hit: u32,
        second: bool,
        name: &Name<'_>,
        attributes: &Attributes<'_>,
    ) -> bool {
        let plan = &self.records.selection.plan;
        let Some(&action) = plan.actions.get(hit as usize) else {
            return true;
        };
        let fields = &mut *self.fields;
        let values = &mut self.records.values;
        let is_outside = fields.mode == Mode::Outside;
        if matches!(action, Action::Text(_)) && fields.leaf != Leaf::None {
            // It is in another one.
            let result = fields.journal_leaf(&values.terms);
            if let Err(refusal) = result {
                return self.is_taken(Err(refusal.into()));
            }
        }
        let (entries, bytes) = (fields.journal.len(), fields.size.bytes());
        let result = match action {
            Action::Text(field) if second => fields.take_text(plan, field),
            Action::Raw(field) if second => fields.take_raw(plan, field),
            Action::Attribute(field) if second => fields.take_attribute(plan, field, attributes),
            Action::Record(record) if second && is_outside => fields.take_record(plan, record),
            Action::Inner(record) if second => fields.take_inner(plan, record),
            Action::Around(slot) if !second && is_outside => {
                fields.take_around(plan, slot, attributes)
            }
            Action::Value(record) if !second && is_outside => {
                return self.take_value(record, attributes);
            }
            Action::Tree(path) if second && is_outside => {
                self.records.selection.path = path;
                if self.records.start_record(name, attributes) == Flow::Retry {
                    return false;
                }
                self.fields.position = self.fields.tag_position;
                self.fields.mode = Mode::Tree;
                return true;
            }
            _ => Ok(()),
        };
        if result.is_err() && fields.capture.copied == 0 {
            // As if it had not been tried.
            fields.journal.truncate(entries);
            fields.size.go_back(bytes);
        }
        self.is_taken(result)
    }

    fn is_taken(&mut self, result: Result<(), Stop>) -> bool {
        let _ = match result {
            Ok(()) => return true,
            Err(Stop::Wait(wait)) => self.wait(wait),
            Err(Stop::Fault(fault)) => self.fault(fault),
        };
        false
    }

    /// An attribute that is a record, which is made at once.
    #[inline(never)]
    fn take_value(&mut self, record: usize, attributes: &Attributes<'_>) -> bool {
        if !self.fields.capture.making {
            let plan = &self.records.selection.plan;
            let Some(field) = plan.records.get(record).map(|record| record.fields.start) else {
                return true;
            };
            let fields = &mut *self.fields;
            // Nothing of another record is there.
            fields.found[field] = false;
            fields.record = record;
            fields.position = fields.tag_position;
            let value = plan.fields[field].find(attributes);
            let result = value.map_or(Ok(()), |value| fields.copy_attribute(plan, field, value));
            if !self.is_taken(result) {
                return false;
            }
            if self.fields.journal.len() == 0 {
                return true;
            }
            let plan = &self.records.selection.plan;
            if let Some(record) = plan.records.get(record) {
                self.fields.make.begin(plan, record);
            }
            self.fields.capture.making = true;
        }
        if !self.make() {
            return false;
        }
        self.fields.capture.making = false;
        self.fields.clear();
        true
    }

    pub(super) fn end_inner(&mut self, record: usize) -> Result<(), Refusal> {
        let plan = &self.records.selection.plan;
        self.fields.journal.push(mark(What::End, record))?;
        if let Some(record) = plan.records.get(record) {
            self.fields.marks &= !record.marks;
        }
        Ok(())
    }
}

/// The entry of an end of a record.
fn mark(what: What, record: usize) -> Entry {
    Entry {
        what,
        index: record as u32,
        start: 0,
        end: 0,
    }
}

impl Fields {
    /// Whether a record with this root is the one that is open.
    #[inline(always)]
    pub(super) fn is_open(&self, root: usize) -> bool {
        self.mode == Mode::Record && self.record == root
    }

    /// Whether a field wants what was found.
    pub(super) fn wants(&self, plan: &Plan, field: usize) -> bool {
        let Field { root, many, .. } = plan.fields[field];
        self.is_open(root) && (many || !self.found[field])
    }

    #[inline]
    pub(super) fn note_found(&mut self, plan: &Plan, field: usize) {
        self.found[field] = true;
        if !plan.fields[field].many {
            self.marks |= plan.fields[field].mark;
        }
    }

    fn take_text(&mut self, plan: &Plan, field: usize) -> Result<(), Stop> {
        if !self.wants(plan, field) {
            return Ok(());
        }
        self.ends.reserve(1)?;
        self.size.add(0, 1).map_err(exceeded)?;
        let end = match self.open_texts == 0 && plan.fields[field].is_single {
            true => End::Leaf,
            false => {
                let start = self.texts.len() as u32;
                let entry = self.journal.len();
                self.journal.push(Entry {
                    what: What::Text,
                    index: field as u32,
                    start,
                    end: start,
                })?;
                End::Text(entry)
            }
        };
        self.ends.push((self.depth + 1, end))?;
        if end == End::Leaf {
            self.leaf = Leaf::Open(field);
        }
        self.open_texts += 1;
        self.note_found(plan, field);
        Ok(())
    }

    fn take_attribute(
        &mut self,
        plan: &Plan,
        field: usize,
        attributes: &Attributes<'_>,
    ) -> Result<(), Stop> {
        if !self.wants(plan, field) {
            return Ok(());
        }
        let value = plan.fields[field].find(attributes);
        value.map_or(Ok(()), |value| self.copy_attribute(plan, field, value))
    }

    /// Notes the attribute of a field.
    fn copy_attribute(&mut self, plan: &Plan, field: usize, value: &[u8]) -> Result<(), Stop> {
        if self.capture.copied == 0 {
            self.size.add(value.len(), 1).map_err(exceeded)?;
        }
        self.capture.copy_to(&mut self.values, value)?;
        self.note_value(plan, field, value.len())
    }

    /// Notes the last bytes of `values` as the value of a field.
    pub(super) fn note_value(&mut self, plan: &Plan, field: usize, len: usize) -> Result<(), Stop> {
        let end = self.values.len();
        self.journal.push(Entry {
            what: What::Value,
            index: field as u32,
            start: (end - len) as u32,
            end: end as u32,
        })?;
        self.capture.end_copy();
        self.note_found(plan, field);
        Ok(())
    }

    pub(super) fn take_record(&mut self, plan: &Plan, number: usize) -> Result<(), Stop> {
        let Some(record) = plan.records.get(number) else {
            return Ok(());
        };
        self.ends.reserve(1)?;
        for &(field, slot) in &record.around {
            self.take_from_around(field, slot)?;
        }
        let found = self.found.get_mut(record.all.clone());
        found.unwrap_or_default().fill(false);
        for &(field, slot) in &record.around {
            self.found[field] = self.around.iter().any(|it| it.slot == slot);
        }
        self.ends.push((self.depth + 1, End::Record))?;
        self.mode = Mode::Record;
        self.record = number;
        self.position = self.tag_position;
        self.make.begin(plan, record);
        Ok(())
    }

    #[inline(never)]
    fn take_inner(&mut self, plan: &Plan, number: usize) -> Result<(), Stop> {
        let Some(record) = plan.records.get(number) else {
            return Ok(());
        };
        if !self.is_open(record.root) {
            return Ok(());
        }
        self.ends.reserve(1)?;
        self.size.add(0, 1).map_err(exceeded)?;
        self.journal.push(mark(What::Begin, number))?;
        for &(field, slot) in &record.around {
            self.take_from_around(field, slot)?;
        }
        let found = self.found.get_mut(record.fields.clone());
        found.unwrap_or_default().fill(false);
        self.marks |= record.guard;
        if let Some(parent) = record.parent {
            self.found[parent] = true;
        }
        self.ends.push((self.depth + 1, End::Inner(number)))?;
        Ok(())
    }
}

pub(super) fn exceeded(exceeded: ExceededLimit) -> Stop {
    Stop::Fault(Fault::Exceeded(exceeded))
}
