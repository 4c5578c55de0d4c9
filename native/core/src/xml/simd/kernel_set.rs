//! The sets of kernels, one of which is used.

/// Kernels that are used together. Not every set is made on every architecture.
#[allow(dead_code)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KernelSet {
    Portable,
    Sse2,
    Avx2,
    Avx512,
    Neon,
}

impl KernelSet {
    pub fn name(self) -> &'static str {
        match self {
            KernelSet::Portable => "portable",
            KernelSet::Sse2 => "sse2",
            KernelSet::Avx2 => "avx2",
            KernelSet::Avx512 => "avx512",
            KernelSet::Neon => "neon",
        }
    }
}
