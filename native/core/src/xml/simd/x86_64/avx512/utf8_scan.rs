//! Scans bytes while they are copied, and whether they are UTF-8, with AVX-512.
#![allow(unsafe_code)]

use crate::arena::account::Refusal;
use crate::arena::charged_vec::ChargedVec;
use crate::xml::simd::utf8_scan::algorithm::ScanResult;
use std::arch::x86_64::*;

const BLOCK: usize = 64;

/// Blocks that are either all ASCII, or looked at closely.
const GROUP: usize = 4;

/// So far ahead bytes are asked for: what the processor foresees by itself ends with the page. A document that no
/// cache holds is skipped in a quarter less of the time; what lies behind the last byte is never read.
const AHEAD: usize = 8_192;

/// UTF-8 in the manner of Keiser and Lemire, "Validating UTF-8 In Less Than One Instruction Per Byte", 2021; with
/// tables of more than sixteen entries what is wrong about two bytes takes two of them instead of three.
///
/// # Safety
///
/// [`is_there`](super::is_there).
#[target_feature(enable = "avx512bw,avx512vbmi,popcnt")]
pub(in crate::xml::simd) unsafe fn copy_and_scan(
    bytes: &[u8],
    text: &mut ChargedVec<u8>,
) -> Result<Option<ScanResult>, Refusal> {
    let mut utf8 = Utf8::new();
    let mut found = Findings::new();
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
    Ok(utf8
        .is_valid()
        .then(|| found.result(utf8.has_noncharacter())))
}

#[target_feature(enable = "avx512bw")]
fn load(block: &[u8; BLOCK]) -> __m512i {
    // SAFETY: sixty-four bytes are there.
    unsafe { _mm512_loadu_si512(block.as_ptr().cast()) }
}

/// The findings so far, as vectors of the smallest bytes: masks would have to leave the vectors for each block.
struct Findings {
    /// Less than a space where a control character stands that is no white space.
    control: __m512i,
    /// Zero where a CR stands.
    returns: __m512i,
    line_feeds: usize,
}

/// By the lower six bits of a byte: a space for white space, so that the larger of the two is no control character.
const SPACES: [u8; BLOCK] = {
    let mut table = [0; BLOCK];
    table[b'\t' as usize] = b' ';
    table[b'\n' as usize] = b' ';
    table[b'\r' as usize] = b' ';
    table
};

impl Findings {
    #[target_feature(enable = "avx512bw")]
    fn new() -> Findings {
        let largest = _mm512_set1_epi8(-1);
        Findings {
            control: largest,
            returns: largest,
            line_feeds: 0,
        }
    }

    #[inline]
    #[target_feature(enable = "avx512bw,avx512vbmi,popcnt")]
    fn look(&mut self, block: __m512i) {
        let space = _mm512_permutexvar_epi8(block, load(&SPACES));
        self.control = _mm512_min_epu8(self.control, _mm512_max_epu8(block, space));
        let no_return = _mm512_xor_si512(block, _mm512_set1_epi8(b'\r' as i8));
        self.returns = _mm512_min_epu8(self.returns, no_return);
        let line_feeds = _mm512_cmpeq_epi8_mask(block, _mm512_set1_epi8(b'\n' as i8));
        self.line_feeds += line_feeds.count_ones() as usize;
    }

    #[target_feature(enable = "avx512bw")]
    fn result(&self, noncharacter: bool) -> ScanResult {
        let space = _mm512_set1_epi8(b' ' as i8);
        ScanResult {
            control: _mm512_cmplt_epu8_mask(self.control, space) != 0,
            noncharacter,
            returns: _mm512_testn_epi8_mask(self.returns, self.returns) != 0,
            line_feeds: self.line_feeds,
        }
    }
}

