//! Where markup and quotes stand in a window of text, one bit a byte, found before they are needed.
//!
//! Of searches that follow one another, each begins where the one before ended, and the processor waits
//! for every one of them. Where all is found ahead, it reads several tokens at a time.

use std::fmt;

/// Bytes looked at together, one bit of a word for each.
const BLOCK: usize = 64;

/// Blocks of a window.
const BLOCKS: usize = 64;

type Words = [u64; BLOCKS];

/// The marks of one window.
pub(crate) struct Marks {
    /// The window: of the text that it was filled from last.
    start: usize,
    end: usize,
    /// `<`, `&`, and the `>` of `]]>`.
    markup: Words,
    /// Double quotes.
    quotes: Words,
}

/// A place among marks of one kind: those of one block that are still to come.
#[derive(Clone, Copy)]
struct Cursor {
    /// Where the block begins in the text.
    block: usize,
    word: u64,
}

impl Marks {
    pub fn new() -> Marks {
        Marks {
            start: 0,
            end: 0,
            markup: [0; BLOCKS],
            quotes: [0; BLOCKS],
        }
    }

    /// The text is another one, or lies elsewhere.
    pub fn forget(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// Moves the window, so that it begins at `start`.
    #[inline(never)]
    fn fill(&mut self, text: &[u8], start: usize) {
        let window = &text[start..text.len().min(start + BLOCKS * BLOCK)];
        (self.start, self.end) = (start, start + window.len());
        // Brackets before the window are of the same text: all else ends with something else.
        let brackets = Brackets::before(&text[..start]);
        kernels::mark(window, brackets, &mut self.markup, &mut self.quotes);
    }

    /// The marks from `at` on, found if they are not yet.
    #[inline]
    fn markup_from(&mut self, text: &[u8], at: usize) -> Cursor {
        if at >= text.len() {
            return Cursor::NONE;
        }
        if let Some(cursor) = self.markup(at) {
            return cursor;
        }
        self.fill(text, at);
        self.markup(at).unwrap_or(Cursor::NONE)
    }

    /// The marks from `at` on, if the window has that place.
    #[inline(always)]
    fn markup(&self, at: usize) -> Option<Cursor> {
        self.cursor(&self.markup, at)
    }

    #[inline(always)]
    fn cursor(&self, words: &Words, at: usize) -> Option<Cursor> {
        let place = at.checked_sub(self.start)?;
        let within = place % BLOCK;
        let word = words.get(place / BLOCK)? & (!0 << within);
        (at < self.end).then_some(Cursor {
            block: at - within,
            word,
        })
    }

    /// Where the next mark of the window stands, which it stays before.
    #[inline(always)]
    fn next_markup(&self, cursor: &mut Cursor) -> Option<usize> {
        self.next(&self.markup, cursor)
    }

    #[inline(always)]
    fn next(&self, words: &Words, cursor: &mut Cursor) -> Option<usize> {
        while cursor.word == 0 {
            let next = (cursor.block - self.start) / BLOCK + 1;
            cursor.word = *words.get(next)?;
            cursor.block += BLOCK;
        }
        Some(cursor.block + cursor.word.trailing_zeros() as usize)
    }
}

impl Cursor {
    /// Behind all marks.
    const NONE: Cursor = Cursor {
        block: usize::MAX,
        word: 0,
    };

    /// Moves over the next mark.
    #[inline(always)]
    fn pass(&mut self) {
        self.word &= self.word.wrapping_sub(1);
    }
}

/// The marks of a text from a place on, wherever the window is.
pub(crate) struct Ahead<'a> {
    text: &'a [u8],
    marks: &'a mut Marks,
    cursor: Cursor,
}

