//! NEON, which every aarch64 has.

pub(super) mod neon;

use crate::arena::account::Refusal;
use crate::arena::charged_vec::ChargedVec;
use crate::xml::simd::kernel_set::KernelSet;
use crate::xml::simd::utf8_scan::algorithm::ScanResult;

pub(super) use self::neon::{build, scan};

pub(super) type Baseline = std::arch::aarch64::uint8x16_t;

pub(super) fn set() -> KernelSet {
    KernelSet::Neon
}

pub(super) fn copy_and_scan(
    bytes: &[u8],
    text: &mut ChargedVec<u8>,
) -> Result<Option<ScanResult>, Refusal> {
    text.extend_from_slice(bytes)?;
    Ok(None)
}
