//! Finding all marks of a window, sixty-four bytes at a time, with the widest vectors there are.

use super::super::positions::{GROUP, Positions, Slots};

/// Bytes looked at together, one bit of a word for each.
pub(in crate::xml::simd) const BLOCK: usize = 64;

/// Blocks of a window. Of one a quarter as large, moving it took a twentieth of the time of a text.
pub(super) const BLOCKS: usize = 4 * GROUP;

pub(super) type Words = [u64; BLOCKS];

type Block = [u8; BLOCK];

/// What is found in a block.
struct Found {
    /// `<`, `&`, and the `>` of `]>`.
    markup: u64,
    quotes: u64,
}

impl Found {
    /// Given where a byte stands in a block, and the block that begins one byte before.
    #[inline(always)]
    fn by(block: &Block, behind: &Block, is: impl Fn(&Block, u8) -> u64) -> Found {
        Found {
            markup: is(block, b'<') | is(block, b'&') | is(block, b'>') & is(behind, b']'),
            quotes: is(block, b'"'),
        }
    }
}

/// Marks the window of `text` that begins at `start`. Says where it ends: the index has room for so much.
pub(super) fn mark(text: &[u8], start: usize, markup: &mut Positions, quotes: &mut Words) -> usize {
    wide::mark(text, start, markup, quotes)
}

/// Compiled for the vectors of whoever calls it.
#[inline(always)]
fn mark_with(
    text: &[u8],
    start: usize,
    index: &mut Positions,
    quotes: &mut Words,
    find: impl Fn(&Block, &Block) -> Found,
    write: impl Fn(&mut Slots, u64, usize),
) -> usize {
    let text = &text[..text.len().min(start + BLOCKS * BLOCK)];
    let count = (text.len() - start).div_ceil(BLOCK);
    let mut markup = [0; BLOCKS];
    // Behind the first block of a text nothing stands, and the last of the window may be cut.
    let first = usize::from(start == 0);
    let begin = start + first * BLOCK;
    let (blocks, behind) = (whole_blocks(text, begin), whole_blocks(text, begin - 1));
    let words = markup.iter_mut().zip(&mut *quotes);
    for ((markup, quotes), (block, behind)) in words.skip(first).zip(blocks.iter().zip(behind)) {
        let found = find(block, behind);
        (*markup, *quotes) = (found.markup, found.quotes);
    }
    for number in (0..first).chain(first + blocks.len()..count) {
        let [block, behind] = cut_blocks(text, start + number * BLOCK);
        let found = find(&block, &behind);
        (markup[number], quotes[number]) = (found.markup, found.quotes);
    }
    index.clear();
    let mut indexed = 0;
    for group in markup.as_chunks().0 {
        let added = index.add(group, indexed * BLOCK, &write);
        indexed += added;
        if added < GROUP {
            break;
        }
    }
    text.len().min(start + indexed * BLOCK)
}

/// Those from `at` on.
#[inline(always)]
fn whole_blocks(text: &[u8], at: usize) -> &[Block] {
    text.get(at..).unwrap_or_default().as_chunks().0
}

