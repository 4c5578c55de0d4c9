//! White space between elements, which comes again and again, as the same term: once per call.

use super::terms::{RawTerm, Terms};

/// Longer white space is unlikely to come again.
const MAX_SPACE: usize = 32;

/// What was made in one call of the white space of each length, the last of that length.
pub struct Spaces {
    made: [Option<(RawTerm, [u8; MAX_SPACE])>; MAX_SPACE + 1],
}

impl Spaces {
    #[inline]
    pub fn new() -> Spaces {
        Spaces {
            made: [None; MAX_SPACE + 1],
        }
    }

    /// The binary of a text that is short white space; nothing for any other.
    #[inline]
    pub fn binary(&mut self, terms: &Terms, text: &[u8]) -> Option<RawTerm> {
        if !text.first().copied().is_some_and(is_space) {
            return None;
        }
        match self.made.get(text.len())? {
            Some((term, made)) if made[..text.len()] == *text => Some(*term),
            _ => self.make(terms, text),
        }
    }

    #[inline(never)]
    fn make(&mut self, terms: &Terms, text: &[u8]) -> Option<RawTerm> {
        if !text.iter().copied().all(is_space) {
            return None;
        }
        let mut made = [0; MAX_SPACE];
        made.get_mut(..text.len())?.copy_from_slice(text);
        let term = terms.binary(text);
        self.made[text.len()] = Some((term, made));
        Some(term)
    }
}

#[inline]
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
