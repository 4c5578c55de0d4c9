//! The sink of a selection that makes records of fields, and perhaps trees.

use crate::xml::large::Wait;
use crate::xml::select::fields::{End, Fault, Fields, Mode};
use crate::xml::select::records::RecordSink;
use bounded_core::xml::{
    Attributes, Flow, INSIDE, Interest, Name, Position, Prolog, Recovered, Sink,
};

/// Makes maps, and trees where these are asked for, of the events of one call.
pub struct FieldSink<'a, 'env> {
    pub records: RecordSink<'a, 'env>,
    pub fields: &'a mut Fields,
}

impl FieldSink<'_, '_> {
    #[cold]
    pub(super) fn wait(&mut self, wait: impl Into<Wait>) -> Flow {
        self.records.values.batch.wait(wait.into());
        Flow::Retry
    }

    #[cold]
    pub(super) fn fault(&mut self, fault: Fault) -> Flow {
        self.fields.fault = Some(fault);
        self.wait(Wait::Paused)
    }

    /// The interest in an element whose hits were all taken, and which is open from now on.
    fn entered(&mut self) -> Interest {
        let fields = &mut *self.fields;
        let within = fields.capture.finish();
        let depth = fields.depth + 1;
        let is_told = fields.ends.last().is_some_and(|(at, _)| *at == depth);
        let (states, inside) = match fields.mode {
            Mode::Record => {
                let record = self.records.selection.plan.records.get(fields.record);
                (within & record.map_or(0, |record| record.below), INSIDE)
            }
            _ => (within, 0),
        };
        let context = states | fields.marks | inside;
        let has_text = || fields.ends.iter().rev().take_while(|(at, _)| *at == depth);
        if is_told && has_text().any(|(_, end)| matches!(end, End::Text(_) | End::Leaf)) {
            // There is room.
            debug_assert!(fields.contexts.is_empty());
            let _ = fields.contexts.push(context);
            fields.depth = depth;
            return Interest::All;
        }
        match states {
            _ if is_told => {
                fields.depth = depth;
                Interest::Tags(context | INSIDE)
            }
            0 => Interest::Nothing,
            _ => Interest::Within(context),
        }
    }

    /// What ends with the innermost element does. False: not all of it yet.
    fn end(&mut self) -> bool {
        while let Some(&(depth, end)) = self.fields.ends.last() {
            if depth != self.fields.depth {
                break;
            }
            match end {
                End::Leaf => {
                    self.fields.end_leaf(&mut self.records.values);
                    self.fields.open_texts -= 1;
                }
                End::Text(entry) => {
                    let fields = &mut *self.fields;
                    fields.journal.end(entry, fields.texts.len() as u32);
                    fields.open_texts -= 1;
                }
                End::Raw(entry) => {
                    let end = self.fields.raw.end();
                    self.fields.journal.end(entry, end);
                }
                End::Inner(record) => {
                    if let Err(refusal) = self.end_inner(record) {
                        let _ = self.wait(refusal);
                        return false;
                    }
                }
                End::Record => {
                    if !self.make() {
                        return false;
                    }
                    self.fields.clear();
                }
                End::Around(start) => {
                    self.fields.around.pop();
                    self.fields.around_values.truncate(start);
                }
            }
            self.fields.ends.pop();
        }
        true
    }

    /// An element of a tree ends, or the tree itself.
    #[inline(always)]
    fn end_in_tree(&mut self) -> Flow {
        match self.records.close() {
            None => return Flow::Retry,
            Some(None) => {}
            Some(Some(record)) => {
                self.fields.mode = Mode::Outside;
                self.push(record);
            }
        }
        Flow::Accepted
    }

    #[cold]
    fn text_in_pieces(&mut self, text: &[u8]) -> Flow {
        while self.fields.capture.copied() < text.len() {
            match self
                .fields
                .texts
                .extend(&text[self.fields.capture.copied()..])
            {
                Ok(count) => self.fields.capture.copy(count),
                Err(refusal) => return self.wait(refusal),
            }
        }
        self.fields.capture.end_copy();
        Flow::Accepted
    }

    /// An element in one whose content is received as a whole.
    fn start_inside(&mut self, name: &Name<'_>, attributes: &Attributes<'_>) -> Flow {
        let plan = &mut self.records.selection.plan;
        let fields = &mut *self.fields;
        let around = fields.contexts.last().copied().unwrap_or(INSIDE);
        if fields.blind > 0 || !plan.selector.looks(around) {
            fields.blind += 1;
            fields.depth += 1;
            return Flow::Accepted;
        }
        let context = around & !plan.selector.mark_bits() | fields.marks;
        if let Err(refusal) = fields.contexts.reserve(1) {
            return self.wait(refusal);
        }
        if !self.enter(name, attributes, context) {
            return Flow::Retry;
        }
        let fields = &mut *self.fields;
        let within = fields.capture.finish();
        let record = self.records.selection.plan.records.get(fields.record);
        let below = record.map_or(0, |record| record.below);
        // There is room.
        let _ = fields.contexts.push(within & below | INSIDE);
        fields.depth += 1;
        Flow::Accepted
    }
}

