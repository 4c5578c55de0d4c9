//! Fields that are the source text of elements.
//!
//! The text of a record is copied once, however many of its elements are asked for: those in each other share it.

use crate::xml::select::fields::capture::exceeded;
use crate::xml::select::fields::{End, Fault, FieldSink, Fields, Stop};
use crate::xml::select::journal::{Entry, What};
use crate::xml::select::plan::Plan;
use bounded_core::arena::account::{Account, Refusal};
use bounded_core::arena::charged_vec::ChargedVec;
use bounded_core::arena::chunked_buf::ChunkedBuf;
use bounded_core::xml::Flow;
use std::sync::Arc;

/// The source text of the record that is open, as far as fields ask for it.
pub struct Raw {
    pub text: ChunkedBuf,
    /// Fields whose elements are open.
    open: usize,
    /// Bytes of the next part that were copied already: it was passed before.
    copied: usize,
    done: u64,
    /// The reference that the tag comes out of, empty in the document itself.
    reference: ChargedVec<u8>,
}

impl Raw {
    pub fn new(account: &Arc<Account>) -> Raw {
        Raw {
            text: ChunkedBuf::new(account),
            open: 0,
            copied: 0,
            done: 0,
            reference: ChargedVec::new(account),
        }
    }

    /// A number that grows with each byte.
    pub fn done(&self) -> u64 {
        self.done
    }

    pub fn is_taken(&self) -> bool {
        self.open > 0
    }

    pub fn note_reference(&mut self, reference: Option<&[u8]>) -> Result<(), Refusal> {
        self.reference.clear();
        self.reference
            .extend_from_slice(reference.unwrap_or_default())
    }

    /// The element of a field ends; returns where its text does.
    pub fn end(&mut self) -> u32 {
        self.open -= 1;
        self.text.len() as u32
    }
}

impl Fields {
    /// Takes the text of an element from its start tag on, or the reference that it comes out of.
    #[inline(never)]
    pub(super) fn take_raw(&mut self, plan: &Plan, field: usize) -> Result<(), Stop> {
        if !self.wants(plan, field) {
            return Ok(());
        }
        if !self.raw.reference.is_empty() {
            let len = self.raw.reference.len();
            if self.capture.copied() == 0 {
                self.size.add(len, 1).map_err(exceeded)?;
            }
            self.capture
                .copy_to(&mut self.values, &self.raw.reference)?;
            return self.note_value(plan, field, len);
        }
        self.ends.reserve(1)?;
        self.size.add(0, 1).map_err(exceeded)?;
        let start = self.raw.text.len() as u32;
        let entry = self.journal.len();
        self.journal.push(Entry {
            what: What::Raw,
            index: field as u32,
            start,
            end: start,
        })?;
        self.ends.push((self.depth + 1, End::Raw(entry)))?;
        self.raw.open += 1;
        self.note_found(plan, field);
        Ok(())
    }
}

impl FieldSink<'_, '_> {
    /// Copies a part of the document's text.
    pub(super) fn add_raw(&mut self, text: &[u8]) -> Flow {
        if self.records.values.batch.is_full() {
            return Flow::Retry;
        }
        let Fields { raw, size, .. } = &mut *self.fields;
        if raw.copied == 0 {
            // It is part of the value of each field that is open.
            let copies = raw.open;
            if let Err(exceeded) = size.add(text.len() * copies, 0) {
                return self.fault(Fault::Exceeded(exceeded));
            }
        }
        while raw.copied < text.len() {
            match raw.text.extend(&text[raw.copied..]) {
                Ok(count) => {
                    raw.copied += count;
                    raw.done += count as u64;
                }
                Err(refusal) => return self.wait(refusal),
            }
        }
        raw.copied = 0;
        self.records.values.batch.count(0, text.len());
        Flow::Accepted
    }
}
