//! The characters of XML 1.0, fifth edition, in UTF-8.

/// White space: production S.
#[inline]
pub fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Production Char: what a document may contain at all, as itself or by reference.
#[inline]
pub fn is_char(code: u32) -> bool {
    matches!(code, 0x9 | 0xA | 0xD | 0x20..=0xD7FF | 0xE000..=0xFFFD | 0x10000..=0x10FFFF)
}

/// Production PubidChar.
pub fn is_public_id_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b' ' | b'\r' | b'\n')
        || b"-'()+,./:=?;!*#@$_%".contains(&byte)
}

/// Production NameStartChar, the colon included.
#[inline]
pub fn is_name_start(code: u32) -> bool {
    if code < 0x80 {
        return matches!(code as u8, b':' | b'A'..=b'Z' | b'_' | b'a'..=b'z');
    }
    matches!(code,
        0xC0..=0xD6 | 0xD8..=0xF6 | 0xF8..=0x2FF | 0x370..=0x37D | 0x37F..=0x1FFF
        | 0x200C..=0x200D | 0x2070..=0x218F | 0x2C00..=0x2FEF | 0x3001..=0xD7FF
        | 0xF900..=0xFDCF | 0xFDF0..=0xFFFD | 0x10000..=0xEFFFF)
}

/// Production NameChar, the colon included.
#[inline]
pub fn is_name_char(code: u32) -> bool {
    if code < 0x80 {
        return matches!(code as u8, b'-' | b'.' | b'0'..=b'9' | b':' | b'A'..=b'Z' | b'_' | b'a'..=b'z');
    }
    is_name_start(code) || matches!(code, 0xB7 | 0x300..=0x36F | 0x203F..=0x2040)
}

/// The first character of `bytes` and its length in bytes; `None` at the end or where they are not UTF-8.
#[inline]
pub fn decode(bytes: &[u8]) -> Option<(u32, usize)> {
    let first = *bytes.first()?;
    if first < 0x80 {
        return Some((u32::from(first), 1));
    }
    let len = match first {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return None,
    };
    let text = std::str::from_utf8(bytes.get(..len)?).ok()?;
    text.chars().next().map(|char| (char.into(), len))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn names_start_with_fewer_characters_than_they_contain() {
        for code in 0..0x11_0000 {
            assert!(!is_name_start(code) || is_name_char(code), "{code:x}");
            assert!(!is_name_char(code) || is_char(code), "{code:x}");
        }
        let only_inside: Vec<u32> = (0..0x11_0000)
            .filter(|&code| is_name_char(code) && !is_name_start(code))
            .collect();
        assert_eq!(only_inside.len(), 1 + 1 + 10 + 1 + 0x70 + 2);
    }

    #[test]
    fn characters_are_decoded_one_at_a_time() {
        assert_eq!(decode("aé".as_bytes()), Some((0x61, 1)));
        assert_eq!(decode("éa".as_bytes()), Some((0xE9, 2)));
        assert_eq!(decode("€".as_bytes()), Some((0x20AC, 3)));
        assert_eq!(decode("😀".as_bytes()), Some((0x1F600, 4)));
        assert_eq!(decode(b""), None);
        assert_eq!(decode(b"\xE2\x82"), None);
        assert_eq!(decode(b"\x80"), None);
        assert_eq!(decode(b"\xED\xA0\x80"), None);
    }
}
