//! Classes of bytes, in one table, and the search for characters that no document may contain.

use super::super::simd::utf8_scan::ScanResult;

/// May stand in a name. Bytes beyond ASCII may; which characters they form is checked once per name.
pub(crate) const NAME: u8 = 1;
/// May start a name.
pub(crate) const START: u8 = 2;
/// White space.
pub(crate) const SPACE: u8 = 4;
/// Ends or interrupts the plain bytes of an attribute's value.
pub(crate) const VALUE: u8 = 8;

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut index = 0;
    while index < 256 {
        let byte = index as u8;
        let mut class = 0;
        if byte.is_ascii_alphabetic() || byte == b'_' || byte == b':' || byte >= 0x80 {
            class |= NAME | START;
        }
        if byte.is_ascii_digit() || byte == b'-' || byte == b'.' {
            class |= NAME;
        }
        if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            class |= SPACE;
        }
        if matches!(byte, b'"' | b'\'' | b'<' | b'&' | b'\t' | b'\n' | b'\r') {
            class |= VALUE;
        }
        classes[index] = class;
        index += 1;
    }
    classes
}

/// Whether `byte` is of any of the classes in `mask`.
#[inline(always)]
pub(crate) fn is(byte: u8, mask: u8) -> bool {
    CLASSES[byte as usize] & mask != 0
}

/// Whether all of `bytes` are of any of the classes in `mask`.
#[inline]
pub(crate) fn are(bytes: &[u8], mask: u8) -> bool {
    bytes.iter().all(|&byte| is(byte, mask))
}

/// The first index from `from` whose byte is not of the classes in `mask`, or the length.
#[inline(always)]
pub(crate) fn skip(bytes: &[u8], from: usize, mask: u8) -> usize {
    let mut at = from;
    while at < bytes.len() && is(bytes[at], mask) {
        at += 1;
    }
    at
}

/// The offset of the first character that no document may contain, in text known to be UTF-8. `found` is the scan of that
/// text: if it found no byte of such a character, the text is not read.
pub(crate) fn first_illegal(text: &[u8], found: ScanResult) -> Option<usize> {
    let control = match found.control {
        true => text.iter().position(|&byte| is_control(byte)),
        false => None,
    };
    let before = &text[..control.unwrap_or(text.len())];
    match found.noncharacter {
        true => first_noncharacter(before).or(control),
        false => control,
    }
}

/// Whether no document may hold this character: white space may be.
#[inline(always)]
pub(crate) fn is_control(byte: u8) -> bool {
    (byte < b' ') & (byte != b'\t') & (byte != b'\n') & (byte != b'\r')
}

/// The first U+FFFE or U+FFFF.
fn first_noncharacter(text: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(found) = memchr::memchr(0xEF, &text[from..]) {
        let at = from + found;
        if matches!(text[at + 1..], [0xBF, 0xBE | 0xBF, ..]) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::xml::syntax::chars;

    #[test]
    fn classes_agree_with_the_productions_on_ascii() {
        for byte in 0..0x80 {
            let code = u32::from(byte);
            assert_eq!(is(byte, START), chars::is_name_start(code), "{byte}");
            assert_eq!(is(byte, NAME), chars::is_name_char(code), "{byte}");
            assert_eq!(is(byte, SPACE), chars::is_space(byte), "{byte}");
        }
        for byte in 0x80..=0xFF {
            assert!(is(byte, NAME) && is(byte, START));
        }
    }

    fn illegal(text: &str) -> Option<usize> {
        first_illegal(
            text.as_bytes(),
            crate::xml::simd::utf8_scan::scan(text.as_bytes()),
        )
    }

    #[test]
    fn finds_illegal_characters_at_any_distance() {
        for bad in ["\0", "\u{1F}", "\u{FFFE}", "\u{FFFF}"] {
            for before in 0..300 {
                let mut text = "x".repeat(before);
                text += bad;
                text += "\u{FFFD}\u{E000}\t\r\n\u{7F}";
                text += &"y".repeat(200);
                assert_eq!(illegal(&text), Some(before), "{bad:?}");
            }
        }
        assert_eq!(illegal("\u{FFFD}é\u{F000}\t\r\n"), None);
        assert_eq!(illegal("\u{FFFE}\0"), Some(0));
        assert_eq!(illegal("\u{FFFD}\u{FFFE}"), Some(3));
        assert_eq!(illegal("a\tb\r\n\u{85}\u{FFFD}\u{F900}"), None);
    }
}
