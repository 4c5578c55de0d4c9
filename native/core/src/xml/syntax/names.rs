//! Names: where one ends, and what Namespaces in XML 1.0 makes of its colons.

use crate::xml::syntax::byte_class::{self, NAME};
use crate::xml::syntax::chars::{decode, is_name_char, is_name_start};
use crate::xml::syntax::utf8;

/// How the search for the end of a name came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameEnd {
    /// The name ends before this index.
    At(usize),
    /// The name may go on beyond the text: it is one for this many bytes.
    Open(usize),
    /// A character at this index may not stand in a name.
    Illegal(usize),
    /// The name is longer than allowed.
    TooLong,
}

/// Searches for the end of the name at `from`, of which `held` bytes were read before, and which may
/// have `max` bytes. Its first byte may start a name.
///
/// Each byte is looked at once, however the text is cut, and of two faults the first is found.
#[inline(always)]
pub(crate) fn find_name_end(text: &[u8], from: usize, held: usize, max: usize) -> NameEnd {
    let mut bits = 0;
    let mut at = from + held;
    while at < text.len() && byte_class::is(text[at], NAME) {
        bits |= text[at];
        at += 1;
    }
    if bits < 0x80 && at < text.len() && at - from <= max {
        return NameEnd::At(at);
    }
    check_name_end(text, from, held, max, at)
}

#[cold]
#[inline(never)]
fn check_name_end(text: &[u8], from: usize, held: usize, max: usize, at: usize) -> NameEnd {
    let start = from + held;
    let part = &text[start..at.min(from.saturating_add(max)).max(start)];
    // The text may be cut inside a character.
    let whole = utf8::whole_characters(part);
    let legal = match held {
        0 => name_len(&part[..whole]),
        _ => nmtoken_len(&part[..whole]),
    };
    if legal < whole {
        return NameEnd::Illegal(start + legal);
    }
    if at - from > max {
        return NameEnd::TooLong;
    }
    match at == text.len() {
        true => NameEnd::Open(held + whole),
        false => NameEnd::At(at),
    }
}

/// The length in bytes of the name that `bytes` starts with; 0 when it starts with none.
#[inline]
pub fn name_len(bytes: &[u8]) -> usize {
    match decode(bytes) {
        Some((code, len)) if is_name_start(code) => len + nmtoken_len(&bytes[len..]),
        _ => 0,
    }
}

/// The length in bytes of the name token that `bytes` starts with: a name that may start with any
/// of its characters.
#[inline]
pub fn nmtoken_len(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        // Most characters are ASCII.
        let ascii = |byte: &u8| byte.is_ascii() && byte_class::is(*byte, NAME);
        at += bytes[at..].iter().take_while(|byte| ascii(byte)).count();
        match decode(&bytes[at..]) {
            Some((code, len)) if is_name_char(code) => at += len,
            _ => return at,
        }
    }
}

/// Whether a name has no colon: production NCName.
#[inline]
pub fn is_ncname(name: &[u8]) -> bool {
    memchr::memchr(b':', name).is_none()
}

/// Whether a name, whose characters are known to be those of names, has no colon, or one between two
/// names: production QName.
pub fn is_qname(name: &[u8]) -> bool {
    match memchr::memchr(b':', name) {
        None => true,
        Some(colon) => {
            let local = &name[colon + 1..];
            let starts_name = decode(local).is_some_and(|(code, _)| is_name_start(code));
            colon > 0 && is_ncname(local) && starts_name
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_at_the_first_other_character() {
        assert_eq!(name_len(b"a-b.c:d>"), 7);
        assert_eq!(name_len("é€x ".as_bytes()), 6);
        assert_eq!(name_len(b"-a"), 0);
        assert_eq!(nmtoken_len(b"-a "), 2);
        assert_eq!(name_len(b""), 0);
        assert_eq!(name_len("a\u{B7}\u{D7}".as_bytes()), 3);
    }

    #[test]
    fn a_qualified_name_has_at_most_one_colon_between_names() {
        for name in ["a", "a:b", "_:_", "é:é"] {
            assert!(is_qname(name.as_bytes()), "{name}");
        }
        for name in [":", ":a", "a:", "a:b:c", "a::b", "a:1", "a:-"] {
            assert!(!is_qname(name.as_bytes()), "{name}");
        }
    }
}