impl<'a> Ahead<'a> {
    #[inline(always)]
    pub fn new(text: &'a [u8], marks: &'a mut Marks, at: usize) -> Ahead<'a> {
        let cursor = marks.markup_from(text, at);
        Ahead {
            text,
            marks,
            cursor,
        }
    }

    /// Where the next mark stands, which it stays before; up to `from` the text was read.
    #[inline(always)]
    pub fn next(&mut self, from: usize) -> Option<usize> {
        loop {
            if let Some(mark) = self.marks.next_markup(&mut self.cursor) {
                return Some(mark);
            }
            let from = from.max(self.marks.end);
            if from >= self.text.len() {
                return None;
            }
            self.move_to(from);
        }
    }

    /// Moves over the next mark.
    #[inline(always)]
    pub fn pass(&mut self) {
        self.cursor.pass();
    }

    /// Goes on at `at`.
    #[inline(always)]
    pub fn move_to(&mut self, at: usize) {
        self.cursor = self.marks.markup_from(self.text, at);
    }

    /// Moves over the marks before `at` of which `may_stand` says so, given where they stand. False: one may not.
    #[inline(always)]
    pub fn pass_until(&mut self, at: usize, may_stand: impl Fn(usize) -> bool) -> bool {
        while let Some(mark) = self.marks.next_markup(&mut self.cursor)
            && mark < at
        {
            if !may_stand(mark) {
                return false;
            }
            self.cursor.pass();
        }
        true
    }

    /// The quotes from `at` on, within the window.
    #[inline(always)]
    pub fn quotes(&self, at: usize) -> Option<Quotes<'_>> {
        let cursor = self.marks.cursor(&self.marks.quotes, at)?;
        Some(Quotes {
            marks: self.marks,
            cursor,
        })
    }

    /// Moves the window so that it begins at `start`, if it does not, and goes on at `at`. False: it did.
    #[inline(always)]
    pub fn begin_window(&mut self, start: usize, at: usize) -> bool {
        if self.marks.start >= start {
            return false;
        }
        self.marks.fill(self.text, start);
        self.move_to(at);
        true
    }
}

/// The quotes of a window from a place on.
pub(crate) struct Quotes<'a> {
    marks: &'a Marks,
    cursor: Cursor,
}

impl Quotes<'_> {
    /// Moves over the next one; says where it stands.
    #[inline(always)]
    pub fn pass(&mut self) -> Option<usize> {
        let at = self.marks.next(&self.marks.quotes, &mut self.cursor)?;
        self.cursor.pass();
        Some(at)
    }
}

impl fmt::Debug for Marks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Marks({}..{})", self.start, self.end)
    }
}

/// Whether the bytes right before a block are brackets: its lowest bits, shifted into the block.
#[derive(Clone, Copy)]
struct Brackets {
    one_before: u64,
    two_before: u64,
}

impl Brackets {
    fn before(text: &[u8]) -> Brackets {
        let (last, second) = match *text {
            [.., second, last] => (last == b']', second == b']'),
            [last] => (last == b']', false),
            [] => (false, false),
        };
        Brackets {
            one_before: u64::from(last),
            two_before: u64::from(second) | u64::from(last) << 1,
        }
    }

    /// The bytes behind two brackets, of a block whose own are `brackets`.
    #[inline(always)]
    fn then(&mut self, brackets: u64) -> u64 {
        let behind = (brackets << 1 | self.one_before) & (brackets << 2 | self.two_before);
        self.one_before = brackets >> 63;
        self.two_before = brackets >> 62;
        behind
    }
}

/// Where what is looked for stands in one block.
struct Places {
    opens: u64,
    closes: u64,
    brackets: u64,
    quotes: u64,
}

impl Places {
    /// As `of` finds the places of a byte.
    #[inline(always)]
    fn found(of: impl Fn(u8) -> u64) -> Places {
        Places {
            opens: of(b'<') | of(b'&'),
            closes: of(b'>'),
            brackets: of(b']'),
            quotes: of(b'"'),
        }
    }
}

