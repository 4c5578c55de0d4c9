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
pub(crate) struct Cursor {
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

    /// Where the window ends.
    pub fn end(&self) -> usize {
        self.end
    }

    /// Moves the window, so that it begins at `start`.
    #[inline(never)]
    pub fn fill(&mut self, text: &[u8], start: usize) {
        let window = &text[start..text.len().min(start + BLOCKS * BLOCK)];
        (self.start, self.end) = (start, start + window.len());
        // Brackets before the window are of the same text: all else ends with something else.
        let brackets = Brackets::before(&text[..start]);
        kernels::mark(window, brackets, &mut self.markup, &mut self.quotes);
    }

    /// The marks from `at` on, found if they are not yet. Where the text ends, there are none.
    #[inline]
    pub fn markup_from(&mut self, text: &[u8], at: usize) -> Option<Cursor> {
        if at >= text.len() {
            return None;
        }
        self.markup(at).or_else(|| {
            self.fill(text, at);
            self.markup(at)
        })
    }

    /// The marks from `at` on, if the window has that place.
    #[inline(always)]
    pub fn markup(&self, at: usize) -> Option<Cursor> {
        self.cursor(&self.markup, at)
    }

    /// The quotes from `at` on.
    #[inline(always)]
    pub fn quotes(&self, at: usize) -> Option<Cursor> {
        self.cursor(&self.quotes, at)
    }

    #[inline(always)]
    fn cursor(&self, words: &Words, at: usize) -> Option<Cursor> {
        let place = at.checked_sub(self.start)?;
        let within = place % BLOCK;
        let word = words.get(place / BLOCK)? & (!0 << within);
        (at < self.end).then_some(Cursor { block: at - within, word })
    }

    /// Where the next mark stands, which it stays before.
    #[inline(always)]
    pub fn next_markup(&self, cursor: &mut Cursor) -> Option<usize> {
        self.next(&self.markup, cursor)
    }

    /// Where the next quote stands, which it stays before.
    #[inline(always)]
    pub fn next_quote(&self, cursor: &mut Cursor) -> Option<usize> {
        self.next(&self.quotes, cursor)
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
    /// Moves over the next mark.
    #[inline(always)]
    pub fn pass(&mut self) {
        self.word &= self.word.wrapping_sub(1);
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

/// The bits of one byte's places in a block.
trait Block: Copy {
    fn of(bytes: &[u8; BLOCK]) -> Self;
    fn places(self, byte: u8) -> u64;
}

/// Compiled for the vectors of whoever calls it.
#[inline(always)]
fn mark<B: Block>(
    window: &[u8],
    mut brackets: Brackets,
    markup: &mut Words,
    quotes: &mut Words,
) {
    let (blocks, rest) = window.as_chunks::<BLOCK>();
    let mut last = [0; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    let blocks = blocks.iter().chain([&last]);
    let count = window.len().div_ceil(BLOCK);
    for ((block, markup), quotes) in blocks.zip(&mut *markup).zip(&mut *quotes) {
        let block = B::of(block);
        let forbidden = brackets.then(block.places(b']')) & block.places(b'>');
        *markup = block.places(b'<') | block.places(b'&') | forbidden;
        *quotes = block.places(b'"');
    }
    markup[count..].fill(0);
    quotes[count..].fill(0);
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod kernels {
    use super::{BLOCK, Block, Brackets, Words, mark as mark_with};
    use std::arch::x86_64::*;
    use std::array::from_fn;

    pub fn mark(window: &[u8], brackets: Brackets, markup: &mut Words, quotes: &mut Words) {
        if is_x86_feature_detected!("avx512bw") {
            // SAFETY: the processor has what it was compiled for. So below.
            unsafe { with_avx512(window, brackets, markup, quotes) }
        } else if is_x86_feature_detected!("avx2") {
            unsafe { with_avx2(window, brackets, markup, quotes) }
        } else {
            mark_with::<Sse2>(window, brackets, markup, quotes);
        }
    }

    #[target_feature(enable = "avx512bw")]
    fn with_avx512(window: &[u8], brackets: Brackets, markup: &mut Words, quotes: &mut Words) {
        mark_with::<Avx512>(window, brackets, markup, quotes);
    }

    #[target_feature(enable = "avx2")]
    fn with_avx2(window: &[u8], brackets: Brackets, markup: &mut Words, quotes: &mut Words) {
        mark_with::<Avx2>(window, brackets, markup, quotes);
    }

    #[derive(Clone, Copy)]
    struct Avx512(__m512i);

    impl Block for Avx512 {
        #[inline(always)]
        fn of(bytes: &[u8; BLOCK]) -> Avx512 {
            // SAFETY: sixty-four bytes are there; only what has the instructions calls this. So below.
            Avx512(unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) })
        }

        #[inline(always)]
        fn places(self, byte: u8) -> u64 {
            unsafe { _mm512_cmpeq_epi8_mask(self.0, _mm512_set1_epi8(byte as i8)) }
        }
    }

    #[derive(Clone, Copy)]
    struct Avx2([__m256i; 2]);

    impl Block for Avx2 {
        #[inline(always)]
        fn of(bytes: &[u8; BLOCK]) -> Avx2 {
            let (halves, _) = bytes.as_chunks::<32>();
            Avx2(from_fn(|n| unsafe {
                _mm256_loadu_si256(halves[n].as_ptr().cast())
            }))
        }

        #[inline(always)]
        fn places(self, byte: u8) -> u64 {
            let half = |half: __m256i| unsafe {
                let same = _mm256_cmpeq_epi8(half, _mm256_set1_epi8(byte as i8));
                u64::from(_mm256_movemask_epi8(same) as u32)
            };
            half(self.0[0]) | half(self.0[1]) << 32
        }
    }

    #[derive(Clone, Copy)]
    struct Sse2([__m128i; 4]);

    impl Block for Sse2 {
        #[inline(always)]
        fn of(bytes: &[u8; BLOCK]) -> Sse2 {
            let (quarters, _) = bytes.as_chunks::<16>();
            Sse2(from_fn(|n| unsafe {
                _mm_loadu_si128(quarters[n].as_ptr().cast())
            }))
        }

        #[inline(always)]
        fn places(self, byte: u8) -> u64 {
            let quarter = |quarter: __m128i| unsafe {
                let same = _mm_cmpeq_epi8(quarter, _mm_set1_epi8(byte as i8));
                u64::from(_mm_movemask_epi8(same) as u32)
            };
            quarter(self.0[0])
                | quarter(self.0[1]) << 16
                | quarter(self.0[2]) << 32
                | quarter(self.0[3]) << 48
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod kernels {
    use super::{BLOCK, Block, Brackets, Words, mark as mark_with};

    pub fn mark(window: &[u8], brackets: Brackets, markup: &mut Words, quotes: &mut Words) {
        mark_with::<[u8; BLOCK]>(window, brackets, markup, quotes);
    }

    impl Block for [u8; BLOCK] {
        fn of(bytes: &[u8; BLOCK]) -> [u8; BLOCK] {
            *bytes
        }

        #[inline(always)]
        fn places(self, byte: u8) -> u64 {
            (0..BLOCK).fold(0, |bits, index| bits | u64::from(self[index] == byte) << index)
        }
    }
}
