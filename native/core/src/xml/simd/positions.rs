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
const SLOTS: usize = 2_048;

/// Follows the last position.
const NONE: u16 = u16::MAX;

/// The positions of the markup in a window, in ascending order, counted from the start of the window.
pub(super) struct Positions {
    positions: [u16; SLOTS],
    count: usize,
}

impl Positions {
    pub fn new() -> Positions {
        Positions {
            positions: [NONE; SLOTS],
            count: 0,
        }
    }

    pub fn clear(&mut self) {
        self.positions[0] = NONE;
        self.count = 0;
    }

    /// Adds the positions of the bits of some blocks, of which the first is at `at`, as far as there is room. Returns the number of
    /// blocks that were added.
    ///
    /// # Safety
    ///
    /// The processor has the instructions of `V`.
    #[inline(always)]
    pub unsafe fn add<V: Vector>(&mut self, words: &[u64; GROUP], at: usize) -> usize {
        let mut with_markup = 0;
        for (block, &word) in words.iter().enumerate() {
            with_markup |= u64::from(word != 0) << block;
        }
        let mut count = self.count;
        let mut blocks = GROUP;
        while with_markup != 0 {
            let block = with_markup.trailing_zeros() as usize;
            with_markup &= with_markup - 1;
            let Some(slots) = self.positions[count..ROOM + BLOCK].first_chunk_mut() else {
                blocks = block;
                break;
            };
            let word = words[block % GROUP];
            // SAFETY: by this function's contract.
            unsafe { V::write_positions(slots, word, at + block * BLOCK) };
            count += word.count_ones() as usize;
        }
        self.positions[count] = NONE;
        self.count = count;
        blocks
    }

    /// The position of this number.
    #[inline(always)]
    pub fn get(&self, number: usize) -> Option<usize> {
        let position = self.positions[number % SLOTS];
        (position != NONE).then_some(usize::from(position))
    }

    /// The number of the first position that is not before `at`; `guess` is one that may be near it.
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

    /// Whether the position of this number is before `at`. After the last one, none is.
    #[inline(always)]
    pub fn is_before(&self, number: usize, at: usize) -> bool {
        usize::from(self.positions[number % SLOTS]) < at
    }
}
