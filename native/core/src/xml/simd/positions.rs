//! An index of marks: where they stand rather than one bit a byte.
//!
//! How many bits a word has no processor guesses, and each time it is wrong it waits.
#![allow(unsafe_code)]

use crate::xml::simd::vector::{BLOCK, Vector};

/// So many blocks are gone through at once, one bit of a word for each.
pub(super) const GROUP: usize = 64;

/// So many places, and those of one block more, have room.
const ROOM: usize = 1_024;

/// More than that, and a power of two: a number modulo this is within.
const PLACES: usize = 2_048;

/// Behind the last place.
const NONE: u16 = u16::MAX;

/// Where the marks of one block go; what is beyond them is overwritten by those of the next.
pub(super) type Slots = [u16; BLOCK];

/// The places of a window's marks in ascending order, counted from where it starts.
pub(super) struct Positions {
    places: [u16; PLACES],
    count: usize,
}

impl Positions {
    pub fn new() -> Positions {
        Positions {
            places: [NONE; PLACES],
            count: 0,
        }
    }

    pub fn clear(&mut self) {
        self.places[0] = NONE;
        self.count = 0;
    }

    /// Adds the places of the bits of some blocks, of which the first is at `at`, as far as there is room; says of how
    /// many.
    ///
    /// # Safety
    ///
    /// The processor has the instructions of `V`.
    #[inline(always)]
    pub unsafe fn add<V: Vector>(&mut self, words: &[u64; GROUP], at: usize) -> usize {
        let mut with_marks = 0;
        for (block, &word) in words.iter().enumerate() {
            with_marks |= u64::from(word != 0) << block;
        }
        let mut count = self.count;
        let mut blocks = GROUP;
        while with_marks != 0 {
            let block = with_marks.trailing_zeros() as usize;
            with_marks &= with_marks - 1;
            let Some(slots) = self.places[count..ROOM + BLOCK].first_chunk_mut() else {
                blocks = block;
                break;
            };
            let word = words[block % GROUP];
            // SAFETY: by this function's contract.
            unsafe { V::write_positions(slots, word, at + block * BLOCK) };
            count += word.count_ones() as usize;
        }
        self.places[count] = NONE;
        self.count = count;
        blocks
    }

    /// The place of this number.
    #[inline(always)]
    pub fn get(&self, number: usize) -> Option<usize> {
        let place = self.places[number % PLACES];
        (place != NONE).then_some(usize::from(place))
    }

    /// The number of the first place that is not before `at`; `guess` is one that may be near it.
    #[inline(always)]
    pub fn number(&self, at: usize, guess: usize) -> usize {
        let mut number = guess;
        if guess > 0 && !self.is_before(guess - 1, at) {
            number = 0;
        }
        while self.is_before(number, at) {
            number += 1;
        }
        number
    }

    /// Whether the place of this number is before `at`. Behind the last, none is.
    #[inline(always)]
    pub fn is_before(&self, number: usize, at: usize) -> bool {
        usize::from(self.places[number % PLACES]) < at
    }
}

/// Writes the places of the bits of a block at `at`.
///
/// Some at once, whether there are so many or not: that there are few the processor guesses.
#[inline(always)]
pub(super) fn write(slots: &mut Slots, bits: u64, at: usize) {
    const AT_ONCE: usize = 4;
    let mut left = bits;
    for group in slots.as_chunks_mut::<AT_ONCE>().0 {
        for slot in group {
            *slot = (at + left.trailing_zeros() as usize) as u16;
            left &= left.wrapping_sub(1);
        }
        if left == 0 {
            break;
        }
    }
}
