//! Sixty-four bytes: AVX-512, with the byte permutations and compressions that processors have since 2019.
//!
//! Unsafe by the contract of [`Vector`]: its instructions are used by functions that are compiled for them, and called
//! where [`is_there`] says so; reads are [`Vector::load`]'s, and what is written fits, as said where it is.
#![allow(unsafe_code, unsafe_op_in_unsafe_fn)]

mod utf8_scan;

pub(in crate::xml::simd) use self::utf8_scan::copy_and_scan;
use crate::xml::simd::positions::Positions;
use crate::xml::simd::structural_index::build::{self, Words};
use crate::xml::simd::utf8_scan::algorithm::{ScanResult, scan_with};
use crate::xml::simd::vector::{BLOCK, Mask, Slots, Vector};
use std::arch::x86_64::*;

pub(in crate::xml::simd) fn is_there() -> bool {
    is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vbmi")
        && is_x86_feature_detected!("avx512vbmi2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("popcnt")
}

/// # Safety
///
/// [`is_there`].
#[target_feature(enable = "avx512bw,avx512vbmi2,avx512vl,bmi1,popcnt")]
pub(in crate::xml::simd) unsafe fn build(
    text: &[u8],
    start: usize,
    positions: &mut Positions,
    quotes: &mut Words,
) -> usize {
    build::build::<__m512i>(text, start, positions, quotes)
}

/// # Safety
///
/// [`is_there`].
#[target_feature(enable = "avx512bw,popcnt")]
pub(in crate::xml::simd) unsafe fn scan(text: &[u8]) -> ScanResult {
    scan_with::<__m512i>(text)
}

/// From 0 on.
const NUMBERS: [u8; BLOCK] = {
    let mut numbers = [0; BLOCK];
    let mut number = 0;
    while number < BLOCK {
        numbers[number] = number as u8;
        number += 1;
    }
    numbers
};

/// `<` and `&` by their lower half; what stands for the others is none of them.
const OPENING: [u8; 16] = {
    let mut table = [0xFF; 16];
    table[(b'<' % 16) as usize] = b'<';
    table[(b'&' % 16) as usize] = b'&';
    table
};

/// Most blocks have no more positions.
const FEW: usize = 16;

impl Vector for __m512i {
    type Mask = __mmask64;

    const BYTES: usize = 64;

    #[inline(always)]
    unsafe fn load(bytes: *const u8) -> __m512i {
        _mm512_loadu_si512(bytes.cast())
    }

    #[inline(always)]
    unsafe fn with_bits(self, bits: u8) -> __m512i {
        _mm512_or_si512(self, _mm512_set1_epi8(bits as i8))
    }

    #[inline(always)]
    unsafe fn is(self, byte: u8) -> __mmask64 {
        _mm512_cmpeq_epi8_mask(self, _mm512_set1_epi8(byte as i8))
    }

    #[inline(always)]
    unsafe fn is_in(self, first: u8, last: u8) -> __mmask64 {
        let beyond = _mm512_sub_epi8(self, _mm512_set1_epi8(first as i8));
        _mm512_cmple_epu8_mask(beyond, _mm512_set1_epi8((last - first) as i8))
    }

    /// Zero where something is what is looked for: the smaller is where one of them is. Comparisons have fewer places
    /// in the processor where they can be done.
    #[inline(always)]
    unsafe fn is_markup(self, behind: __m512i) -> __mmask64 {
        let opening = _mm512_broadcast_i32x4(_mm_loadu_si128(OPENING.as_ptr().cast()));
        let opens = _mm512_xor_si512(self, _mm512_shuffle_epi8(opening, self));
        let closes = _mm512_or_si512(
            _mm512_xor_si512(behind, _mm512_set1_epi8(b']' as i8)),
            _mm512_xor_si512(self, _mm512_set1_epi8(b'>' as i8)),
        );
        let markup = _mm512_min_epu8(opens, closes);
        _mm512_testn_epi8_mask(markup, markup)
    }

    /// All at once: the numbers of the bits that are set, side by side.
    #[inline(always)]
    unsafe fn write_positions(slots: &mut Slots, bits: u64, at: usize) {
        let numbers = _mm512_maskz_compress_epi8(bits, _mm512_loadu_si512(NUMBERS.as_ptr().cast()));
        let slots = slots.as_mut_ptr();
        let few = _mm256_cvtepu8_epi16(_mm512_castsi512_si128(numbers));
        let few = _mm256_add_epi16(_mm256_set1_epi16(at as i16), few);
        // SAFETY: of sixty-four slots, sixteen are written.
        _mm256_storeu_si256(slots.cast(), few);
        if bits.count_ones() as usize > FEW {
            let at = _mm512_set1_epi16(at as i16);
            let half = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(numbers));
            let other = _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64::<1>(numbers));
            // SAFETY: of sixty-four slots, both halves are written.
            _mm512_storeu_si512(slots.cast(), _mm512_add_epi16(at, half));
            _mm512_storeu_si512(slots.add(BLOCK / 2).cast(), _mm512_add_epi16(at, other));
        }
    }
}

impl Mask for __mmask64 {
    #[inline(always)]
    unsafe fn none() -> __mmask64 {
        0
    }

    #[inline(always)]
    unsafe fn or(self, other: __mmask64) -> __mmask64 {
        self | other
    }

    #[inline(always)]
    unsafe fn and(self, other: __mmask64) -> __mmask64 {
        self & other
    }

    #[inline(always)]
    unsafe fn and_not(self, other: __mmask64) -> __mmask64 {
        self & !other
    }

    #[inline(always)]
    unsafe fn first(self) -> Option<usize> {
        (self != 0).then(|| self.trailing_zeros() as usize)
    }

    #[inline(always)]
    unsafe fn first_not(self) -> Option<usize> {
        (!self).first()
    }

    #[inline(always)]
    unsafe fn bits(self) -> u64 {
        self
    }
}
