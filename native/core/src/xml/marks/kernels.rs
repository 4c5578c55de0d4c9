//! Finding all marks of a window, sixty-four bytes at a time, with the widest vectors there are.

use super::index::{Index, Slots};

/// Bytes looked at together, one bit of a word for each.
pub(super) const BLOCK: usize = 64;

/// Blocks of a window.
pub(super) const BLOCKS: usize = 64;

pub(super) type Words = [u64; BLOCKS];

/// Marks `window`, before which `before` stands. Says how much of it: as much as the index has room for.
pub(super) fn mark(before: &[u8], window: &[u8], markup: &mut Index, quotes: &mut Words) -> usize {
    wide::mark(window, Brackets::before(before), markup, quotes)
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
fn mark_with(
    window: &[u8],
    mut brackets: Brackets,
    index: &mut Index,
    quotes: &mut Words,
    find: impl Fn(&[u8; BLOCK]) -> Places,
    write: impl Fn(&mut Slots, u64, usize),
) -> usize {
    let mut markup = [0; BLOCKS];
    let (blocks, rest) = window.as_chunks::<BLOCK>();
    let mut last = [0; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    let count = window.len().div_ceil(BLOCK);
    let blocks = blocks.iter().chain([&last]);
    for ((block, markup), quotes) in blocks.zip(&mut markup).zip(&mut *quotes) {
        let places = find(block);
        *markup = places.opens | brackets.then(places.brackets) & places.closes;
        *quotes = places.quotes;
    }
    let blocks = index.fill(&markup, write).min(count);
    quotes[blocks..].fill(0);
    window.len().min(blocks * BLOCK)
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod wide {
    use super::super::index::{self, Index, Slots};
    use super::{BLOCK, Brackets, Places, Words, mark_with};
    use std::arch::x86_64::*;

    pub fn mark(
        window: &[u8],
        brackets: Brackets,
        markup: &mut Index,
        quotes: &mut Words,
    ) -> usize {
        if is_x86_feature_detected!("avx512vbmi2") {
            // SAFETY: the processor has what it was compiled for; all that have this have the rest.
            unsafe { with_avx512(window, brackets, markup, quotes) }
        } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi1") {
            // SAFETY: as above.
            unsafe { with_avx2(window, brackets, markup, quotes) }
        } else {
            with_sse2(window, brackets, markup, quotes)
        }
    }

    /// From 0 on.
    const NUMBERS: [u8; BLOCK] = {
        let mut numbers = [0; BLOCK];
        let mut number = 0;
        while number < BLOCK {
            numbers[number] = number as u8;
            number += 1;
        }
        numbers
    };

    /// Most blocks have no more marks.
    const FEW: usize = 16;

    #[target_feature(enable = "avx512bw,avx512vbmi2,avx512vl,bmi1,popcnt")]
    fn with_avx512(
        window: &[u8],
        brackets: Brackets,
        markup: &mut Index,
        quotes: &mut Words,
    ) -> usize {
        let find = |block: &[u8; BLOCK]| {
            // SAFETY: sixty-four bytes are there.
            let block = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
            Places::found(|byte| _mm512_cmpeq_epi8_mask(block, _mm512_set1_epi8(byte as i8)))
        };
        let write = |slots: &mut Slots, bits: u64, at: usize| {
            // SAFETY: sixty-four bytes are there.
            let numbers = unsafe { _mm512_loadu_si512(NUMBERS.as_ptr().cast()) };
            let numbers = _mm512_maskz_compress_epi8(bits, numbers);
            let slots = slots.as_mut_ptr();
            let few = _mm256_cvtepu8_epi16(_mm512_castsi512_si128(numbers));
            let few = _mm256_add_epi16(_mm256_set1_epi16(at as i16), few);
            // SAFETY: sixteen places fit.
            unsafe { _mm256_storeu_si256(slots.cast(), few) };
            if bits.count_ones() as usize > FEW {
                let at = _mm512_set1_epi16(at as i16);
                let half = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(numbers));
                let other = _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64::<1>(numbers));
                // SAFETY: twice thirty-two places fit.
                unsafe {
                    _mm512_storeu_si512(slots.cast(), _mm512_add_epi16(at, half));
                    let slots = slots.add(BLOCK / 2);
                    _mm512_storeu_si512(slots.cast(), _mm512_add_epi16(at, other));
                }
            }
        };
        mark_with(window, brackets, markup, quotes, find, write)
    }

    #[target_feature(enable = "avx2,bmi1,popcnt")]
    fn with_avx2(
        window: &[u8],
        brackets: Brackets,
        markup: &mut Index,
        quotes: &mut Words,
    ) -> usize {
        let find = |block: &[u8; BLOCK]| {
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
        };
        mark_with(window, brackets, markup, quotes, find, index::write)
    }

    fn with_sse2(
        window: &[u8],
        brackets: Brackets,
        markup: &mut Index,
        quotes: &mut Words,
    ) -> usize {
        let find = |block: &[u8; BLOCK]| {
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
        };
        mark_with(window, brackets, markup, quotes, find, index::write)
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
                let found = |mark: fn(&[u8], Brackets, &mut Index, &mut Words) -> usize| {
                    let (mut markup, mut quotes) = (Index::new(), [1; _]);
                    let brackets = Brackets::before(&text[..start * 7]);
                    let end = mark(window, brackets, &mut markup, &mut quotes);
                    let places: Vec<usize> = (0..).map_while(|at| markup.get(at)).collect();
                    (end, places, quotes)
                };
                let expected = found(with_sse2);
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi1") {
                    // SAFETY: the processor has it.
                    let avx2 = |w: &[u8], b, m: &mut _, q: &mut _| unsafe { with_avx2(w, b, m, q) };
                    assert_eq!(found(avx2), expected);
                }
                if is_x86_feature_detected!("avx512vbmi2") {
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
mod wide {
    use super::super::index::{self, Index};
    use super::{BLOCK, Brackets, Places, Words, mark_with};

    pub fn mark(
        window: &[u8],
        brackets: Brackets,
        markup: &mut Index,
        quotes: &mut Words,
    ) -> usize {
        let find = |block: &[u8; BLOCK]| {
            Places::found(|byte| {
                (0..BLOCK).fold(0, |bits, index| {
                    bits | u64::from(block[index] == byte) << index
                })
            })
        };
        mark_with(window, brackets, markup, quotes, find, index::write)
    }
}
