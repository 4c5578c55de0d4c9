//! Texts that were checked, and are written again without another look at them.

use crate::xml::simd::escape::{self, TEXT};
use crate::xml::write::name::HEAD;

/// A text of a few bytes that is written as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortText {
    /// With zeros behind it.
    word: [u8; HEAD],
    len: usize,
}

impl ShortText {
    /// `text`, unless it is empty or long, has anything that is escaped or no document may hold, or is not ASCII.
    #[inline(always)]
    pub fn new(text: &[u8]) -> Option<ShortText> {
        let word = escape::plain_word::<TEXT>(text)?;
        let len = text.len();
        (len > 0).then_some(ShortText { word, len })
    }

    /// The bytes at the beginning of a word.
    #[inline(always)]
    pub(crate) fn word(&self) -> (&[u8; HEAD], usize) {
        (&self.word, self.len)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn texts_are_short_and_written_as_they_are() {
        for len in 0..24 {
            let text = vec![b'x'; len];
            let known = ShortText::new(&text);
            // No longer than a vector, which has 8 bytes at least.
            let is_short = known.is_some();
            assert!(is_short || len == 0 || len >= 8, "{len}");
            assert!(!is_short || (1..HEAD).contains(&len), "{len}");
            for at in 0..len {
                for byte in 0..=0xFF {
                    let mut text = text.clone();
                    text[at] = byte;
                    let is_plain = is_short
                        && (byte == b'\n' || byte == b'\t' || (b' '..0x80).contains(&byte))
                        && !b"<>&".contains(&byte);
                    let known = ShortText::new(&text);
                    assert_eq!(known.is_some(), is_plain, "{byte} at {at} of {len}");
                    if let Some(known) = known {
                        let (word, known) = known.word();
                        assert_eq!(word[..known], text);
                        assert!(word[known..].iter().all(|&byte| byte == 0));
                    }
                }
            }
        }
    }
}
