//! Options that add to each record where it is in the document.

use crate::xml::terms::{RawTerm, Terms};
use bounded_core::xml::Position;
use rustler::NifTuple;

/// `{positions?, byte_offsets?, scope?}`.
#[derive(Clone, Copy, Debug, NifTuple)]
#[rustler(decode)]
pub struct Extras {
    /// `{line, column}` of the record's beginning.
    positions: bool,
    /// The range of the record's bytes in the original.
    pub byte_offsets: bool,
    /// Among the attributes of trees, the namespace declarations in scope.
    pub scope: bool,
}

impl Extras {
    pub fn is_none(&self) -> bool {
        !(self.positions || self.byte_offsets || self.scope)
    }

    pub fn needs_positions(&self) -> bool {
        self.positions || self.byte_offsets
    }

    /// The record with its position and range, given where it begins and the offset of the byte after it. The scope is in its attributes.
    pub fn with(&self, record: RawTerm, begin: Position, end: u64, terms: &Terms) -> RawTerm {
        let place = || terms.place((begin.line, begin.column));
        let range = || terms.range(begin.byte_offset, end.saturating_sub(1));
        match (self.positions, self.byte_offsets) {
            (false, false) => record,
            (true, false) => terms.tuple([record, place()]),
            (false, true) => terms.tuple([record, range()]),
            (true, true) => terms.tuple([record, place(), range()]),
        }
    }
}
