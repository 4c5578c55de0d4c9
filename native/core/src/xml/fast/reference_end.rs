//! References in content and values that are skipped.

use crate::xml::syntax::reference::{predefined, short_character};

/// Where the reference at `at` ends, if it is one to a character.
#[inline(always)]
pub fn reference_end(text: &[u8], at: usize, max_name: usize) -> Option<usize> {
    if let Some((_, len)) = predefined(&text[at..]) {
        return Some(at + len);
    }
    character_end(text, at, max_name)
}

#[inline(never)]
fn character_end(text: &[u8], at: usize, max_name: usize) -> Option<usize> {
    short_character(text, at, max_name).map(|(_, end)| end)
}
