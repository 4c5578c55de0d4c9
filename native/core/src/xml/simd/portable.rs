//! Eight bytes in a word: for processors without vectors of ours, and to compare the others with.
//!
//! No intrinsics: only the read is unsafe, by the contract of [`Vector::load`].
#![allow(unsafe_code)]

use crate::arena::account::Refusal;
use crate::arena::charged_vec::ChargedVec;
use crate::xml::simd::kernel_set::KernelSet;
use crate::xml::simd::positions::Positions;
use crate::xml::simd::structural_index::build::{self, Words};
use crate::xml::simd::utf8_scan::algorithm::{ScanResult, scan_with};
use crate::xml::simd::vector::{BaselineVector, Mask, Vector};

#[cfg_attr(test, allow(dead_code))]
pub(super) type Baseline = Word;

#[cfg_attr(test, allow(dead_code))]
pub(super) fn set() -> KernelSet {
    KernelSet::Portable
}

pub(super) fn build(
    text: &[u8],
    start: usize,
    positions: &mut Positions,
    quotes: &mut Words,
) -> usize {
    // SAFETY: it needs no instructions that are not everywhere.
    unsafe { build::build::<Word>(text, start, positions, quotes) }
}

pub(super) fn scan(text: &[u8]) -> ScanResult {
    // SAFETY: as above.
    unsafe { scan_with::<Word>(text) }
}

pub(super) fn copy_and_scan(
    bytes: &[u8],
    text: &mut ChargedVec<u8>,
) -> Result<Option<ScanResult>, Refusal> {
    text.extend_from_slice(bytes)?;
    Ok(None)
}

/// Eight bytes, the first in the lowest bits.
#[derive(Clone, Copy)]
pub(super) struct Word(u64);

/// The highest bit of each byte for which it is true; the other bits are zero.
#[derive(Clone, Copy)]
pub(super) struct HighBits(u64);

const HIGH: u64 = all(0x80);

const fn all(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

impl Word {
    /// Where the lower seven bits of a byte are at most `last`, and the highest is not set.
    #[inline(always)]
    fn is_at_most(self, last: u8) -> HighBits {
        // The highest bit is set by what is larger, and nothing is carried to the next byte.
        let larger = (self.0 & !HIGH) + all(0x7F - last);
        HighBits(!(larger | self.0) & HIGH)
    }
}

impl Vector for Word {
    type Mask = HighBits;

    const BYTES: usize = 8;

    #[inline(always)]
    unsafe fn load(bytes: *const u8) -> Word {
        // SAFETY: by this function's contract.
        Word(u64::from_le_bytes(unsafe {
            bytes.cast::<[u8; 8]>().read()
        }))
    }

    #[inline(always)]
    unsafe fn with_bits(self, bits: u8) -> Word {
        Word(self.0 | all(bits))
    }

    #[inline(always)]
    unsafe fn is(self, byte: u8) -> HighBits {
        Word(self.0 ^ all(byte)).is_at_most(0)
    }

    #[inline(always)]
    unsafe fn is_in(self, first: u8, last: u8) -> HighBits {
        let at_least = (self.0 & !HIGH) + all(0x80 - first);
        HighBits(self.is_at_most(last).0 & at_least)
    }
}

impl BaselineVector for Word {
    #[inline(always)]
    unsafe fn same(self, other: Word) -> usize {
        (self.0 ^ other.0).trailing_zeros() as usize / 8
    }
}

impl Mask for HighBits {
    #[inline(always)]
    unsafe fn none() -> HighBits {
        HighBits(0)
    }

    #[inline(always)]
    unsafe fn or(self, other: HighBits) -> HighBits {
        HighBits(self.0 | other.0)
    }

    #[inline(always)]
    unsafe fn and(self, other: HighBits) -> HighBits {
        HighBits(self.0 & other.0)
    }

    #[inline(always)]
    unsafe fn and_not(self, other: HighBits) -> HighBits {
        HighBits(self.0 & !other.0)
    }

    #[inline(always)]
    unsafe fn first(self) -> Option<usize> {
        (self.0 != 0).then(|| self.0.trailing_zeros() as usize / 8)
    }

    #[inline(always)]
    unsafe fn first_not(self) -> Option<usize> {
        // SAFETY: by this function's contract.
        unsafe { HighBits(self.0 ^ HIGH).first() }
    }

    #[inline(always)]
    unsafe fn bits(self) -> u64 {
        // Bit 8n comes to bit 56 + n, and no other pair of bits comes to a place of the highest byte.
        (self.0 >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
    }
}
