//! Searches in text, with the vectors that every processor of an architecture has.
//!
//! Most tokens are shorter than a call of memchr costs; looked up in a table byte by byte, they would
//! take twice as long. Wider vectors gain nothing here, and asking for them costs.
#![allow(unsafe_code)]

use crate::xml::simd::kernels::Baseline;
use crate::xml::simd::vector::{BaselineVector, Mask, Vector};

/// How many bytes [`common`] compares.
pub(crate) const BLOCK: usize = 16;

/// How many bytes two blocks have in common from their start.
#[inline(always)]
pub(crate) fn common(a: &[u8; BLOCK], b: &[u8; BLOCK]) -> usize {
    // SAFETY: the baseline is part of the architecture.
    unsafe { common_with::<Baseline>(a, b) }
}

/// The first index from `from` where plain text ends, `<`, `&`, a CR or the `>` of `]]>`, or the length.
///
/// Text has more brackets than it has `>`, which most writers escape.
#[inline(always)]
pub(crate) fn text_end(bytes: &[u8], from: usize) -> usize {
    // SAFETY: as above.
    unsafe { text_end_with::<Baseline>(bytes, from) }
}

/// The first index from `from` that may end a plain value, `quote`, `<`, `&` or a control, or the length.
#[inline(always)]
pub(crate) fn value_end(bytes: &[u8], from: usize, quote: u8) -> usize {
    // SAFETY: as above.
    unsafe {
        match quote {
            // Its masks are constants.
            b'"' => value_end_with::<Baseline>(bytes, from, b'"'),
            quote => value_end_with::<Baseline>(bytes, from, quote),
        }
    }
}

/// The first index from `from` that is not an ASCII character of names, or the length.
#[inline(always)]
pub(crate) fn name_end(bytes: &[u8], from: usize) -> usize {
    // SAFETY: as above.
    unsafe { name_end_with::<Baseline>(bytes, from) }
}

/// # Safety
///
/// The processor has the instructions of `V`; so for all below.
#[inline(always)]
pub(super) unsafe fn common_with<V: BaselineVector>(a: &[u8; BLOCK], b: &[u8; BLOCK]) -> usize {
    const { assert!(BLOCK.is_multiple_of(V::BYTES)) };
    let mut at = 0;
    loop {
        // SAFETY: `BYTES` bytes are there, of each part of a block.
        let same = unsafe {
            let a = V::load(a.as_ptr().add(at));
            a.same(V::load(b.as_ptr().add(at)))
        };
        at += same;
        // Known beforehand where a vector is a block: one comparison less.
        if V::BYTES == BLOCK || same < V::BYTES || at == BLOCK {
            return at;
        }
    }
}

#[inline(always)]
pub(super) unsafe fn text_end_with<V: Vector>(bytes: &[u8], from: usize) -> usize {
    let plain = |byte: u8| !matches!(byte, b'<' | b'&' | b'>' | b'\r');
    // SAFETY: by this function's contract.
    let end = |bytes: V| unsafe {
        let markup = bytes.is(b'<').or(bytes.is(b'&'));
        markup.or(bytes.is(b'>').or(bytes.is(b'\r'))).first()
    };
    // SAFETY: as above.
    let find = |from| unsafe { find::<V>(bytes, from, end, plain) };
    let mut at = find(from);
    while bytes.get(at) == Some(&b'>') && !bytes[from..at].ends_with(b"]]") {
        at = find(at + 1);
    }
    at
}

#[inline(always)]
pub(super) unsafe fn value_end_with<V: Vector>(bytes: &[u8], from: usize, quote: u8) -> usize {
    let plain = |byte: u8| byte != quote && byte != b'<' && byte != b'&' && byte >= b' ';
    // SAFETY: by this function's contract.
    let end = |bytes: V| unsafe {
        let markup = bytes.is(b'<').or(bytes.is(b'&'));
        markup.or(bytes.is(quote).or(bytes.is_in(0, 0x1F))).first()
    };
    // SAFETY: as above.
    unsafe { find::<V>(bytes, from, end, plain) }
}

#[inline(always)]
pub(super) unsafe fn name_end_with<V: Vector>(bytes: &[u8], from: usize) -> usize {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-' | b'.');
    // SAFETY: by this function's contract.
    let end = |bytes: V| unsafe {
        let letter = bytes.with_bits(0x20).is_in(b'a', b'z');
        // From '-' to ':' are '-', '.', the slash, digits and ':'.
        let other = bytes.is_in(b'-', b':').and_not(bytes.is(b'/'));
        letter.or(other).or(bytes.is(b'_')).first_not()
    };
    // SAFETY: as above.
    unsafe { find::<V>(bytes, from, end, plain) }
}

/// The first byte that `end` finds; `plain` decides for the last ones, which are less than a vector.
#[inline(always)]
unsafe fn find<V: Vector>(
    bytes: &[u8],
    from: usize,
    end: impl Fn(V) -> Option<usize>,
    plain: impl Fn(u8) -> bool,
) -> usize {
    let mut at = from;
    while bytes.get(at..).is_some_and(|rest| rest.len() >= V::BYTES) {
        // SAFETY: `BYTES` bytes are there, as was just asked.
        if let Some(within) = end(unsafe { V::load(bytes.as_ptr().add(at)) }) {
            return at + within;
        }
        at += V::BYTES;
    }
    while at < bytes.len() && plain(bytes[at]) {
        at += 1;
    }
    at
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Every byte at every place of a text of plain ones.
    fn check(search: impl Fn(&[u8], usize) -> usize, plain: impl Fn(u8) -> bool) {
        for len in [1, 15, 16, 17, 40] {
            for at in 0..len {
                for byte in 0..=u8::MAX {
                    let mut text = vec![b'x'; len];
                    text[at] = byte;
                    for from in [0, at / 2, at] {
                        let expected = if plain(byte) { len } else { at };
                        assert_eq!(search(&text, from), expected, "{byte} at {at} of {len}");
                    }
                    assert_eq!(search(&text, at + 1), len);
                }
            }
        }
    }

    #[test]
    fn searches_stop_at_the_first_byte_that_is_not_plain() {
        check(text_end, |byte| !matches!(byte, b'<' | b'&' | b'\r'));
        check(name_end, |byte| {
            byte.is_ascii_alphanumeric() || b"_:-.".contains(&byte)
        });
        for quote in *b"\"'" {
            check(
                |text, from| value_end(text, from, quote),
                |byte| byte >= 0x20 && byte != quote && !matches!(byte, b'<' | b'&'),
            );
        }
    }

    #[test]
    fn text_ends_before_what_it_may_not_contain() {
        for before in 0..40 {
            let text = format!("{}]>]] >]]]>]]>", ">".repeat(before));
            assert_eq!(text_end(text.as_bytes(), 0), before + 9, "{text}");
            assert_eq!(text_end(text.as_bytes(), before + 8), before + 12, "{text}");
        }
    }

    #[test]
    fn blocks_have_their_first_bytes_in_common() {
        let block: [u8; BLOCK] = *b"0123456789abcdef";
        assert_eq!(common(&block, &block), BLOCK);
        for at in 0..BLOCK {
            let mut other = block;
            other[at] = 0xFF;
            other[BLOCK - 1] = 0;
            assert_eq!(common(&block, &other), at);
        }
    }

    #[test]
    fn beyond_the_end_there_is_nothing() {
        assert_eq!(text_end(b"", 0), 0);
        assert_eq!(name_end(b"abc", 3), 3);
    }
}
