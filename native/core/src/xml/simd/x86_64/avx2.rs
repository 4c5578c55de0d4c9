//! Thirty-two bytes: AVX2.
//!
//! Unsafe by the contract of [`Vector`]: its instructions are used by functions that are compiled for them, and called
//! where [`is_there`] says so; reads are [`Vector::load`]'s.
#![allow(unsafe_code, unsafe_op_in_unsafe_fn)]

use crate::xml::simd::positions::Positions;
use crate::xml::simd::structural_index::build::{self, Words};
use crate::xml::simd::utf8_scan::algorithm::{ScanResult, scan_with};
use crate::xml::simd::vector::{Mask, Vector};
use std::arch::x86_64::*;

pub(in crate::xml::simd) fn is_there() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("popcnt")
}

/// # Safety
///
/// [`is_there`].
#[target_feature(enable = "avx2,bmi1,popcnt")]
pub(in crate::xml::simd) unsafe fn build(
    text: &[u8],
    start: usize,
    positions: &mut Positions,
    quotes: &mut Words,
) -> usize {
    build::build::<__m256i>(text, start, positions, quotes)
}

/// # Safety
///
/// [`is_there`].
#[target_feature(enable = "avx2,bmi1,popcnt")]
pub(in crate::xml::simd) unsafe fn scan(text: &[u8]) -> ScanResult {
    scan_with::<__m256i>(text)
}

impl Vector for __m256i {
    type Mask = __m256i;

    const BYTES: usize = 32;

    #[inline(always)]
    unsafe fn load(bytes: *const u8) -> __m256i {
        _mm256_loadu_si256(bytes.cast())
    }

    #[inline(always)]
    unsafe fn with_bits(self, bits: u8) -> __m256i {
        _mm256_or_si256(self, _mm256_set1_epi8(bits as i8))
    }

    #[inline(always)]
    unsafe fn is(self, byte: u8) -> __m256i {
        _mm256_cmpeq_epi8(self, _mm256_set1_epi8(byte as i8))
    }

    #[inline(always)]
    unsafe fn is_in(self, first: u8, last: u8) -> __m256i {
        let beyond = _mm256_sub_epi8(self, _mm256_set1_epi8(first as i8));
        // Only signed bytes can be compared: the smaller of the two is itself where it is at most that.
        let largest = _mm256_set1_epi8((last - first) as i8);
        _mm256_cmpeq_epi8(_mm256_min_epu8(beyond, largest), beyond)
    }
}

/// All bits of a byte, or none.
impl Mask for __m256i {
    #[inline(always)]
    unsafe fn none() -> __m256i {
        _mm256_setzero_si256()
    }

    #[inline(always)]
    unsafe fn or(self, other: __m256i) -> __m256i {
        _mm256_or_si256(self, other)
    }

    #[inline(always)]
    unsafe fn and(self, other: __m256i) -> __m256i {
        _mm256_and_si256(self, other)
    }

    #[inline(always)]
    unsafe fn and_not(self, other: __m256i) -> __m256i {
        _mm256_andnot_si256(other, self)
    }

    #[inline(always)]
    unsafe fn first(self) -> Option<usize> {
        let bits = _mm256_movemask_epi8(self);
        (bits != 0).then(|| bits.trailing_zeros() as usize)
    }

    #[inline(always)]
    unsafe fn first_not(self) -> Option<usize> {
        let bits = !_mm256_movemask_epi8(self);
        (bits != 0).then(|| bits.trailing_zeros() as usize)
    }

    #[inline(always)]
    unsafe fn bits(self) -> u64 {
        u64::from(_mm256_movemask_epi8(self) as u32)
    }
}
