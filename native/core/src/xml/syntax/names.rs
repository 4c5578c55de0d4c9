//! Names: where one ends, and what Namespaces in XML 1.0 makes of its colons.

use crate::xml::syntax::chars::{decode, is_name_char, is_name_start};

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
    while let Some((code, len)) = decode(&bytes[at..]) {
        if !is_name_char(code) {
            break;
        }
        at += len;
    }
    at
}

/// Whether a name has no colon: production NCName.
#[inline]
pub fn is_ncname(name: &[u8]) -> bool {
    memchr::memchr(b':', name).is_none()
}

/// Whether a name has no colon, or one between two names: production QName.
pub fn is_qname(name: &[u8]) -> bool {
    match memchr::memchr(b':', name) {
        None => true,
        Some(colon) => {
            let local = &name[colon + 1..];
            colon > 0 && is_ncname(local) && name_len(local) == local.len() && !local.is_empty()
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
