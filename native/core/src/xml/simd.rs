//! Searches in text with vectors: one algorithm each, over the [`Vector`](vector::Vector) of an architecture.
//!
//! ```text
//! byte_search       where a token ends: its first bytes are looked at with the vectors that every processor has
//! structural_index  where markup and quotes stand in the next sixteen thousand bytes; positions: as a list
//! escape            text copied behind what was written, escaped and checked
//! utf8_scan         what is in a chunk: controls, CRs, LFs; with AVX-512 also whether it is UTF-8
//!
//! x86_64/{sse2,avx2,avx512}   aarch64/neon   portable (eight bytes in a word)
//! ```
//!
//! The widest set of kernels that the processor has is taken, when the program runs. The features `simd-portable`,
//! `simd-sse2` and `simd-avx2` of this crate take no wider one, so that `bin/simd` can test each on one machine. Every
//! set finds what the plain loops of `tests/reference.rs` find.

pub(crate) mod append;
pub(crate) mod byte_search;
pub(crate) mod escape;
mod kernel_set;
mod positions;
pub(crate) mod short;
pub(crate) mod structural_index;
pub(crate) mod utf8_scan;
mod vector;

#[cfg(all(target_arch = "aarch64", not(feature = "simd-portable")))]
mod aarch64;
#[cfg(any(
    test,
    feature = "simd-portable",
    not(any(target_arch = "x86_64", target_arch = "aarch64"))
))]
mod portable;
#[cfg(all(target_arch = "x86_64", not(feature = "simd-portable")))]
mod x86_64;

#[cfg(all(target_arch = "aarch64", not(feature = "simd-portable")))]
use self::aarch64 as kernels;
#[cfg(any(
    feature = "simd-portable",
    not(any(target_arch = "x86_64", target_arch = "aarch64"))
))]
use self::portable as kernels;
#[cfg(all(target_arch = "x86_64", not(feature = "simd-portable")))]
use self::x86_64 as kernels;

/// The set of kernels that is used here: `portable`, `sse2`, `avx2`, `avx512` or `neon`.
pub fn kernel_set() -> &'static str {
    kernels::set().name()
}

#[cfg(all(test, not(loom)))]
#[allow(unsafe_code, clippy::unwrap_used)]
mod tests;