impl Sink for FieldSink<'_, '_> {
    const SELECTS: bool = true;
    const TRACKS_SOURCE: bool = true;
    const MARKS: bool = true;
    const LEAVES: bool = true;

    fn position(&mut self, position: Position) {
        self.fields.tag_position = position;
    }

    fn reference(&mut self, reference: Option<&[u8]>) -> Flow {
        match self.fields.raw.note_reference(reference) {
            Ok(()) => Flow::Accepted,
            Err(refusal) => self.wait(refusal),
        }
    }

    #[inline]
    fn takes_raw(&self) -> bool {
        self.fields.raw.is_taken()
    }

    fn raw(&mut self, text: &[u8]) -> Flow {
        self.add_raw(text)
    }

    fn end_offset(&mut self, offset: u64) {
        self.fields.end_offset = offset;
    }

    fn start_document(&mut self, _prolog: &Prolog<'_>) -> Flow {
        Flow::Accepted
    }

    #[inline]
    fn interest(&mut self, name: &Name<'_>, context: u64) -> Interest {
        self.records.interest(name, context)
    }

    fn tag(
        &mut self,
        name: Name<'_>,
        attributes: &Attributes<'_>,
        context: u64,
    ) -> Option<Interest> {
        if self.is_full() {
            return None;
        }
        if let Err(refusal) = self.fields.contexts.reserve(1) {
            let _ = self.wait(refusal);
            return None;
        }
        if !self.enter(&name, attributes, context) {
            return None;
        }
        if self.fields.mode == Mode::Tree {
            // It was opened as one.
            self.fields.capture.finish();
            self.fields.end_around();
            return Some(Interest::All);
        }
        Some(self.entered())
    }

    #[inline]
    fn leaf(
        &mut self,
        name: Name<'_>,
        attributes: &Attributes<'_>,
        context: u64,
        text: &str,
    ) -> bool {
        self.take_leaf(&name, attributes, context, text.as_bytes())
    }

    #[inline]
    fn marks(&self) -> (u64, u64) {
        let bits = self.records.selection.plan.selector.mark_bits();
        (bits, self.fields.marks)
    }

    #[inline(always)]
    fn start_element(&mut self, name: Name<'_>, attributes: &Attributes<'_>) -> Flow {
        if self.fields.mode == Mode::Tree {
            return self.records.start_element(name, attributes);
        }
        if self.is_full() {
            return Flow::Retry;
        }
        self.start_inside(&name, attributes)
    }

    #[inline(always)]
    fn end_element(&mut self, _name: Name<'_>) -> Flow {
        if self.fields.mode == Mode::Tree {
            return self.end_in_tree();
        }
        if self.is_full() {
            return Flow::Retry;
        }
        if self.fields.blind > 0 {
            self.fields.blind -= 1;
        } else {
            if !self.end() {
                return Flow::Retry;
            }
            self.fields.contexts.pop();
        }
        self.fields.depth -= 1;
        Flow::Accepted
    }

    #[inline(always)]
    fn characters(&mut self, text: &str) -> Flow {
        if self.fields.mode == Mode::Tree {
            return self.records.characters(text);
        }
        if self.is_full() {
            return Flow::Retry;
        }
        if self.fields.open_texts == 0 {
            return Flow::Accepted;
        }
        let bytes = text.as_bytes();
        if let Some(flow) = self.leaf_text(bytes) {
            return flow;
        }
        if self.fields.capture.copied() == 0 {
            // It is part of the value of each text that is open.
            let (size, copies) = (self.fields.size.bytes(), self.fields.open_texts);
            if let Err(exceeded) = self.fields.size.add(bytes.len() * copies, 0) {
                return self.fault(Fault::Exceeded(exceeded));
            }
            match self.fields.texts.extend(bytes) {
                Ok(count) if count == bytes.len() => return Flow::Accepted,
                Ok(count) => self.fields.capture.copy(count),
                Err(refusal) => {
                    self.fields.size.go_back(size);
                    return self.wait(refusal);
                }
            }
        }
        self.text_in_pieces(bytes)
    }

    fn skipped_entity(&mut self, name: &str) -> Flow {
        match self.fields.mode {
            Mode::Tree => self.records.skipped_entity(name),
            _ => Flow::Accepted,
        }
    }

    fn recovered(&mut self, what: Recovered, written: &str, place: (u64, u64)) {
        self.records.recovered(what, written, place);
    }

    fn end_document(&mut self) -> Flow {
        Flow::Accepted
    }

    #[inline(always)]
    fn is_full(&self) -> bool {
        self.records.values.batch.is_full()
    }
}
