//! What was found out in this call, by term: a document repeats a few names and white space, and trees that were read have the
//! same term for each of them.

use crate::xml::terms::RawTerm;
use std::mem::MaybeUninit;

/// With this many, the names of a document seldom share a slot.
const SLOTS: usize = 256;

pub struct Known<T> {
    /// The default is no term.
    terms: [RawTerm; SLOTS],
    /// Those of the terms that there are.
    values: [MaybeUninit<T>; SLOTS],
}

impl<T: Copy> Known<T> {
    #[inline(always)]
    pub fn new() -> Known<T> {
        Known {
            terms: [RawTerm::default(); SLOTS],
            values: [const { MaybeUninit::uninit() }; SLOTS],
        }
    }

    #[inline(always)]
    pub fn get(&self, term: RawTerm) -> Option<&T> {
        let slot = slot(term);
        // No term is the default: it would be found, and no value be there.
        if self.terms[slot] != term || term == RawTerm::default() {
            return None;
        }
        // SAFETY: `put` wrote the value with the term.
        Some(unsafe { self.values[slot].assume_init_ref() })
    }

    #[inline(always)]
    pub fn put(&mut self, term: RawTerm, value: T) {
        let slot = slot(term);
        self.values[slot].write(value);
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
