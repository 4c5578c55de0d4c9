//! Where markup and quotes stand in a window of text, found before they are needed.
//!
//! Of searches that follow one another, each begins where the one before ended, and the processor waits
//! for every one of them. Where all is found ahead, it reads several tokens at a time.

pub(super) mod build;

use self::build::Words;
use crate::xml::simd::kernels;
use crate::xml::simd::positions::Positions;
use crate::xml::simd::vector::BLOCK;
use std::fmt;

/// The positions of one window.
pub(crate) struct StructuralIndex {
    /// The window: of the text that it was filled from last.
    start: usize,
    end: usize,
    /// `<`, `&`, and the `>` of `]>`: the reader checks for one more bracket.
    markup: Positions,
    /// The number of the one that was come to, up to date between one [`Lookahead`] and the next.
    next: usize,
    /// Double quotes, one bit a byte.
    quotes: Words,
}

/// A place among quotes: those of one block that are still to come.
#[derive(Clone, Copy)]
struct Cursor {
    /// Where the block begins in the text.
    block: usize,
    word: u64,
}

impl StructuralIndex {
    pub fn new() -> StructuralIndex {
        StructuralIndex {
            start: 0,
            end: 0,
            markup: Positions::new(),
            next: 0,
            quotes: [0; _],
        }
    }

    /// The text is another one, or lies elsewhere.
    pub fn forget(&mut self) {
        (self.start, self.end, self.next) = (0, 0, 0);
        self.markup.clear();
    }

    /// Moves the window, so that it begins at `start`.
    #[inline(never)]
    fn fill(&mut self, text: &[u8], start: usize) {
        // Brackets before the window are of the same text: all else ends with something else.
        let end = kernels::build(text, start, &mut self.markup, &mut self.quotes);
        (self.start, self.end) = (start, end);
    }

    #[inline(always)]
    fn has(&self, at: usize) -> bool {
        (self.start..self.end).contains(&at)
    }

    /// Where the position of this number stands.
    #[inline(always)]
    fn position(&self, number: usize) -> Option<usize> {
        Some(self.start + self.markup.get(number)?)
    }

    /// The quotes from `at` on, if the window has that place.
    #[inline(always)]
    fn quotes(&self, at: usize) -> Option<Cursor> {
        let place = at.checked_sub(self.start)?;
        let within = place % BLOCK;
        let word = self.quotes.get(place / BLOCK)? & (!0 << within);
        (at < self.end).then_some(Cursor {
            block: at - within,
            word,
        })
    }

    /// Where the next quote of the window stands, which it stays before.
    #[inline(always)]
    fn next_quote(&self, cursor: &mut Cursor) -> Option<usize> {
        while cursor.word == 0 {
            cursor.block += BLOCK;
            if cursor.block >= self.end {
                return None;
            }
            cursor.word = *self.quotes.get((cursor.block - self.start) / BLOCK)?;
        }
        Some(cursor.block + cursor.word.trailing_zeros() as usize)
    }
}

impl Cursor {
    /// Moves over the next quote.
    #[inline(always)]
    fn pass(&mut self) {
        self.word &= self.word.wrapping_sub(1);
    }
}

/// The positions of a text from a place on, wherever the window is.
pub(crate) struct Lookahead<'a> {
    text: &'a [u8],
    index: &'a mut StructuralIndex,
    /// The number of the next position.
    next: usize,
}

impl<'a> Lookahead<'a> {
    #[inline(always)]
    pub fn new(text: &'a [u8], index: &'a mut StructuralIndex, at: usize) -> Lookahead<'a> {
        let next = index.next;
        let mut ahead = Lookahead { text, index, next };
        ahead.move_to(at);
        ahead
    }

    /// Where the next position stands, which it stays before; up to `from` the text was read.
    #[inline(always)]
    pub fn next(&mut self, from: usize) -> Option<usize> {
        loop {
            if let Some(position) = self.index.position(self.next) {
                return Some(position);
            }
            let from = from.max(self.index.end);
            if from >= self.text.len() {
                return None;
            }
            self.move_to(from);
        }
    }

    /// Moves over the next position.
    #[inline(always)]
    pub fn pass(&mut self) {
        self.next += 1;
    }

    /// Continues at `at`.
    #[inline(always)]
    pub fn move_to(&mut self, at: usize) {
        if !self.index.has(at) {
            self.fill(at);
        }
        self.next = self.index.markup.number(at - self.index.start, self.next);
    }

    /// Moves over the positions before `at` of which `may_stand` says so, given where they stand. False: one may not.
    #[inline(always)]
    pub fn pass_until(&mut self, at: usize, may_stand: impl Fn(usize) -> bool) -> bool {
        while let Some(position) = self.index.position(self.next)
            && position < at
        {
            if !may_stand(position) {
                return false;
            }
            self.pass();
        }
        true
    }

    /// The quotes from `at` on, within the window.
    #[inline(always)]
    pub fn quotes(&self, at: usize) -> Option<Quotes<'_>> {
        let cursor = self.index.quotes(at)?;
        Some(Quotes {
            index: self.index,
            cursor,
        })
    }

    /// Moves the window so that it begins at `start`, if it does not, and goes on at `at`. False: it did.
    #[inline(always)]
    pub fn begin_window(&mut self, start: usize, at: usize) -> bool {
        if self.index.start == start {
            return false;
        }
        self.fill(start);
        self.move_to(at);
        true
    }

    #[inline(always)]
    fn fill(&mut self, start: usize) {
        self.index.fill(self.text, start);
        self.next = 0;
    }
}

