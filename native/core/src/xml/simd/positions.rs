//! A structural index as a list of positions, rather than as a bitmap with one bit a byte.
//!
//! A loop over the bits of a word mispredicts its end, because the number of bits varies.
#![allow(unsafe_code)]

use crate::xml::simd::vector::{BLOCK, Vector};

/// The number of blocks that are indexed at once, one for each bit of a word.
pub(super) const GROUP: usize = 64;

/// The number of positions after which indexing stops: those of one more block still have room.
const ROOM: usize = 1_024;

/// Larger than [`ROOM`], and a power of two, so that an index modulo this is in bounds without a check.
const PLACES: usize = 2_048;

/// Follows the last position.
const NONE: u16 = u16::MAX;

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
