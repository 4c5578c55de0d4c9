//! The operations on vectors of bytes that the searches in this folder are made of.
#![allow(unsafe_code)]

/// Bytes whose masks make one word, a bit for each byte.
pub(super) const BLOCK: usize = 64;

/// The slots for the positions of one block; the next block overwrites the slots beyond them.
pub(super) type Slots = [u16; BLOCK];

/// A vector of bytes.
///
/// # Safety
///
/// Its methods are instructions that not every processor has. They must be called only where the processor has
/// them, from functions that are compiled for them, into which they are inlined.
pub(super) trait Vector: Copy {
    /// A truth value for each byte.
    type Mask: Mask;

    /// Divides [`BLOCK`].
    const BYTES: usize;

    /// # Safety
    ///
    /// As for all; and `BYTES` bytes can be read from `bytes`, which need not be aligned.
    unsafe fn load(bytes: *const u8) -> Self;

    /// Sets `bits` in every byte.
    unsafe fn with_bits(self, bits: u8) -> Self;

    unsafe fn is(self, byte: u8) -> Self::Mask;

    /// Bytes from `first` to `last`, both of which are ASCII characters.
    unsafe fn is_in(self, first: u8, last: u8) -> Self::Mask;

    /// `<`, `&`, and the `>` of `]>`, given the bytes that begin one byte before.
    #[inline(always)]
    unsafe fn is_markup(self, behind: Self) -> Self::Mask {
        // SAFETY: by this function's contract.
        unsafe {
            let opens = self.is(b'<').or(self.is(b'&'));
            opens.or(self.is(b'>').and(behind.is(b']')))
        }
    }

    /// The masks of a block as a word, the first byte in the lowest bit. `mask` gives the one of the vector that
    /// begins at its argument.
    #[inline(always)]
    unsafe fn word(mask: impl Fn(usize) -> Self::Mask) -> u64 {
        let mut word = 0;
        let mut at = 0;
        while at < BLOCK {
            // SAFETY: by this function's contract.
            word |= unsafe { mask(at).bits() } << at;
            at += Self::BYTES;
        }
        word
    }

    /// Writes the positions of the bits of the block at `at` to the first slots; the others may become anything.
    #[inline(always)]
    unsafe fn write_positions(slots: &mut Slots, bits: u64, at: usize) {
        write(slots, bits, at);
    }
}

/// The vector that every processor of an architecture has.
pub(super) trait BaselineVector: Vector {
    /// The number of bytes that both have in common from their start.
    unsafe fn same(self, other: Self) -> usize;
}

/// A truth value for each byte of a vector.
///
/// # Safety
///
/// As for the vector.
pub(super) trait Mask: Copy {
    unsafe fn none() -> Self;

    unsafe fn or(self, other: Self) -> Self;

    unsafe fn and(self, other: Self) -> Self;

    /// Where `other` is not.
    unsafe fn and_not(self, other: Self) -> Self;

    /// The index of the first byte for which it is true.
    unsafe fn first(self) -> Option<usize>;

    /// The index of the first byte for which it is false.
    unsafe fn first_not(self) -> Option<usize>;

    /// One bit for each byte, the first in the lowest.
    unsafe fn bits(self) -> u64;
}

/// Writes the positions of the bits of a block at `at`.
///
/// Several at once, even if there are fewer: branch prediction handles small counts.
#[inline(always)]
fn write(slots: &mut Slots, bits: u64, at: usize) {
    const AT_ONCE: usize = 4;
    let mut left = bits;
    for group in slots.as_chunks_mut::<AT_ONCE>().0 {
        for slot in group {
            *slot = (at + left.trailing_zeros() as usize) as u16;
            left &= left.wrapping_sub(1);
        }
        if left == 0 {
            break;
        }
    }
}
