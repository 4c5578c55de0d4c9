//! Text without a second validation.
//!
//! The only unsafe code of the parser. What a document holds is validated once, in bulk, when it
//! arrives ([`super::input`]); names, values and text are slices of that, cut beside ASCII characters
//! or at [`floor`]. Validating each of them again would cost a third of the parser's speed.
#![allow(unsafe_code)]

/// `bytes`, which are a part of validated text cut at character boundaries, as a string.
#[inline]
pub(crate) fn text(bytes: &[u8]) -> &str {
    debug_assert!(std::str::from_utf8(bytes).is_ok());
    // SAFETY: by this function's contract, kept by the scanner and checked above in every debug build,
    // which is what the tests and the fuzzers run.
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

/// Whether a byte of valid text is inside a character rather than at its start.
#[inline]
pub(crate) fn is_continuation(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn floor_never_cuts_a_character() {
        let bytes = "aé€😀".as_bytes();
        let floors: Vec<usize> = (0..=11).map(|at| floor(bytes, at)).collect();
        assert_eq!(floors, [0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10]);
    }
}
