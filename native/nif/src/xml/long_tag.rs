//! Tags of more attributes than one call makes terms of.
//!
//! Their list is built from its last cell. The part that is built travels through the caller, since the terms of one call
//! cannot be kept for the next.

use crate::xml::terms::RawTerm;

/// The number of attributes that one call builds at most.
pub const MANY: usize = 1024;

/// The tag that is being built.
#[derive(Default)]
pub struct LongTag {
    /// The number of its attributes that are still to be built, the last one first. 0 for a tag that is not begun.
    unbuilt: usize,
    /// A list of those that are. A term of this call.
    built: RawTerm,
}

impl LongTag {
    pub fn unbuilt(&self) -> usize {
        self.unbuilt
    }

    /// The list that is built so far.
    pub fn built(&self) -> RawTerm {
        self.built
    }

    /// The same in another call.
    pub fn resume(&mut self, built: RawTerm) {
        self.built = built;
    }

    /// How many attributes of a tag of `count` are to be built, and what the others came to.
    pub fn begin(&mut self, count: usize, empty_list: RawTerm) -> (usize, RawTerm) {
        match std::mem::take(&mut self.unbuilt) {
            0 => (count, empty_list),
            unbuilt => (unbuilt, self.built),
        }
    }

    /// The call ends before the tag does.
    pub fn suspend(&mut self, unbuilt: usize, built: RawTerm) {
        *self = LongTag { unbuilt, built };
    }
}
