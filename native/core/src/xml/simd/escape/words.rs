//! What is special in a word of eight bytes.

use super::{ANYWHERE, DOUBLE_QUOTED, SINGLE_QUOTED, TEXT};

pub(super) const HIGH: u64 = all(0x80);

pub(super) const fn all(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The highest bit of each byte whose lower seven bits are at most `last` and whose highest is not set.
#[inline(always)]
fn at_most(word: u64, last: u8) -> u64 {
    // Nothing is carried to the next byte.
    !(((word & !HIGH) + all(0x7F - last)) | word) & HIGH
}

#[inline(always)]
fn is(word: u64, byte: u8) -> u64 {
    at_most(word ^ all(byte), 0)
}

/// What [`special`](super::special) finds, in a word.
#[inline(always)]
pub(super) fn special_bytes<const CONTEXT: usize>(word: u64) -> u64 {
    let mut special = is(word | all(2), b'>') | is(word, b'&') | is(word, 0xEF);
    let control = at_most(word, 0x1F);
    special |= match CONTEXT {
        TEXT => control & !(is(word, b'\n') | is(word, b'\t')),
        _ => control,
    };
    if CONTEXT == DOUBLE_QUOTED || CONTEXT == ANYWHERE {
        special |= is(word, b'"');
    }
    if CONTEXT == SINGLE_QUOTED || CONTEXT == ANYWHERE {
        special |= is(word, b'\'');
    }
    special
}
