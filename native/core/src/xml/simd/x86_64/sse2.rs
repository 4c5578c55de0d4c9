//! Sixteen bytes: SSE2, which every x86-64 has.
//!
//! Unsafe by the contract of [`Vector`]: no instruction here is missing anywhere, and reads are [`Vector::load`]'s.
#![allow(unsafe_code, unsafe_op_in_unsafe_fn)]

use crate::xml::simd::positions::Positions;
use crate::xml::simd::structural_index::build::{self, Words};
use crate::xml::simd::utf8_scan::algorithm::{ScanResult, scan_with};
use crate::xml::simd::vector::{BaselineVector, Mask, Vector};
use std::arch::x86_64::*;

pub(in crate::xml::simd) fn build(
    text: &[u8],
    start: usize,
    positions: &mut Positions,
    quotes: &mut Words,
) -> usize {
    // SAFETY: SSE2 is part of x86-64.
    unsafe { build::build::<__m128i>(text, start, positions, quotes) }
}

pub(in crate::xml::simd) fn scan(text: &[u8]) -> ScanResult {
    // SAFETY: as above.
    unsafe { scan_with::<__m128i>(text) }
}

impl Vector for __m128i {
    type Mask = __m128i;

    const BYTES: usize = 16;

    #[inline(always)]
    unsafe fn load(bytes: *const u8) -> __m128i {
        _mm_loadu_si128(bytes.cast())
    }

    #[inline(always)]
    unsafe fn with_bits(self, bits: u8) -> __m128i {
        _mm_or_si128(self, _mm_set1_epi8(bits as i8))
    }

    #[inline(always)]
    unsafe fn is(self, byte: u8) -> __m128i {
        _mm_cmpeq_epi8(self, _mm_set1_epi8(byte as i8))
    }

    #[inline(always)]
    unsafe fn is_in(self, first: u8, last: u8) -> __m128i {
        let beyond = _mm_sub_epi8(self, _mm_set1_epi8(first as i8));
        // Only signed bytes can be compared: the smaller of the two is itself where it is at most that.
        let largest = _mm_set1_epi8((last - first) as i8);
        _mm_cmpeq_epi8(_mm_min_epu8(beyond, largest), beyond)
    }
}

impl BaselineVector for __m128i {
    #[inline(always)]
    unsafe fn same(self, other: __m128i) -> usize {
        _mm_movemask_epi8(_mm_cmpeq_epi8(self, other)).trailing_ones() as usize
    }
}

/// All bits of a byte, or none.
impl Mask for __m128i {
    #[inline(always)]
    unsafe fn none() -> __m128i {
        _mm_setzero_si128()
    }

    #[inline(always)]
    unsafe fn or(self, other: __m128i) -> __m128i {
        _mm_or_si128(self, other)
    }

    #[inline(always)]
    unsafe fn and(self, other: __m128i) -> __m128i {
        _mm_and_si128(self, other)
    }

    #[inline(always)]
    unsafe fn and_not(self, other: __m128i) -> __m128i {
        _mm_andnot_si128(other, self)
    }

    #[inline(always)]
    unsafe fn first(self) -> Option<usize> {
        let bits = _mm_movemask_epi8(self);
        (bits != 0).then(|| bits.trailing_zeros() as usize)
    }

    #[inline(always)]
    unsafe fn first_not(self) -> Option<usize> {
        let bits = _mm_movemask_epi8(self) ^ 0xFFFF;
        (bits != 0).then(|| bits.trailing_zeros() as usize)
    }

    #[inline(always)]
    unsafe fn bits(self) -> u64 {
        u64::from(_mm_movemask_epi8(self) as u32)
    }
}
