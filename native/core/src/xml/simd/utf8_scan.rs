//! One look at all of a text, with the widest vectors there are.

#[cfg(target_arch = "x86_64")]
mod avx512;

use crate::arena::account::Refusal;
use crate::arena::charged_vec::ChargedVec;
use crate::xml::syntax::byte_class::is_control;
use memchr::memchr_iter;
use std::ops::AddAssign;

/// What is somewhere in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ScanResult {
    /// A control character that no document may hold.
    pub control: bool,
    /// A byte that U+FFFE and U+FFFF begin with.
    pub noncharacter: bool,
    /// A CR.
    pub returns: bool,
    /// How many LFs.
    pub line_feeds: usize,
}

/// What is in `text`.
pub(crate) fn scan(text: &[u8]) -> ScanResult {
    ScanResult {
        line_feeds: memchr_iter(b'\n', text).count(),
        ..wide::scan(text)
    }
}

/// The same, if `bytes` are UTF-8, of which a copy is added to `text` on the way. `None`: they are not, or
/// this processor cannot tell on the way.
///
/// Refused, `text` has a part of them: make room for all beforehand.
pub(crate) fn copy_and_scan(
    bytes: &[u8],
    text: &mut ChargedVec<u8>,
) -> Result<Option<ScanResult>, Refusal> {
    wide::copy_and_scan(bytes, text)
}

impl AddAssign for ScanResult {
    fn add_assign(&mut self, other: ScanResult) {
        self.control |= other.control;
        self.noncharacter |= other.noncharacter;
        self.returns |= other.returns;
        self.line_feeds += other.line_feeds;
    }
}

/// All but the number of LFs. Compiled for the vectors of whoever calls it.
#[inline(always)]
fn scan_with_vectors(text: &[u8]) -> ScanResult {
    // Bytes, not truth values: those would take four times as many instructions.
    let (mut control, mut noncharacter, mut returns) = (0, 0, 0);
    for &byte in text {
        control |= u8::from(is_control(byte));
        noncharacter |= u8::from(byte == 0xEF);
        returns |= u8::from(byte == b'\r');
    }
    ScanResult {
        control: control > 0,
        noncharacter: noncharacter > 0,
        returns: returns > 0,
        line_feeds: 0,
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod wide {
    use super::{ChargedVec, Refusal, ScanResult, avx512};

    pub fn scan(text: &[u8]) -> ScanResult {
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has what it was compiled for.
            return unsafe { with_avx2(text) };
        }
        super::scan_with_vectors(text)
    }

    #[target_feature(enable = "avx2")]
    fn with_avx2(text: &[u8]) -> ScanResult {
        super::scan_with_vectors(text)
    }

    pub fn copy_and_scan(
        bytes: &[u8],
        text: &mut ChargedVec<u8>,
    ) -> Result<Option<ScanResult>, Refusal> {
        if avx512::is_there() {
            // SAFETY: the processor has what it was compiled for.
            return unsafe { avx512::copy_and_scan(bytes, text) };
        }
        text.extend_from_slice(bytes)?;
        Ok(None)
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod wide {
    use super::{ChargedVec, Refusal, ScanResult};

    pub(super) use super::scan_with_vectors as scan;

    pub fn copy_and_scan(
        bytes: &[u8],
        text: &mut ChargedVec<u8>,
    ) -> Result<Option<ScanResult>, Refusal> {
        text.extend_from_slice(bytes)?;
        Ok(None)
    }
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::arena::account::Account;

    /// What is found while `bytes` are copied, which they are in any case.
    fn copied(bytes: &[u8]) -> Option<ScanResult> {
        let mut text = ChargedVec::new(&Account::root());
        text.extend_from_slice(b"before").unwrap();
        let found = copy_and_scan(bytes, &mut text).unwrap();
        assert_eq!(text[..], [b"before", bytes].concat());
        found
    }

    #[test]
    fn tells_of_every_byte_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            let expected = ScanResult {
                control: byte < b' ' && !b"\t\n\r".contains(&byte),
                noncharacter: byte == 0xEF,
                returns: byte == b'\r',
                line_feeds: usize::from(byte == b'\n'),
            };
            for len in [1, 31, 100, 300] {
                for at in (0..len).step_by(7) {
                    let mut text = vec![b'x'; len];
                    text[at] = byte;
                    assert_eq!(scan(&text), expected, "{byte} at {at} of {len}");
                    if byte < 0x80 && is_wide() {
                        assert_eq!(copied(&text), Some(expected), "{byte} at {at}");
                    }
                }
            }
        }
        assert_eq!(scan(b""), ScanResult::default());
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
                let expected = std::str::from_utf8(&text).is_ok().then(|| scan(&text));
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
