//! A survey of bytes while they are copied, and whether they are UTF-8, with AVX-512.
#![allow(unsafe_code)]

use super::Survey;
use crate::charged::ChargedVec;
use crate::quota::Refusal;
use std::arch::x86_64::*;

pub(super) fn is_there() -> bool {
    is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("popcnt")
}

const BLOCK: usize = 64;

/// Blocks that are either all ASCII, or looked at closely.
const GROUP: usize = 4;

/// So far ahead bytes are asked for: what the processor foresees by itself ends with the page. A document that no
/// cache holds is skipped in a quarter less of the time; what lies behind the last byte is never read.
const AHEAD: usize = 8_192;

/// UTF-8 as in Keiser and Lemire, "Validating UTF-8 In Less Than One Instruction Per Byte", 2021.
#[target_feature(enable = "avx512bw,popcnt")]
pub(super) fn survey_copied_utf8(
    bytes: &[u8],
    text: &mut ChargedVec<u8>,
) -> Result<Option<Survey>, Refusal> {
    let mut utf8 = Utf8::new();
    let mut found = Found::default();
    let (groups, rest) = bytes.as_chunks::<{ GROUP * BLOCK }>();
    for group in groups {
        for block in 0..GROUP {
            _mm_prefetch::<_MM_HINT_T0>(group.as_ptr().wrapping_add(AHEAD + block * BLOCK).cast());
        }
        text.extend_from_slice(group)?;
        let (blocks, _) = group.as_chunks::<BLOCK>();
        let blocks: [__m512i; GROUP] = std::array::from_fn(|n| load(&blocks[n]));
        for block in blocks {
            found.look(block);
        }
        let all = _mm512_or_si512(
            _mm512_or_si512(blocks[0], blocks[1]),
            _mm512_or_si512(blocks[2], blocks[3]),
        );
        if _mm512_movepi8_mask(all) == 0 {
            utf8.ascii();
        } else {
            for block in blocks {
                utf8.block(block);
            }
        }
    }
    text.extend_from_slice(rest)?;
    let (blocks, rest) = rest.as_chunks::<BLOCK>();
    // Spaces are as good as nothing, and end a character that is cut.
    let mut last = [b' '; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    for block in blocks.iter().chain([&last]) {
        let block = load(block);
        found.look(block);
        utf8.block(block);
    }
    // One space more, for when the last block is full of something else.
    utf8.ascii();
    Ok(utf8.is_valid().then(|| found.survey()))
}

#[target_feature(enable = "avx512bw")]
fn load(block: &[u8; BLOCK]) -> __m512i {
    // SAFETY: sixty-four bytes are there.
    unsafe { _mm512_loadu_si512(block.as_ptr().cast()) }
}

/// Bits of the bytes found so far.
#[derive(Default)]
struct Found {
    control: u64,
    noncharacter: u64,
    returns: u64,
    line_feeds: usize,
}

/// White space by its lower half; no control character is what stands for the others.
const SPACES: [u8; 16] = {
    let mut table = [0xFF; 16];
    table[0x9] = b'\t';
    table[0xA] = b'\n';
    table[0xD] = b'\r';
    table
};

impl Found {
    #[inline]
    #[target_feature(enable = "avx512bw,popcnt")]
    fn look(&mut self, block: __m512i) {
        let low = _mm512_cmplt_epu8_mask(block, _mm512_set1_epi8(b' ' as i8));
        let space = _mm512_shuffle_epi8(table(&SPACES), block);
        self.control |= _mm512_mask_cmpneq_epu8_mask(low, block, space);
        self.noncharacter |= _mm512_cmpeq_epi8_mask(block, _mm512_set1_epi8(0xEFu8 as i8));
        self.returns |= _mm512_cmpeq_epi8_mask(block, _mm512_set1_epi8(b'\r' as i8));
        let line_feeds = _mm512_cmpeq_epi8_mask(block, _mm512_set1_epi8(b'\n' as i8));
        self.line_feeds += line_feeds.count_ones() as usize;
    }

    fn survey(&self) -> Survey {
        Survey {
            control: self.control != 0,
            noncharacter: self.noncharacter != 0,
            returns: self.returns != 0,
            line_feeds: self.line_feeds,
        }
    }
}

#[inline]
#[target_feature(enable = "avx512bw")]
fn table(values: &[u8; 16]) -> __m512i {
    // SAFETY: sixteen bytes are there.
    _mm512_broadcast_i32x4(unsafe { _mm_loadu_si128(values.as_ptr().cast()) })
}

/// What two bytes in a row may be wrong about. Three tables, by the halves of the first and the upper half
/// of the second, agree on what is.
const TOO_SHORT: u8 = 1;
const TOO_LONG: u8 = 1 << 1;
const OVERLONG_3: u8 = 1 << 2;
const TOO_LARGE: u8 = 1 << 3;
const SURROGATE: u8 = 1 << 4;
const OVERLONG_2: u8 = 1 << 5;
const TOO_LARGE_1000: u8 = 1 << 6;
const OVERLONG_4: u8 = 1 << 6;
/// No fault where the byte two or three places before begins a character that is long enough.
const TWO_CONTINUATIONS: u8 = 1 << 7;

const FIRST_UPPER: [u8; 16] = {
    let mut table = [TOO_LONG; 16];
    table[0x8] = TWO_CONTINUATIONS;
    table[0x9] = TWO_CONTINUATIONS;
    table[0xA] = TWO_CONTINUATIONS;
    table[0xB] = TWO_CONTINUATIONS;
    table[0xC] = TOO_SHORT | OVERLONG_2;
    table[0xD] = TOO_SHORT;
    table[0xE] = TOO_SHORT | OVERLONG_3 | SURROGATE;
    table[0xF] = TOO_SHORT | TOO_LARGE | TOO_LARGE_1000 | OVERLONG_4;
    table
};

const FIRST_LOWER: [u8; 16] = {
    const ANY: u8 = TOO_SHORT | TOO_LONG | TWO_CONTINUATIONS;
    let mut table = [ANY | TOO_LARGE | TOO_LARGE_1000; 16];
    table[0x0] = ANY | OVERLONG_2 | OVERLONG_3 | OVERLONG_4;
    table[0x1] = ANY | OVERLONG_2;
    table[0x2] = ANY;
    table[0x3] = ANY;
    table[0x4] = ANY | TOO_LARGE;
    table[0xD] |= SURROGATE;
    table
};

const SECOND_UPPER: [u8; 16] = {
    const ANY: u8 = TOO_LONG | OVERLONG_2 | TWO_CONTINUATIONS;
    let mut table = [TOO_SHORT; 16];
    table[0x8] = ANY | OVERLONG_3 | TOO_LARGE_1000 | OVERLONG_4;
    table[0x9] = ANY | OVERLONG_3 | TOO_LARGE;
    table[0xA] = ANY | SURROGATE | TOO_LARGE;
    table[0xB] = ANY | SURROGATE | TOO_LARGE;
    table
};

struct Utf8 {
    before: __m512i,
    wrong: __m512i,
}

impl Utf8 {
    #[target_feature(enable = "avx512bw")]
    fn new() -> Utf8 {
        Utf8 {
            before: _mm512_setzero_si512(),
            wrong: _mm512_setzero_si512(),
        }
    }

    #[inline]
    #[target_feature(enable = "avx512bw")]
    fn block(&mut self, block: __m512i) {
        // The last sixteen bytes before the block, then the block but for its last sixteen.
        let behind = _mm512_alignr_epi64::<6>(block, self.before);
        let first = _mm512_alignr_epi8::<15>(block, behind);
        let second = _mm512_alignr_epi8::<14>(block, behind);
        let third = _mm512_alignr_epi8::<13>(block, behind);
        let lower = _mm512_set1_epi8(0x0F);
        let upper = |bytes| _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), lower);
        let faults = _mm512_and_si512(
            _mm512_and_si512(
                _mm512_shuffle_epi8(table(&FIRST_UPPER), upper(first)),
                _mm512_shuffle_epi8(table(&FIRST_LOWER), _mm512_and_si512(first, lower)),
            ),
            _mm512_shuffle_epi8(table(&SECOND_UPPER), upper(block)),
        );
        // Only what begins three bytes or four is, less this much, beyond the ASCII characters.
        let three = _mm512_subs_epu8(second, _mm512_set1_epi8((0xE0u8 - 0x80) as i8));
        let four = _mm512_subs_epu8(third, _mm512_set1_epi8((0xF0u8 - 0x80) as i8));
        let continues = _mm512_and_si512(
            _mm512_or_si512(three, four),
            _mm512_set1_epi8(TWO_CONTINUATIONS as i8),
        );
        self.wrong = _mm512_or_si512(self.wrong, _mm512_xor_si512(faults, continues));
        self.before = block;
    }

    /// Some blocks of nothing but ASCII: none may continue what came before.
    #[inline]
    #[target_feature(enable = "avx512bw")]
    fn ascii(&mut self) {
        let mut longest = [0xFF; BLOCK];
        longest[BLOCK - 3] = 0xF0 - 1;
        longest[BLOCK - 2] = 0xE0 - 1;
        longest[BLOCK - 1] = 0xC0 - 1;
        let cut = _mm512_subs_epu8(self.before, load(&longest));
        self.wrong = _mm512_or_si512(self.wrong, cut);
        self.before = _mm512_setzero_si512();
    }

    #[target_feature(enable = "avx512bw")]
    fn is_valid(&self) -> bool {
        _mm512_test_epi8_mask(self.wrong, self.wrong) == 0
    }
}