/// The block at `at` and the one that begins a byte before, with zeros where there is no text.
fn cut_blocks(text: &[u8], at: usize) -> [Block; 2] {
    let mut padded = [0; BLOCK + 1];
    let from = at.saturating_sub(1);
    let text = &text[from..text.len().min(at + BLOCK)];
    padded[1 + from - at..][..text.len()].copy_from_slice(text);
    let [mut block, mut behind] = [[0; BLOCK]; 2];
    block.copy_from_slice(&padded[1..]);
    behind.copy_from_slice(&padded[..BLOCK]);
    [block, behind]
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod wide {
    use super::super::super::positions::{self, Positions, Slots};
    use super::{BLOCK, Block, Found, Words, mark_with};
    use std::arch::x86_64::*;

    pub fn mark(text: &[u8], start: usize, markup: &mut Positions, quotes: &mut Words) -> usize {
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

    /// `<` and `&` by their lower half; what stands for the others is none of them.
    const OPENING: [u8; 16] = {
        let mut table = [0xFF; 16];
        table[(b'<' % 16) as usize] = b'<';
        table[(b'&' % 16) as usize] = b'&';
        table
    };

    /// Most blocks have no more marks.
    const FEW: usize = 16;

    #[target_feature(enable = "avx512bw,avx512vbmi2,avx512vl,bmi1,popcnt")]
    fn with_avx512(text: &[u8], start: usize, markup: &mut Positions, quotes: &mut Words) -> usize {
        // SAFETY: sixteen bytes are there.
        let opening = unsafe { _mm_loadu_si128(OPENING.as_ptr().cast()) };
        let opening = _mm512_broadcast_i32x4(opening);
        let load = |block: &Block| {
            // SAFETY: sixty-four bytes are there.
            unsafe { _mm512_loadu_si512(block.as_ptr().cast()) }
        };
        let all = |byte: u8| _mm512_set1_epi8(byte as i8);
        let find = |block: &Block, behind: &Block| {
            let bytes = load(block);
            // Zero where something is what is looked for: the smaller is where one of them is.
            let opens = _mm512_xor_si512(bytes, _mm512_shuffle_epi8(opening, bytes));
            let closes = _mm512_or_si512(
                _mm512_xor_si512(load(behind), all(b']')),
                _mm512_xor_si512(bytes, all(b'>')),
            );
            let markup = _mm512_min_epu8(opens, closes);
            Found {
                markup: _mm512_testn_epi8_mask(markup, markup),
                quotes: _mm512_cmpeq_epi8_mask(bytes, all(b'"')),
            }
        };
        let write = |slots: &mut Slots, bits: u64, at: usize| {
            let numbers = _mm512_maskz_compress_epi8(bits, load(&NUMBERS));
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
    fn with_avx2(text: &[u8], start: usize, markup: &mut Positions, quotes: &mut Words) -> usize {
        let is = |block: &Block, byte: u8| {
            let half = |at: usize| {
                // SAFETY: thirty-two bytes are there, of either half.
                let bytes = unsafe { _mm256_loadu_si256(block.as_ptr().add(at).cast()) };
                let same = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(byte as i8));
                u64::from(_mm256_movemask_epi8(same) as u32)
            };
            half(0) | half(BLOCK / 2) << (BLOCK / 2)
        };
        let find = |block: &Block, behind: &Block| Found::by(block, behind, is);
        mark_with(text, start, markup, quotes, find, positions::write)
    }

    fn with_sse2(text: &[u8], start: usize, markup: &mut Positions, quotes: &mut Words) -> usize {
        let is = |block: &Block, byte: u8| {
            let quarter = |at: usize| {
                // SAFETY: SSE2 is part of x86-64; sixteen bytes are there, of each quarter.
                let same = unsafe {
                    let bytes = _mm_loadu_si128(block.as_ptr().add(at).cast());
                    _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte as i8)))
                };
                u64::from(same as u32)
            };
            [0, 16, 32, 48]
                .into_iter()
                .fold(0, |all, at| all | quarter(at) << at)
        };
        let find = |block: &Block, behind: &Block| Found::by(block, behind, is);
        mark_with(text, start, markup, quotes, find, positions::write)
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
                let text = &text[..start * 7 + start * 97 % 17_000];
                let found = |mark: fn(&[u8], usize, &mut Positions, &mut Words) -> usize| {
                    let (mut markup, mut quotes) = (Positions::new(), [1; _]);
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
    use super::super::super::positions::{self, Positions};
    use super::{BLOCK, Block, Found, Words, mark_with};

    pub fn mark(text: &[u8], start: usize, markup: &mut Positions, quotes: &mut Words) -> usize {
        let is = |block: &Block, byte: u8| {
            let bits = block.iter().enumerate();
            bits.fold(0, |bits, (at, &it)| bits | u64::from(it == byte) << at)
        };
        let find = |block: &Block, behind: &Block| Found::by(block, behind, is);
        mark_with(text, start, markup, quotes, find, positions::write)
    }
}
