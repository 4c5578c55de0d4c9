//! Fields that are attributes of elements around the record.

use crate::xml::select::fields::capture::exceeded;
use crate::xml::select::fields::{Around, End, Fields, Stop};
use crate::xml::select::journal::{Entry, What};
use crate::xml::select::plan::Plan;
use bounded_core::xml::{Attributes, ExceededLimit};

impl Fields {
    /// The value of an attribute that is kept: that of the innermost element which has one.
    pub(super) fn take_from_around(&mut self, field: usize, slot: usize) -> Result<(), Stop> {
        let Some(around) = self.around.iter().rev().find(|it| it.slot == slot) else {
            return Ok(());
        };
        let (start, end) = (around.start, around.end);
        self.size.add(end - start, 1).map_err(exceeded)?;
        self.journal.push(Entry {
            what: What::Around,
            index: field as u32,
            start: start as u32,
            end: end as u32,
        })?;
        Ok(())
    }

    #[inline(never)]
    pub(super) fn take_around(
        &mut self,
        plan: &Plan,
        slot: usize,
        attributes: &Attributes<'_>,
    ) -> Result<(), Stop> {
        let Some(value) = plan.around.get(slot).and_then(|test| test.find(attributes)) else {
            return Ok(());
        };
        self.ends.reserve(1)?;
        self.around.reserve(1)?;
        let value = value.as_bytes();
        // All of them together, as much as a record may have.
        let seen = (self.around_values.len() - self.capture.copied() + value.len()) as u64;
        if seen > self.size.limit() {
            return Err(exceeded(ExceededLimit {
                name: "max_record_bytes",
                value: self.size.limit(),
                seen,
            }));
        }
        self.capture.copy_to(&mut self.around_values, value)?;
        self.capture.end_copy();
        let end = self.around_values.len();
        let start = end - value.len();
        self.around.push(Around { slot, start, end })?;
        self.ends.push((self.depth + 1, End::Around(start)))?;
        Ok(())
    }
}
