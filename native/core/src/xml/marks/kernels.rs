//! Finding all marks of a window, sixty-four bytes at a time, with the widest vectors there are.

use super::index::{Index, Slots};

/// Bytes looked at together, one bit of a word for each.
pub(super) const BLOCK: usize = 64;

/// Blocks of a window.
pub(super) const BLOCKS: usize = 64;

pub(super) type Words = [u64; BLOCKS];

/// The brackets of `]]>` may stand so far before the block of its `>`.
const BEFORE: usize = 2;

/// A block, and what stands before it.
type Block = [u8; BEFORE + BLOCK];

/// What is found in a block.
struct Found {
    /// `<`, `&`, and the `>` of `]]>`.
    markup: u64,
    quotes: u64,
}

impl Found {
    /// Given where a byte stands in the sixty-four from a place of the block on.
    #[inline(always)]
    fn by(block: &Block, is: impl Fn(usize, u8) -> u64) -> Found {
        let second_before = is(0, b']');
        // Shifted, not looked for again: of four vectors and more that are combined, the compiler makes bits one by one.
        let before = second_before >> 1 | u64::from(block[BLOCK] == b']') << (BLOCK - 1);
        Found {
            markup: is(BEFORE, b'<') | is(BEFORE, b'&') | is(BEFORE, b'>') & before & second_before,
            quotes: is(BEFORE, b'"'),
        }
    }
}

/// Marks the window of `text` that begins at `start`. Says where it ends: the index has room for so much.
pub(super) fn mark(text: &[u8], start: usize, markup: &mut Index, quotes: &mut Words) -> usize {
    wide::mark(text, start, markup, quotes)
}

/// Compiled for the vectors of whoever calls it.
#[inline(always)]
fn mark_with(
    text: &[u8],
    start: usize,
    index: &mut Index,
    quotes: &mut Words,
    find: impl Fn(&Block) -> Found,
    write: impl Fn(&mut Slots, u64, usize),
) -> usize {
    let text = &text[..text.len().min(start + BLOCKS * BLOCK)];
    let mut markup = [0; BLOCKS];
    let count = (text.len() - start).div_ceil(BLOCK);
    let mut at = start;
    for (markup, quotes) in markup[..count].iter_mut().zip(&mut quotes[..count]) {
        let block = text.get(at.wrapping_sub(BEFORE)..);
        let found = match block.and_then(|it| it.first_chunk()) {
            Some(block) => find(block),
            None => find(&cut_block(text, at)),
        };
        (*markup, *quotes) = (found.markup, found.quotes);
        at += BLOCK;
    }
    let blocks = index.fill(&markup, write).min(count);
    quotes[blocks..].fill(0);
    text.len().min(start + blocks * BLOCK)
}