/// Which second bytes a character may not have, by its first one without the highest bit; ASCII characters, which
/// have none, are not distinguished from those. One bit each for 0x80, 0x90, 0xA0 and 0xB0, one for what may be a noncharacter.
const FORBIDDEN: [[u8; BLOCK]; 2] = {
    let mut table = [0; BLOCK];
    // Overlong.
    table[0x00] = 0b1111;
    table[0x01] = 0b1111;
    table[0x20] = 0b0011;
    table[0x30] = 0b0001;
    // Surrogates.
    table[0x2D] = 0b1100;
    table[0x2F] = NONCHARACTER;
    // Beyond U+10FFFF.
    table[0x34] = 0b1110;
    let mut first = 0x35;
    while first < BLOCK {
        table[first] = 0b1111;
        first += 1;
    }
    [[0; BLOCK], table]
};

const NONCHARACTER: u8 = 0b1_0000;

/// The bits of a second byte, by its upper half; the two bits above that may be any.
const SECOND: [u8; BLOCK] = {
    let mut table = [0; BLOCK];
    let mut any = 0;
    while any < BLOCK {
        table[any + 0x8] = NONCHARACTER | 0b0001;
        table[any + 0x9] = NONCHARACTER | 0b0010;
        table[any + 0xA] = NONCHARACTER | 0b0100;
        table[any + 0xB] = NONCHARACTER | 0b1000;
        any += 16;
    }
    table
};

struct Utf8 {
    before: __m512i,
    /// The highest bit is set where a byte continues no character, or one is missing that should.
    wrong: __m512i,
    /// Of what first and second bytes mean together.
    forbidden: __m512i,
}

impl Utf8 {
    #[target_feature(enable = "avx512bw")]
    fn new() -> Utf8 {
        let zero = _mm512_setzero_si512();
        Utf8 {
            before: zero,
            wrong: zero,
            forbidden: zero,
        }
    }

    #[inline]
    #[target_feature(enable = "avx512bw,avx512vbmi")]
    fn block(&mut self, block: __m512i) {
        // The last sixteen bytes before the block, then the block but for its last sixteen.
        let behind = _mm512_alignr_epi64::<6>(block, self.before);
        let first = _mm512_alignr_epi8::<15>(block, behind);
        let second = _mm512_alignr_epi8::<14>(block, behind);
        let third = _mm512_alignr_epi8::<13>(block, behind);
        // Only what begins two bytes, three or four is, less this much, beyond the ASCII characters.
        let beyond =
            |bytes, begin: u8| _mm512_subs_epu8(bytes, _mm512_set1_epi8((begin - 0x80) as i8));
        let continues = _mm512_or_si512(
            _mm512_or_si512(beyond(first, 0xC0), beyond(second, 0xE0)),
            beyond(third, 0xF0),
        );
        // The highest bit without the next.
        let continuation = _mm512_andnot_si512(_mm512_add_epi8(block, block), block);
        self.wrong = _mm512_or_si512(self.wrong, _mm512_xor_si512(continues, continuation));
        let forbidden = _mm512_and_si512(
            _mm512_permutex2var_epi8(load(&FORBIDDEN[0]), first, load(&FORBIDDEN[1])),
            _mm512_permutexvar_epi8(_mm512_srli_epi16::<4>(block), load(&SECOND)),
        );
        self.forbidden = _mm512_or_si512(self.forbidden, forbidden);
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
        // All bits, where one is.
        let cut = _mm512_movm_epi8(_mm512_test_epi8_mask(cut, cut));
        self.wrong = _mm512_or_si512(self.wrong, cut);
        self.before = _mm512_setzero_si512();
    }

    #[target_feature(enable = "avx512bw")]
    fn is_valid(&self) -> bool {
        let errors = _mm512_and_si512(self.forbidden, _mm512_set1_epi8(0b1111));
        _mm512_movepi8_mask(self.wrong) == 0 && _mm512_test_epi8_mask(errors, errors) == 0
    }

    #[target_feature(enable = "avx512bw")]
    fn has_noncharacter(&self) -> bool {
        _mm512_test_epi8_mask(self.forbidden, _mm512_set1_epi8(NONCHARACTER as i8)) != 0
    }
}
