//! Names that were checked in this call, by their terms: a document repeats a few, and trees that were read have the
//! same term for each of them.

use crate::xml::terms::RawTerm;
use bounded_core::xml::write::CheckedName;

const SLOTS: usize = 64;

#[derive(Clone, Copy)]
struct Slot<'env> {
    /// The default is no term.
    term: RawTerm,
    name: Option<CheckedName<'env>>,
}

pub struct Names<'env> {
    slots: [Slot<'env>; SLOTS],
}

impl<'env> Names<'env> {
    pub fn new() -> Names<'env> {
        Names {
            slots: [Slot {
                term: RawTerm::default(),
                name: None,
            }; SLOTS],
        }
    }

    #[inline(always)]
    pub fn get(&self, term: RawTerm) -> Option<CheckedName<'env>> {
        let slot = &self.slots[slot(term)];
        if slot.term == term { slot.name } else { None }
    }

    #[inline(always)]
    pub fn put(&mut self, term: RawTerm, name: CheckedName<'env>) {
        self.slots[slot(term)] = Slot {
            term,
            name: Some(name),
        };
    }
}

/// Terms differ in the bits above the lowest three, which say what they are.
#[inline(always)]
fn slot(term: RawTerm) -> usize {
    // SAFETY: a term is a word.
    let word = unsafe { std::mem::transmute::<RawTerm, usize>(term) };
    ((word >> 3).wrapping_mul(0x9E37_79B9) >> 8) % SLOTS
}
