//! Text without a second validation.
//!
//! The only unsafe function of the parser outside of `simd`. What a document holds is validated once, in bulk, when it
//! arrives ([`crate::xml::input::buffer`]); names, values and text are slices of that, cut beside ASCII characters
//! or at [`floor`]. Validating each of them again would cost a third of the parser's speed.
#![allow(unsafe_code)]

/// Debug builds check texts of up to this number of bytes, and fuzzers all of them. Calls of the tests' library are timed, and a call
/// looks at all values of a tag.
const CHECKED: usize = if cfg!(fuzzing) { usize::MAX } else { 4 * 1024 };

/// `bytes` as a string.
///
/// # Safety
///
/// They are UTF-8: a part of validated text that is cut at character boundaries. Debug builds, which the tests and the
/// fuzzers run, check it: see [`CHECKED`].
#[inline]
pub(crate) unsafe fn text(bytes: &[u8]) -> &str {
    debug_assert!(bytes.len() > CHECKED || std::str::from_utf8(bytes).is_ok());
    // SAFETY: by this function's contract.
    unsafe { std::str::from_utf8_unchecked(bytes) }
}

/// The largest character boundary in `bytes`, which is valid text, not beyond `at`.
#[inline]
pub(crate) fn floor(bytes: &[u8], at: usize) -> usize {
    if at >= bytes.len() {
        return bytes.len();
    }
    let mut at = at;
    while at > 0 && is_continuation(bytes[at]) {
        at -= 1;
    }
    at
}

/// How many of `bytes` there are before a character that may be cut off at their end.
pub(crate) fn whole_characters(bytes: &[u8]) -> usize {
    let last = bytes
        .iter()
        .rev()
        .take(4)
        .position(|&byte| !is_continuation(byte));
    let len = bytes.len();
    match last.map(|back| (back + 1, bytes[len - 1 - back])) {
        Some((held, first)) if held < character_len(first) => len - held,
        _ => len,
    }
}

/// How long the character is that begins with this byte.
fn character_len(first: u8) -> usize {
    first.leading_ones().max(1) as usize
}

/// Whether a byte of valid text is inside a character rather than at its start.
#[inline]
pub(crate) fn is_continuation(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_cut_off_is_not_whole() {
        for text in ["", "a", "aé", "a€", "a😀", "😀é"] {
            let bytes = text.as_bytes();
            assert_eq!(whole_characters(bytes), bytes.len());
            for cut in 0..bytes.len() {
                assert_eq!(
                    whole_characters(&bytes[..cut]),
                    floor(bytes, cut),
                    "{text} {cut}"
                );
            }
        }
    }

    #[test]
    fn floor_never_cuts_a_character() {
        let bytes = "aé€😀".as_bytes();
        let floors: Vec<usize> = (0..=11).map(|at| floor(bytes, at)).collect();
        assert_eq!(floors, [0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10]);
    }
}