/// The block at `at`, of which a part lies before the text or behind it, with zeros there.
#[cold]
fn cut_block(text: &[u8], at: usize) -> Block {
    let mut block = [0; _];
    let before = at.min(BEFORE);
    for (to, from) in block[BEFORE - before..]
        .iter_mut()
        .zip(&text[at - before..])
    {
        *to = *from;
    }
    block
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod wide {
    use super::super::index::{self, Index, Slots};
    use super::{BEFORE, BLOCK, Block, Found, Words, mark_with};
    use std::arch::x86_64::*;

    pub fn mark(text: &[u8], start: usize, markup: &mut Index, quotes: &mut Words) -> usize {
        let counts_bits = is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("popcnt");
        if counts_bits && has_avx512() {
            // SAFETY: the processor has what it was compiled for.
            unsafe { with_avx512(text, start, markup, quotes) }
        } else if counts_bits && is_x86_feature_detected!("avx2") {
            // SAFETY: as above.
            unsafe { with_avx2(text, start, markup, quotes) }
        } else {
            with_sse2(text, start, markup, quotes)
        }
    }

    fn has_avx512() -> bool {
        is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vbmi2")
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
    fn with_avx512(text: &[u8], start: usize, markup: &mut Index, quotes: &mut Words) -> usize {
        let find = |block: &Block| {
            // SAFETY: sixty-four bytes are there, up to two behind the first.
            let load = |at: usize| unsafe { _mm512_loadu_si512(block.as_ptr().add(at).cast()) };
            let all = |byte: u8| _mm512_set1_epi8(byte as i8);
            let bytes = load(BEFORE);
            // Zero where something is what is looked for: the smallest is where one of them is.
            let brackets = _mm512_or_si512(
                _mm512_xor_si512(load(BEFORE - 1), all(b']')),
                _mm512_xor_si512(load(BEFORE - 2), all(b']')),
            );
            let closes = _mm512_or_si512(brackets, _mm512_xor_si512(bytes, all(b'>')));
            let opens = _mm512_min_epu8(
                _mm512_xor_si512(bytes, all(b'<')),
                _mm512_xor_si512(bytes, all(b'&')),
            );
            let markup = _mm512_min_epu8(opens, closes);
            Found {
                markup: _mm512_testn_epi8_mask(markup, markup),
                quotes: _mm512_cmpeq_epi8_mask(bytes, all(b'"')),
            }
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
        mark_with(text, start, markup, quotes, find, write)
    }

    #[target_feature(enable = "avx2,bmi1,popcnt")]
    fn with_avx2(text: &[u8], start: usize, markup: &mut Index, quotes: &mut Words) -> usize {
        let find = |block: &Block| {
            let half = |at: usize, byte: u8| {
                // SAFETY: thirty-two bytes are there: of either half, up to two before it.
                let bytes = unsafe { _mm256_loadu_si256(block.as_ptr().add(at).cast()) };
                let same = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(byte as i8));
                u64::from(_mm256_movemask_epi8(same) as u32)
            };
            Found::by(block, |at, byte| {
                half(at, byte) | half(at + BLOCK / 2, byte) << (BLOCK / 2)
            })
        };
        mark_with(text, start, markup, quotes, find, index::write)
    }

    fn with_sse2(text: &[u8], start: usize, markup: &mut Index, quotes: &mut Words) -> usize {
        let find = |block: &Block| {
            let quarter = |at: usize, byte: u8| {
                // SAFETY: SSE2 is part of x86-64; sixteen bytes are there, as above.
                let same = unsafe {
                    let bytes = _mm_loadu_si128(block.as_ptr().add(at).cast());
                    _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte as i8)))
                };
                u64::from(same as u32)
            };
            Found::by(block, |at, byte| {
                let places = [0, 16, 32, 48];
                let words = places.map(|place| quarter(at + place, byte) << place);
                words.into_iter().fold(0, |all, word| all | word)
            })
        };
        mark_with(text, start, markup, quotes, find, index::write)
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
                let text = &text[..start * 7 + start * 20 % 4097];
                let found = |mark: fn(&[u8], usize, &mut Index, &mut Words) -> usize| {
                    let (mut markup, mut quotes) = (Index::new(), [1; _]);
                    let end = mark(text, start * 7, &mut markup, &mut quotes);
                    let places: Vec<usize> = (0..).map_while(|at| markup.get(at)).collect();
                    (end, places, quotes)
                };
                let expected = found(with_sse2);
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: the processor has it.
                    let avx2 = |t: &[u8], s, m: &mut _, q: &mut _| unsafe { with_avx2(t, s, m, q) };
                    assert_eq!(found(avx2), expected);
                }
                if has_avx512() {
                    // SAFETY: the processor has it.
                    let avx512 =
                        |t: &[u8], s, m: &mut _, q: &mut _| unsafe { with_avx512(t, s, m, q) };
                    assert_eq!(found(avx512), expected);
                }
            }
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod wide {
    use super::super::index::{self, Index};
    use super::{BLOCK, Block, Found, Words, mark_with};

    pub fn mark(text: &[u8], start: usize, markup: &mut Index, quotes: &mut Words) -> usize {
        let find = |block: &Block| {
            Found::by(block, |at, byte| {
                (0..BLOCK).fold(0, |bits, index| {
                    bits | u64::from(block[at + index] == byte) << index
                })
            })
        };
        mark_with(text, start, markup, quotes, find, index::write)
    }
}
