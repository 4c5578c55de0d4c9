//! Names that were checked in this call, by their terms: a document repeats a few, and trees that were read have the
//! same term for each of them.

use crate::xml::terms::RawTerm;
use bounded_core::xml::write::CheckedName;
use std::mem::MaybeUninit;

/// With this many, the names of a document seldom share a slot.
const SLOTS: usize = 256;

pub struct Names<'env> {
    /// The default is no term.
    terms: [RawTerm; SLOTS],
    /// Those of the terms that there are.
    names: [MaybeUninit<CheckedName<'env>>; SLOTS],
}

impl<'env> Names<'env> {
    #[inline(always)]
    pub fn new() -> Names<'env> {
        Names {
            terms: [RawTerm::default(); SLOTS],
            names: [const { MaybeUninit::uninit() }; SLOTS],
        }
    }

    #[inline(always)]
    pub fn get(&self, term: RawTerm) -> Option<CheckedName<'env>> {
        let slot = slot(term);
        // No term is the default: it would be found, and no name be there.
        if self.terms[slot] != term || term == RawTerm::default() {
            return None;
        }
        // SAFETY: `put` wrote the name with the term.
        Some(unsafe { self.names[slot].assume_init() })
    }

    #[inline(always)]
    pub fn put(&mut self, term: RawTerm, name: CheckedName<'env>) {
        let slot = slot(term);
        self.names[slot].write(name);
        self.terms[slot] = term;
    }
}

/// Terms differ in the bits above the lowest three, which say what they are.
#[inline(always)]
fn slot(term: RawTerm) -> usize {
    // SAFETY: a term is a word.
    let word = unsafe { std::mem::transmute::<RawTerm, usize>(term) };
    ((word >> 3).wrapping_mul(0x9E37_79B9) >> 8) % SLOTS
}