impl Drop for Lookahead<'_> {
    fn drop(&mut self) {
        self.index.next = self.next;
    }
}

/// The quotes of a window from a place on.
pub(crate) struct Quotes<'a> {
    index: &'a StructuralIndex,
    cursor: Cursor,
}

impl Quotes<'_> {
    /// Moves over the next one; returns where it stands.
    #[inline(always)]
    pub fn pass(&mut self) -> Option<usize> {
        let at = self.index.next_quote(&mut self.cursor)?;
        self.cursor.pass();
        Some(at)
    }
}

impl fmt::Debug for StructuralIndex {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "StructuralIndex({}..{})", self.start, self.end)
    }
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::build::BLOCKS;
    use super::*;

    /// All positions of a text.
    fn markup(text: &[u8]) -> Vec<usize> {
        let mut index = StructuralIndex::new();
        let mut ahead = Lookahead::new(text, &mut index, 0);
        let mut places = Vec::new();
        while let Some(position) = ahead.next(0) {
            places.push(position);
            ahead.pass();
        }
        places
    }

    #[test]
    fn finds_every_mark_and_no_other() {
        let mut text = b"plain \x80\xFF ' < & > ] ]> ]] > ]]> ]]]> \"\" ".repeat(600);
        // Across the border of two blocks, and of two windows.
        for border in [BLOCK, BLOCK * BLOCKS] {
            for before in 0..3 {
                text[border - 5..][..10].fill(b'.');
                text[border - 1 - before..][..3].copy_from_slice(b"]]>");
                let is_end = |at: usize| at >= 1 && text[at - 1..].starts_with(b"]>");
                let expected: Vec<usize> = (0..text.len())
                    .filter(|&at| matches!(text[at], b'<' | b'&') || is_end(at))
                    .collect();
                assert_eq!(markup(&text), expected);
            }
        }
    }

    #[test]
    fn finds_the_quotes_of_a_window() {
        let text = b"a \"quoted\" text' ".repeat(1_200);
        let mut index = StructuralIndex::new();
        let mut ahead = Lookahead::new(&text, &mut index, 0);
        for start in [0, 1, 5_000] {
            ahead.begin_window(start, start);
            let mut quotes = ahead.quotes(start).unwrap();
            let found: Vec<usize> = std::iter::from_fn(|| quotes.pass()).collect();
            let end = text.len().min(start + BLOCK * BLOCKS);
            let expected: Vec<usize> = (start..end).filter(|&at| text[at] == b'"').collect();
            assert_eq!(found, expected);
            assert!(ahead.quotes(end).is_none());
        }
    }

    #[test]
    fn a_window_ends_early_where_there_are_many_marks() {
        let text = b"<\"".repeat(2_000);
        let mut index = StructuralIndex::new();
        let ahead = Lookahead::new(&text, &mut index, 0);
        let mut quotes = ahead.quotes(0).unwrap();
        let quoted: Vec<usize> = std::iter::from_fn(|| quotes.pass()).collect();
        let end = ahead.index.end;
        assert!(end < text.len());
        assert_eq!(quoted, (1..end).step_by(2).collect::<Vec<_>>());
        assert!(ahead.quotes(end).is_none());
        assert_eq!(
            markup(&text),
            (0..text.len()).step_by(2).collect::<Vec<_>>()
        );
    }

    #[test]
    fn begins_anywhere_and_goes_on_anywhere() {
        let text = b"<".repeat(10_000);
        let mut index = StructuralIndex::new();
        for at in [0, 1, 63, 64, 100, 4_000, 4_095, 4_096, 9_999, 5] {
            let mut ahead = Lookahead::new(&text, &mut index, at);
            assert_eq!(ahead.next(at), Some(at));
            ahead.move_to(9_000);
            assert_eq!(ahead.next(9_000), Some(9_000));
            ahead.move_to(10_000);
            assert_eq!(ahead.next(10_000), None);
            assert!(ahead.begin_window(9_900, 9_950));
            assert_eq!(ahead.next(9_950), Some(9_950));
            assert!(!ahead.begin_window(9_900, 9_950));
            assert!(!ahead.pass_until(9_960, |position| position < 9_955));
            assert_eq!(ahead.next(9_950), Some(9_955));
        }
        index.forget();
        assert!(!index.has(100));
    }

    #[test]
    fn what_was_read_beyond_the_window_has_no_marks() {
        let plain = BLOCK * BLOCKS + 900;
        let text = [b"x".repeat(plain), b"<<<".to_vec()].concat();
        let mut index = StructuralIndex::new();
        let mut ahead = Lookahead::new(&text, &mut index, 0);
        assert_eq!(ahead.next(plain + 1), Some(plain + 1));
    }
}
