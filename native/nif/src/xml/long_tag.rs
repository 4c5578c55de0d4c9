//! Tags of more attributes than one call makes terms of.
//!
//! Their list is built from its last cell. What is built of it travels through the caller: the terms of
//! one call cannot be kept for the next.

use crate::xml::terms::RawTerm;

/// Up to so many attributes are built in one call.
pub const MANY: usize = 1024;

/// The tag that is being built.
#[derive(Default)]
pub struct LongTag {
    /// So many of its attributes are still to be built, the last one first. None of a tag that is not begun.
    unbuilt: usize,
    /// A list of those that are. A term of this call.
    built: RawTerm,
}

impl LongTag {
    pub fn unbuilt(&self) -> usize {
        self.unbuilt
    }

    /// What is built so far.
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
