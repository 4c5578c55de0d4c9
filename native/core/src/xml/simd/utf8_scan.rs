//! Scans all of a text in one pass.

pub(in crate::xml::simd) mod algorithm;

pub(crate) use crate::xml::simd::utf8_scan::algorithm::ScanResult;

use crate::arena::account::Refusal;
use crate::arena::charged_vec::ChargedVec;
use crate::xml::simd::kernels;

/// Scans `text`.
pub(crate) fn scan(text: &[u8]) -> ScanResult {
    kernels::scan(text)
}

/// The same, and appends a copy of `bytes` to `text` in the same pass. `None`: they are not UTF-8, or this processor has no
/// kernel that checks that in the same pass.
///
/// Refused, `text` has a part of them: make room for all beforehand.
pub(crate) fn copy_and_scan(
    bytes: &[u8],
    text: &mut ChargedVec<u8>,
) -> Result<Option<ScanResult>, Refusal> {
    kernels::copy_and_scan(bytes, text)
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::arena::account::Account;

    /// The findings while `bytes` are copied, which happens in any case.
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
    #[cfg_attr(emulated, ignore = "takes minutes under emulation")]
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
