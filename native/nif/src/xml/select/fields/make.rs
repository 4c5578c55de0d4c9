//! Makes terms of a record's journal, from its end to its beginning, in as many calls as it takes.

use crate::xml::large::LARGE;
use crate::xml::select::fields::{Fault, FieldSink, Fields};
use crate::xml::select::journal::{Entry, What};
use crate::xml::select::plan::{Plan, Record};
use crate::xml::terms::{RawTerm, Terms};
use crate::xml::values::Values;
use std::ops::Range;

/// How far the record is that is being made.
pub struct Progress {
    /// A record is open, or being made.
    begun: bool,
    /// The number of entries that are left, once it ends.
    left: Option<usize>,
    /// By the number of a field, its value. Terms of this call.
    values: Box<[RawTerm]>,
    /// Something was made in this call.
    touched: bool,
    /// The caller returned other terms than it was given.
    broken: bool,
    done: u64,
}

impl Progress {
    pub fn new(fields: usize) -> Progress {
        Progress {
            begun: false,
            left: None,
            values: vec![RawTerm::default(); fields].into(),
            touched: false,
            broken: false,
            done: 0,
        }
    }

    pub fn done(&self) -> u64 {
        self.done
    }

    pub fn is_begun(&self) -> bool {
        self.begun
    }

    pub fn is_touched(&self) -> bool {
        self.touched
    }

    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Begins a call: the values of the fields are those of the call before.
    pub fn resume(&mut self, fields: Range<usize>, terms: &Terms, built: RawTerm) {
        self.touched = false;
        if !self.begun {
            return;
        }
        let mut rest = built;
        for value in self.values.get_mut(fields).unwrap_or_default() {
            match terms.uncons(rest) {
                Some((made, tail)) => (*value, rest) = (made, tail),
                None => self.broken = true,
            }
        }
    }

    pub fn suspend(&self, fields: Range<usize>, terms: &Terms) -> RawTerm {
        match self.begun {
            true => terms.list(self.values.get(fields).unwrap_or_default()),
            false => terms.empty_list,
        }
    }

    /// A record opens, or an attribute is one.
    #[inline]
    pub fn begin(&mut self, plan: &Plan, record: &Record) {
        self.begun = true;
        self.reset(plan, record.all.clone());
    }

    /// The values of fields of which nothing was found.
    fn reset(&mut self, plan: &Plan, fields: Range<usize>) {
        self.touched = true;
        for index in fields {
            self.values[index] = plan.blanks[index];
        }
    }

    #[inline(always)]
    pub fn set(&mut self, field: usize, value: RawTerm) {
        self.values[field] = value;
        self.touched = true;
    }

    pub fn value(&self, field: usize) -> RawTerm {
        self.values[field]
    }

    fn add(&mut self, plan: &Plan, field: usize, value: RawTerm, terms: &Terms) {
        self.values[field] = match plan.fields[field].many {
            true => terms.cell(value, self.values[field]),
            false => value,
        };
    }

    fn map(&mut self, plan: &Plan, record: &Record, terms: &Terms) -> RawTerm {
        let (keys, values) = (
            plan.keys.get(record.fields.clone()),
            self.values.get(record.fields.clone()),
        );
        let map = terms.map(keys.unwrap_or_default(), values.unwrap_or_default());
        self.broken |= map.is_none();
        map.unwrap_or(terms.empty_list)
    }
}

impl FieldSink<'_, '_> {
    /// Makes the record that ended, or that is an attribute. False: not all of it yet.
    pub(super) fn make(&mut self) -> bool {
        let plan = &self.records.selection.plan;
        let values = &mut self.records.values;
        let fields = &mut *self.fields;
        let terms = values.terms;
        let Some(record) = plan.records.get(fields.record) else {
            return true;
        };
        let mut left = match fields.make.left {
            Some(left) => left,
            None => {
                let is_missing = |field: &&usize| !fields.found[**field];
                if let Some(&field) = record.required.iter().find(is_missing) {
                    let _ = self.fault(Fault::Missing(field));
                    return false;
                }
                fields.journal.len()
            }
        };
        while left > 0 {
            let made = !values.batch.is_full() && fields.make_entry(plan, left - 1, values);
            if !made {
                fields.make.left = Some(left);
                return false;
            }
            left -= 1;
        }
        if values.batch.is_full() {
            fields.make.left = Some(0);
            return false;
        }
        let mut made = match record.is_map {
            true => fields.make.map(plan, record, &terms),
            false => fields.make.values[record.fields.start],
        };
        values.batch.count(record.fields.len() / 2, 0);
        if let Some(label) = record.label {
            made = terms.tuple([label, made]);
        }
        fields.make.left = None;
        fields.make.begun = false;
        self.push(made);
        true
    }

    /// Adds a record, with its position and range if these are wanted.
    pub(super) fn push(&mut self, record: RawTerm) {
        let extras = &self.records.selection.plan.extras;
        let values = &mut self.records.values;
        let (position, end) = (self.fields.position, self.fields.end_offset);
        let record = extras.with(record, position, end, &values.terms);
        values.batch.push(record);
    }
}

impl Fields {
    /// Makes what an entry of the journal says. False: not yet.
    #[inline]
    fn make_entry(&mut self, plan: &Plan, index: usize, values: &mut Values<'_, '_>) -> bool {
        let Some(entry) = self.journal.get(index) else {
            return true;
        };
        let terms = values.terms;
        let number = entry.index as usize;
        match entry.what {
            What::End => {
                if let Some(record) = plan.records.get(number) {
                    self.make.reset(plan, record.fields.clone());
                }
            }
            What::Begin => {
                if let Some(record) = plan.records.get(number) {
                    let map = self.make.map(plan, record, &terms);
                    values.batch.count(record.fields.len() / 2, 0);
                    if let Some(parent) = record.parent {
                        self.make.add(plan, parent, map, &terms);
                    }
                }
            }
            What::Text | What::Value | What::Around | What::Raw => {
                let Some(value) = self.string(entry, values) else {
                    return false;
                };
                self.make.add(plan, number, value, &terms);
            }
        }
        values.batch.count(1, 0);
        self.make.touched = true;
        self.make.done += 1;
        true
    }

    /// The bytes of an entry as a term, `None` when it has to wait.
    #[inline]
    fn string(&mut self, entry: Entry, values: &mut Values<'_, '_>) -> Option<RawTerm> {
        let (start, end) = (entry.start as usize, entry.end as usize);
        let len = end - start;
        let bytes = match entry.what {
            What::Text => &self.texts,
            What::Value => &self.values,
            What::Raw => &self.raw.text,
            _ => &self.around_values,
        };
        if len > LARGE {
            let rest = |offset| bytes.slices(start + offset, len - offset);
            if let Err(wait) = values.large.fill(0, len, rest) {
                values.batch.wait(wait);
                return None;
            }
            return values.large.take(&values.terms);
        }
        values.batch.count(0, len);
        match bytes.slice(start, len) {
            Some(all) => {
                let field = entry.index as usize;
                let score = &mut self.scores[field];
                Some(values.interner.field(&values.terms, field, all, score))
            }
            None => Some(values.terms.binary_from(len, bytes.slices(start, len))),
        }
    }
}