/// Compiled for the vectors of whoever calls it.
#[inline(always)]
fn mark(
    window: &[u8],
    mut brackets: Brackets,
    markup: &mut Words,
    quotes: &mut Words,
    find: impl Fn(&[u8; BLOCK]) -> Places,
) {
    let (blocks, rest) = window.as_chunks::<BLOCK>();
    let mut last = [0; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    let count = window.len().div_ceil(BLOCK);
    let blocks = blocks.iter().chain([&last]);
    for ((block, markup), quotes) in blocks.zip(&mut *markup).zip(&mut *quotes) {
        let places = find(block);
        *markup = places.opens | brackets.then(places.brackets) & places.closes;
        *quotes = places.quotes;
    }
    markup[count..].fill(0);
    quotes[count..].fill(0);
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod kernels {
    use super::{BLOCK, Brackets, Places, Words, mark as mark_with};
    use std::arch::x86_64::*;

    pub fn mark(window: &[u8], brackets: Brackets, markup: &mut Words, quotes: &mut Words) {
        if is_x86_feature_detected!("avx512bw") {
            // SAFETY: the processor has what it was compiled for.
            unsafe { with_avx512(window, brackets, markup, quotes) }
        } else if is_x86_feature_detected!("avx2") {
            // SAFETY: as above.
            unsafe { with_avx2(window, brackets, markup, quotes) }
        } else {
            with_sse2(window, brackets, markup, quotes);
        }
    }

    #[target_feature(enable = "avx512bw")]
    fn with_avx512(window: &[u8], brackets: Brackets, markup: &mut Words, quotes: &mut Words) {
        mark_with(window, brackets, markup, quotes, |block| {
            // SAFETY: sixty-four bytes are there.
            let block = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
            Places::found(|byte| _mm512_cmpeq_epi8_mask(block, _mm512_set1_epi8(byte as i8)))
        });
    }

    #[target_feature(enable = "avx2")]
    fn with_avx2(window: &[u8], brackets: Brackets, markup: &mut Words, quotes: &mut Words) {
        mark_with(window, brackets, markup, quotes, |block| {
            let (halves, _) = block.as_chunks::<{ BLOCK / 2 }>();
            let places = |half: &[u8; BLOCK / 2], byte| {
                // SAFETY: thirty-two bytes are there.
                let half = unsafe { _mm256_loadu_si256(half.as_ptr().cast()) };
                let same = _mm256_cmpeq_epi8(half, _mm256_set1_epi8(byte));
                u64::from(_mm256_movemask_epi8(same) as u32)
            };
            Places::found(|byte| {
                places(&halves[0], byte as i8) | places(&halves[1], byte as i8) << 32
            })
        });
    }

    fn with_sse2(window: &[u8], brackets: Brackets, markup: &mut Words, quotes: &mut Words) {
        mark_with(window, brackets, markup, quotes, |block| {
            let (quarters, _) = block.as_chunks::<{ BLOCK / 4 }>();
            let places = |quarter: &[u8; BLOCK / 4], byte| {
                // SAFETY: sixteen bytes are there, and SSE2 is part of x86-64.
                let same = unsafe {
                    let quarter = _mm_loadu_si128(quarter.as_ptr().cast());
                    _mm_movemask_epi8(_mm_cmpeq_epi8(quarter, _mm_set1_epi8(byte)))
                };
                u64::from(same as u32)
            };
            Places::found(|byte| {
                let quarters = quarters.iter().rev();
                quarters.fold(0, |bits, quarter| bits << 16 | places(quarter, byte as i8))
            })
        });
    }

    #[cfg(all(test, not(loom)))]
    mod tests {
        use super::*;

        /// Those that this processor has.
        #[test]
        fn all_vectors_find_the_same() {
            let text: Vec<u8> = (0..20_000u32)
                .map(|n| b"<&>]\"' x"[(n.wrapping_mul(2_654_435_761) >> 29) as usize])
                .collect();
            for start in 0..200 {
                let window = &text[start * 7..][..start * 20 % 4097];
                let found = |mark: fn(&[u8], Brackets, &mut Words, &mut Words)| {
                    let (mut markup, mut quotes) = ([1; _], [1; _]);
                    let brackets = Brackets::before(&text[..start * 7]);
                    mark(window, brackets, &mut markup, &mut quotes);
                    (markup, quotes)
                };
                let expected = found(with_sse2);
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: the processor has it.
                    let avx2 = |w: &[u8], b, m: &mut _, q: &mut _| unsafe { with_avx2(w, b, m, q) };
                    assert_eq!(found(avx2), expected);
                }
                if is_x86_feature_detected!("avx512bw") {
                    // SAFETY: the processor has it.
                    let avx512 =
                        |w: &[u8], b, m: &mut _, q: &mut _| unsafe { with_avx512(w, b, m, q) };
                    assert_eq!(found(avx512), expected);
                }
            }
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod kernels {
    use super::{BLOCK, Brackets, Places, Words, mark as mark_with};

    pub fn mark(window: &[u8], brackets: Brackets, markup: &mut Words, quotes: &mut Words) {
        mark_with(window, brackets, markup, quotes, |block| {
            Places::found(|byte| {
                (0..BLOCK).fold(0, |bits, index| {
                    bits | u64::from(block[index] == byte) << index
                })
            })
        });
    }
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// All marks of a text.
    fn markup(text: &[u8]) -> Vec<usize> {
        let mut marks = Marks::new();
        let mut ahead = Ahead::new(text, &mut marks, 0);
        let mut places = Vec::new();
        while let Some(mark) = ahead.next(0) {
            places.push(mark);
            ahead.pass();
        }
        places
    }

    #[test]
    fn finds_every_mark_and_no_other() {
        let mut text = b"plain \x80\xFF ' < & > ] ]> ]] > ]]> ]]]> \"\" ".repeat(300);
        // Across the border of two blocks, and of two windows.
        for border in [BLOCK, BLOCK * BLOCKS] {
            for before in 0..3 {
                text[border - 5..][..10].fill(b'.');
                text[border - 1 - before..][..3].copy_from_slice(b"]]>");
                let is_end = |at: usize| at >= 2 && text[at - 2..].starts_with(b"]]>");
                let expected: Vec<usize> = (0..text.len())
                    .filter(|&at| matches!(text[at], b'<' | b'&') || is_end(at))
                    .collect();
                assert_eq!(markup(&text), expected);
            }
        }
    }

    #[test]
    fn finds_the_quotes_of_a_window() {
        let text = b"a \"quoted\" text' ".repeat(300);
        let mut marks = Marks::new();
        let mut ahead = Ahead::new(&text, &mut marks, 0);
        for start in [0, 1, 1_000] {
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
    fn begins_anywhere_and_goes_on_anywhere() {
        let text = b"<".repeat(10_000);
        let mut marks = Marks::new();
        for at in [0, 1, 63, 64, 100, 4_000, 4_095, 4_096, 9_999, 5] {
            let mut ahead = Ahead::new(&text, &mut marks, at);
            assert_eq!(ahead.next(at), Some(at));
            ahead.move_to(9_000);
            assert_eq!(ahead.next(9_000), Some(9_000));
            ahead.move_to(10_000);
            assert_eq!(ahead.next(10_000), None);
            assert!(ahead.begin_window(9_900, 9_950));
            assert_eq!(ahead.next(9_950), Some(9_950));
            assert!(!ahead.begin_window(9_900, 9_950));
            assert!(!ahead.pass_until(9_960, |mark| mark < 9_955));
            assert_eq!(ahead.next(9_950), Some(9_955));
        }
        marks.forget();
        assert!(marks.markup(100).is_none());
    }

    #[test]
    fn what_was_read_beyond_the_window_has_no_marks() {
        let text = [b"x".repeat(5_000), b"<<<".to_vec()].concat();
        let mut marks = Marks::new();
        let mut ahead = Ahead::new(&text, &mut marks, 0);
        assert_eq!(ahead.next(5_001), Some(5_001));
    }
}
