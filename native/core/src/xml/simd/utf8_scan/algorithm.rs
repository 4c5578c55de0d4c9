//! The scan with the vector of an architecture.
#![allow(unsafe_code)]

use crate::xml::simd::vector::{BLOCK, Mask, Vector};
use std::ops::AddAssign;

/// The findings of a scan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ScanResult {
    /// A control character that no document may hold.
    pub control: bool,
    /// A byte that U+FFFE and U+FFFF begin with.
    pub noncharacter: bool,
    /// A CR.
    pub returns: bool,
    /// How many LFs.
    pub line_feeds: usize,
}

impl AddAssign for ScanResult {
    fn add_assign(&mut self, other: ScanResult) {
        self.control |= other.control;
        self.noncharacter |= other.noncharacter;
        self.returns |= other.returns;
        self.line_feeds += other.line_feeds;
    }
}

/// # Safety
///
/// The processor has the instructions of `V`.
#[inline(always)]
pub(in crate::xml::simd) unsafe fn scan_with<V: Vector>(text: &[u8]) -> ScanResult {
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    // SAFETY: by this function's contract.
    unsafe {
        let mut found = Findings::<V>::new();
        for block in blocks {
            found.look(block);
        }
        if !rest.is_empty() {
            // Spaces are as good as nothing.
            let mut last = [b' '; BLOCK];
            last[..rest.len()].copy_from_slice(rest);
            found.look(&last);
        }
        found.result()
    }
}

/// The findings so far.
struct Findings<V: Vector> {
    control: V::Mask,
    noncharacter: V::Mask,
    returns: V::Mask,
    line_feeds: usize,
}

impl<V: Vector> Findings<V> {
    /// # Safety
    ///
    /// The processor has the instructions of `V`; so for all below.
    #[inline(always)]
    unsafe fn new() -> Findings<V> {
        // SAFETY: by this function's contract.
        let none = unsafe { V::Mask::none() };
        Findings {
            control: none,
            noncharacter: none,
            returns: none,
            line_feeds: 0,
        }
    }

    #[inline(always)]
    unsafe fn look(&mut self, block: &[u8; BLOCK]) {
        let mut at = 0;
        // SAFETY: a block has a whole number of vectors; and by this function's contract.
        unsafe {
            while at < BLOCK {
                let bytes = V::load(block.as_ptr().add(at));
                let returns = bytes.is(b'\r');
                let spaces = returns.or(bytes.is(b'\n')).or(bytes.is(b'\t'));
                let control = bytes.is_in(0, 0x1F).and_not(spaces);
                self.control = self.control.or(control);
                self.noncharacter = self.noncharacter.or(bytes.is(0xEF));
                self.returns = self.returns.or(returns);
                at += V::BYTES;
            }
            let line_feeds = V::word(|at| V::load(block.as_ptr().add(at)).is(b'\n'));
            self.line_feeds += line_feeds.count_ones() as usize;
        }
    }

    #[inline(always)]
    unsafe fn result(&self) -> ScanResult {
        // SAFETY: by this function's contract.
        unsafe {
            ScanResult {
                control: self.control.first().is_some(),
                noncharacter: self.noncharacter.first().is_some(),
                returns: self.returns.first().is_some(),
                line_feeds: self.line_feeds,
            }
        }
    }
}
