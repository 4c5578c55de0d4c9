//! Sixteen bytes: NEON.
//!
//! Unsafe by the contract of [`Vector`]: no instruction here is missing on any aarch64, and reads are [`Vector::load`]'s.
#![allow(unsafe_code, unsafe_op_in_unsafe_fn)]

use crate::xml::simd::positions::Positions;
use crate::xml::simd::structural_index::build::{self, Words};
use crate::xml::simd::utf8_scan::algorithm::{ScanResult, scan_with};
use crate::xml::simd::vector::{BaselineVector, Mask, Vector};
use std::arch::aarch64::*;

pub(in crate::xml::simd) fn build(
    text: &[u8],
    start: usize,
    positions: &mut Positions,
    quotes: &mut Words,
) -> usize {
    // SAFETY: NEON is part of aarch64.
    unsafe { build::build::<uint8x16_t>(text, start, positions, quotes) }
}

pub(in crate::xml::simd) fn scan(text: &[u8]) -> ScanResult {
    // SAFETY: as above.
    unsafe { scan_with::<uint8x16_t>(text) }
}

/// The bit of each byte within eight.
const BITS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];

impl Vector for uint8x16_t {
    type Mask = uint8x16_t;

    const BYTES: usize = 16;

    #[inline(always)]
    unsafe fn load(bytes: *const u8) -> uint8x16_t {
        vld1q_u8(bytes)
    }

    #[inline(always)]
    unsafe fn with_bits(self, bits: u8) -> uint8x16_t {
        vorrq_u8(self, vdupq_n_u8(bits))
    }

    #[inline(always)]
    unsafe fn is(self, byte: u8) -> uint8x16_t {
        vceqq_u8(self, vdupq_n_u8(byte))
    }

    #[inline(always)]
    unsafe fn is_in(self, first: u8, last: u8) -> uint8x16_t {
        vcleq_u8(vsubq_u8(self, vdupq_n_u8(first)), vdupq_n_u8(last - first))
    }

    /// There is no instruction for one vector's bits: those of four are added up side by side, three times.
    #[inline(always)]
    unsafe fn word(mask: impl Fn(usize) -> uint8x16_t) -> u64 {
        let bits = vld1q_u8(BITS.as_ptr());
        let first = vpaddq_u8(vandq_u8(mask(0), bits), vandq_u8(mask(16), bits));
        let second = vpaddq_u8(vandq_u8(mask(32), bits), vandq_u8(mask(48), bits));
        let all = vpaddq_u8(first, second);
        vgetq_lane_u64::<0>(vreinterpretq_u64_u8(vpaddq_u8(all, all)))
    }
}

/// Four bits for each byte.
#[inline(always)]
unsafe fn nibbles(mask: uint8x16_t) -> u64 {
    let narrow = vshrn_n_u16::<4>(vreinterpretq_u16_u8(mask));
    vget_lane_u64::<0>(vreinterpret_u64_u8(narrow))
}

impl BaselineVector for uint8x16_t {
    #[inline(always)]
    unsafe fn same(self, other: uint8x16_t) -> usize {
        nibbles(vceqq_u8(self, other)).trailing_ones() as usize / 4
    }
}

/// All bits of a byte, or none.
impl Mask for uint8x16_t {
    #[inline(always)]
    unsafe fn none() -> uint8x16_t {
        vdupq_n_u8(0)
    }

    #[inline(always)]
    unsafe fn or(self, other: uint8x16_t) -> uint8x16_t {
        vorrq_u8(self, other)
    }

    #[inline(always)]
    unsafe fn and(self, other: uint8x16_t) -> uint8x16_t {
        vandq_u8(self, other)
    }

    #[inline(always)]
    unsafe fn and_not(self, other: uint8x16_t) -> uint8x16_t {
        vbicq_u8(self, other)
    }

    #[inline(always)]
    unsafe fn first(self) -> Option<usize> {
        let nibbles = nibbles(self);
        (nibbles != 0).then(|| nibbles.trailing_zeros() as usize / 4)
    }

    #[inline(always)]
    unsafe fn first_not(self) -> Option<usize> {
        let nibbles = !nibbles(self);
        (nibbles != 0).then(|| nibbles.trailing_zeros() as usize / 4)
    }

    #[inline(always)]
    unsafe fn bits(self) -> u64 {
        let bits = vandq_u8(self, vld1q_u8(BITS.as_ptr()));
        let low = vaddv_u8(vget_low_u8(bits));
        let high = vaddv_u8(vget_high_u8(bits));
        u64::from(low) | u64::from(high) << 8
    }
}
