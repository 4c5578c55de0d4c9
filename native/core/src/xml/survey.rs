//! One look at all of a text, with the widest vectors there are.

use super::class::is_control;
use crate::charged::ChargedVec;
use crate::quota::Refusal;
use memchr::memchr_iter;
use std::ops::AddAssign;

/// What is somewhere in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Survey {
    /// A control character that no document may hold.
    pub control: bool,
    /// A byte that U+FFFE and U+FFFF begin with.
    pub noncharacter: bool,
    /// A CR.
    pub returns: bool,
    /// How many LFs.
    pub line_feeds: usize,
}

impl Survey {
    pub fn of(text: &[u8]) -> Survey {
        Survey {
            line_feeds: memchr_iter(b'\n', text).count(),
            ..wide::survey(text)
        }
    }

    /// The same, if `bytes` are UTF-8, of which a copy is added to `text` on the way. `None`: they are not, or
    /// this processor cannot tell on the way.
    ///
    /// Refused, `text` has a part of them: make room for all beforehand.
    pub fn of_copied_utf8(
        bytes: &[u8],
        text: &mut ChargedVec<u8>,
    ) -> Result<Option<Survey>, Refusal> {
        wide::survey_copied_utf8(bytes, text)
    }
}

impl AddAssign for Survey {
    fn add_assign(&mut self, other: Survey) {
        self.control |= other.control;
        self.noncharacter |= other.noncharacter;
        self.returns |= other.returns;
        self.line_feeds += other.line_feeds;
    }
}

/// All but the number of LFs. Compiled for the vectors of whoever calls it.
#[inline(always)]
fn survey(text: &[u8]) -> Survey {
    // Bytes, not truth values: those would take four times as many instructions.
    let (mut control, mut noncharacter, mut returns) = (0, 0, 0);
    for &byte in text {
        control |= u8::from(is_control(byte));
        noncharacter |= u8::from(byte == 0xEF);
        returns |= u8::from(byte == b'\r');
    }
    Survey {
        control: control > 0,
        noncharacter: noncharacter > 0,
        returns: returns > 0,
        line_feeds: 0,
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod wide {
    use super::{ChargedVec, Refusal, Survey};
    use std::arch::x86_64::*;

    pub fn survey(text: &[u8]) -> Survey {
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has what it was compiled for.
            return unsafe { with_avx2(text) };
        }
        super::survey(text)
    }

    #[target_feature(enable = "avx2")]
    fn with_avx2(text: &[u8]) -> Survey {
        super::survey(text)
    }

    pub fn survey_copied_utf8(
        bytes: &[u8],
        text: &mut ChargedVec<u8>,
    ) -> Result<Option<Survey>, Refusal> {
        if is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("popcnt") {
            // SAFETY: the processor has what it was compiled for.
            return unsafe { copied_utf8_with_avx512(bytes, text) };
        }
        text.extend_from_slice(bytes)?;
        Ok(None)
    }

    const BLOCK: usize = 64;

    /// Blocks that are either all ASCII, or looked at closely.
    const GROUP: usize = 4;

    /// UTF-8 as in Keiser and Lemire, "Validating UTF-8 In Less Than One Instruction Per Byte", 2021.
    #[target_feature(enable = "avx512bw,popcnt")]
    fn copied_utf8_with_avx512(
        bytes: &[u8],
        text: &mut ChargedVec<u8>,
    ) -> Result<Option<Survey>, Refusal> {
        let mut utf8 = Utf8::new();
        let mut found = Found::default();
        let (groups, rest) = bytes.as_chunks::<{ GROUP * BLOCK }>();
        for group in groups {
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
}

#[cfg(not(target_arch = "x86_64"))]
mod wide {
    use super::{ChargedVec, Refusal, Survey};

    pub use super::survey;

    pub fn survey_copied_utf8(
        bytes: &[u8],
        text: &mut ChargedVec<u8>,
    ) -> Result<Option<Survey>, Refusal> {
        text.extend_from_slice(bytes)?;
        Ok(None)
    }
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::quota::Account;

    /// What is found while `bytes` are copied, which they are in any case.
    fn copied(bytes: &[u8]) -> Option<Survey> {
        let mut text = ChargedVec::new(&Account::root());
        text.extend_from_slice(b"before").unwrap();
        let found = Survey::of_copied_utf8(bytes, &mut text).unwrap();
        assert_eq!(text[..], [b"before", bytes].concat());
        found
    }

    #[test]
    fn tells_of_every_byte_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            let expected = Survey {
                control: byte < b' ' && !b"\t\n\r".contains(&byte),
                noncharacter: byte == 0xEF,
                returns: byte == b'\r',
                line_feeds: usize::from(byte == b'\n'),
            };
            for len in [1, 31, 100, 300] {
                for at in (0..len).step_by(7) {
                    let mut text = vec![b'x'; len];
                    text[at] = byte;
                    assert_eq!(Survey::of(&text), expected, "{byte} at {at} of {len}");
                    if byte < 0x80 && is_wide() {
                        assert_eq!(copied(&text), Some(expected), "{byte} at {at}");
                    }
                }
            }
        }
        assert_eq!(Survey::of(b""), Survey::default());
    }

    /// Whether the processor can do it at all.
    fn is_wide() -> bool {
        copied(b"").is_some()
    }

    /// Texts of all lengths with `part` at every place near the borders of blocks and groups.
    fn check_around(part: &[u8]) {
        for before in (0..10).chain(55..70).chain(245..260) {
            for after in [0, 1, 3, 60, 300] {
                let text = [&b"x".repeat(before)[..], part, &b"y".repeat(after)[..]].concat();
                let found = copied(&text);
                let expected = std::str::from_utf8(&text)
                    .is_ok()
                    .then(|| Survey::of(&text));
                assert_eq!(
                    found,
                    expected.filter(|_| is_wide()),
                    "{before} {part:x?} {after}"
                );
            }
        }
    }

    #[test]
    fn knows_what_is_utf8_as_the_standard_library_does() {
        // Everything that begins a character, before everything that may follow it.
        for first in (0x70..=0xFF).step_by(1) {
            for second in [
                0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xEF, 0xFF,
            ] {
                check_around(&[first, second]);
                for third in [b'z', 0x80, 0xBF, 0xC2] {
                    check_around(&[first, second, third]);
                    check_around(&[first, second, third, 0x80]);
                    check_around(&[first, second, third, b'z']);
                }
            }
        }
        for text in [
            "é",
            "€",
            "😀",
            "\u{FFFD}",
            "\u{FFFE}",
            "é€😀é",
            "😀😀",
            "€€€€",
        ] {
            check_around(text.as_bytes());
            for end in 0..text.len() {
                check_around(&text.as_bytes()[..end]);
                check_around(&text.as_bytes()[end..]);
            }
        }
    }

    #[test]
    fn knows_valid_and_broken_text_of_every_script() {
        let text = "aβ𐍈 c€\u{10FFFF}é\tz中文字 пример \u{D7FF}\u{E000}".repeat(30);
        assert_eq!(copied(text.as_bytes()).is_some(), is_wide());
        for at in 0..text.len() {
            for byte in [b'x', 0x80, 0xC3, 0xE2, 0xF0, 0xFF] {
                let mut broken = text.clone().into_bytes();
                broken[at] = byte;
                let valid = std::str::from_utf8(&broken).is_ok();
                assert_eq!(
                    copied(&broken).is_some(),
                    valid && is_wide(),
                    "{at} {byte:x}"
                );
            }
        }
    }
}
