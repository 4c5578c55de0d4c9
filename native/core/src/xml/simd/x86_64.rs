//! The widest kernels that this processor has and this build may use.
#![allow(unsafe_code)]

pub(super) mod avx2;
pub(super) mod avx512;
pub(super) mod sse2;

use crate::arena::account::Refusal;
use crate::arena::charged_vec::ChargedVec;
use crate::xml::simd::kernel_set::KernelSet;
use crate::xml::simd::positions::Positions;
use crate::xml::simd::structural_index::build::Words;
use crate::xml::simd::utf8_scan::algorithm::ScanResult;

pub(super) type Baseline = std::arch::x86_64::__m128i;

const WITH_AVX2: bool = !cfg!(feature = "simd-sse2");
const WITH_AVX512: bool = WITH_AVX2 && !cfg!(feature = "simd-avx2");

#[inline(always)]
pub(super) fn set() -> KernelSet {
    if WITH_AVX512 && avx512::is_there() {
        KernelSet::Avx512
    } else if WITH_AVX2 && avx2::is_there() {
        KernelSet::Avx2
    } else {
        KernelSet::Sse2
    }
}

pub(super) fn build(
    text: &[u8],
    start: usize,
    positions: &mut Positions,
    quotes: &mut Words,
) -> usize {
    match set() {
        // SAFETY: the processor has it.
        KernelSet::Avx512 => unsafe { avx512::build(text, start, positions, quotes) },
        // SAFETY: the processor has it.
        KernelSet::Avx2 => unsafe { avx2::build(text, start, positions, quotes) },
        _ => sse2::build(text, start, positions, quotes),
    }
}

pub(super) fn scan(text: &[u8]) -> ScanResult {
    match set() {
        // SAFETY: the processor has it.
        KernelSet::Avx512 => unsafe { avx512::scan(text) },
        // SAFETY: the processor has it.
        KernelSet::Avx2 => unsafe { avx2::scan(text) },
        _ => sse2::scan(text),
    }
}

pub(super) fn copy_and_scan(
    bytes: &[u8],
    text: &mut ChargedVec<u8>,
) -> Result<Option<ScanResult>, Refusal> {
    if set() == KernelSet::Avx512 {
        // SAFETY: the processor has it.
        return unsafe { avx512::copy_and_scan(bytes, text) };
    }
    text.extend_from_slice(bytes)?;
    Ok(None)
}
