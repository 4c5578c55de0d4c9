//! Searches in text, sixteen bytes at a time.
//!
//! Most tokens are shorter than a call of memchr costs; looked up in a table byte by byte, they would
//! take twice as long. The only unsafe code here calls instructions that every x86-64 has, or that were
//! found to be there.

/// How many bytes are looked at together.
pub(crate) const BLOCK: usize = 16;

/// How many bytes two blocks have in common from their start.
#[inline(always)]
pub(crate) fn common(a: &[u8; BLOCK], b: &[u8; BLOCK]) -> usize {
    masks::equal(a, b).trailing_ones() as usize
}

/// The first index from `from` where plain text ends, `<`, `&`, a CR or the `>` of `]]>`, or the length.
///
/// Text has more brackets than it has `>`, which most writers escape.
#[inline(always)]
pub(crate) fn text_end(bytes: &[u8], from: usize) -> usize {
    let plain = |byte: u8| !matches!(byte, b'<' | b'&' | b'>' | b'\r');
    let mut end = find(bytes, from, masks::text, plain);
    while bytes.get(end) == Some(&b'>') && !bytes[from..end].ends_with(b"]]") {
        end = find(bytes, end + 1, masks::text, plain);
    }
    end
}

/// The first index from `from` that may end a plain value, `quote`, `<`, `&` or a control, or the length.
#[inline(always)]
pub(crate) fn value_end(bytes: &[u8], from: usize, quote: u8) -> usize {
    match quote {
        // Its masks are constants.
        b'"' => value_end_before(bytes, from, b'"'),
        quote => value_end_before(bytes, from, quote),
    }
}

#[inline(always)]
fn value_end_before(bytes: &[u8], from: usize, quote: u8) -> usize {
    let plain = |byte: u8| byte != quote && byte != b'<' && byte != b'&' && byte >= b' ';
    find(bytes, from, |block| masks::value(block, quote), plain)
}

/// The first index from `from` that is not an ASCII character of names, or the length.
#[inline(always)]
pub(crate) fn name_end(bytes: &[u8], from: usize) -> usize {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-' | b'.');
    find(bytes, from, masks::name, plain)
}

/// The first byte whose bit `mask` sets; the last ones, less than a block, are told by `plain`.
#[inline(always)]
fn find(
    bytes: &[u8],
    from: usize,
    mask: impl Fn(&[u8; BLOCK]) -> u32,
    plain: impl Fn(u8) -> bool,
) -> usize {
    let mut at = from;
    while let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let found = mask(block);
        if found != 0 {
            return at + found.trailing_zeros() as usize;
        }
        at += BLOCK;
    }
    while at < bytes.len() && plain(bytes[at]) {
        at += 1;
    }
    at
}

/// One bit for each byte of a block that is not plain.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod masks {
    use super::BLOCK;
    use std::arch::x86_64::*;

    #[inline(always)]
    pub fn equal(a: &[u8; BLOCK], b: &[u8; BLOCK]) -> u32 {
        // SAFETY: SSE2 is part of x86-64; sixteen bytes are there.
        unsafe {
            let a = _mm_loadu_si128(a.as_ptr().cast());
            let b = _mm_loadu_si128(b.as_ptr().cast());
            _mm_movemask_epi8(_mm_cmpeq_epi8(a, b)) as u32
        }
    }

    #[inline(always)]
    pub fn text(block: &[u8; BLOCK]) -> u32 {
        // SAFETY: as above.
        unsafe {
            let bytes = _mm_loadu_si128(block.as_ptr().cast());
            let markup = _mm_or_si128(is(bytes, b'<'), is(bytes, b'&'));
            let others = _mm_or_si128(is(bytes, b'>'), is(bytes, b'\r'));
            _mm_movemask_epi8(_mm_or_si128(markup, others)) as u32
        }
    }

    #[inline(always)]
    pub fn value(block: &[u8; BLOCK], quote: u8) -> u32 {
        // SAFETY: as above.
        unsafe {
            let bytes = _mm_loadu_si128(block.as_ptr().cast());
            let markup = _mm_or_si128(is(bytes, b'<'), is(bytes, b'&'));
            let others = _mm_or_si128(is(bytes, quote), at_most(bytes, 0x1F));
            _mm_movemask_epi8(_mm_or_si128(markup, others)) as u32
        }
    }

    #[inline(always)]
    pub fn name(block: &[u8; BLOCK]) -> u32 {
        // SAFETY: as above.
        unsafe {
            let bytes = _mm_loadu_si128(block.as_ptr().cast());
            let lower = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
            let letter = at_most(_mm_sub_epi8(lower, _mm_set1_epi8(b'a' as i8)), 25);
            // From '-' to ':' are '-', '.', the slash, digits and ':'.
            let other = at_most(_mm_sub_epi8(bytes, _mm_set1_epi8(b'-' as i8)), b':' - b'-');
            let other = _mm_andnot_si128(is(bytes, b'/'), other);
            let plain = _mm_or_si128(_mm_or_si128(letter, other), is(bytes, b'_'));
            !(_mm_movemask_epi8(plain) as u32) & 0xFFFF
        }
    }

    #[inline(always)]
    unsafe fn is(bytes: __m128i, byte: u8) -> __m128i {
        // SAFETY: as above.
        unsafe { _mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte as i8)) }
    }

    /// Unsigned: SSE2 compares signed bytes only.
    #[inline(always)]
    unsafe fn at_most(bytes: __m128i, byte: u8) -> __m128i {
        // SAFETY: as above.
        unsafe { _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(byte as i8)), bytes) }
    }
}

/// One bit for each byte of a block that is not plain.
#[cfg(not(target_arch = "x86_64"))]
mod masks {
    use super::BLOCK;

    pub fn equal(a: &[u8; BLOCK], b: &[u8; BLOCK]) -> u32 {
        (0..BLOCK).fold(0, |bits, index| {
            bits | u32::from(a[index] == b[index]) << index
        })
    }

    pub fn text(block: &[u8; BLOCK]) -> u32 {
        bits(block, |byte| matches!(byte, b'<' | b'&' | b'>' | b'\r'))
    }

    pub fn value(block: &[u8; BLOCK], quote: u8) -> u32 {
        bits(block, |byte| {
            byte == quote || byte == b'<' || byte == b'&' || byte < b' '
        })
    }

    pub fn name(block: &[u8; BLOCK]) -> u32 {
        bits(block, |byte| {
            !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-' | b'.'))
        })
    }

    #[inline(always)]
    fn bits(block: &[u8; BLOCK], found: impl Fn(u8) -> bool) -> u32 {
        (0..BLOCK).fold(0, |bits, index| {
            bits | u32::from(found(block[index])) << index
        })
    }
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
