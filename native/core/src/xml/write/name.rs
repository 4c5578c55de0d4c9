//! Names, and names that were checked.

use crate::xml::simd::{byte_search, short};
use crate::xml::syntax::names;
use crate::xml::write::MAX_NAME_BYTES;
use crate::xml::write::fault::{Cause, FaultKind, excerpt};

/// A name as it is written, known to be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedName<'a> {
    pub(crate) bytes: &'a [u8],
    /// Its first bytes, with zeros behind them: most names are no longer, and copied and compared as one.
    pub(crate) head: [u8; HEAD],
}

/// Bytes of a head.
pub(crate) const HEAD: usize = short::SHORT;

impl<'a> CheckedName<'a> {
    /// Of what was checked.
    #[inline(always)]
    pub(crate) fn new(bytes: &'a [u8]) -> CheckedName<'a> {
        CheckedName {
            bytes,
            head: short::first(bytes).to_le_bytes(),
        }
    }

    /// Whether it is a name of ASCII characters, and not too long.
    #[inline(always)]
    fn is_plain(&self) -> bool {
        let len = self.bytes.len();
        // A zero ends a name: one that is short is looked at as a whole.
        let fits = match len <= HEAD {
            true => byte_search::name_end(&self.head, 0) >= len,
            false => len <= MAX_NAME_BYTES && byte_search::name_end(self.bytes, 0) == len,
        };
        // Of what may stand in a name, the hyphen, the point and digits, which cannot begin one, come before all others.
        fits && self.head[0] >= b':'
    }

    /// Whether both are the same name.
    #[inline(always)]
    pub(crate) fn is(&self, other: &CheckedName<'_>) -> bool {
        same(self.bytes, &self.head, other.bytes, &other.head)
    }

    /// The name's bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether an attribute of this name declares a namespace: it is `xmlns`, or begins with `xmlns:`.
    #[inline(always)]
    pub fn declares(&self) -> bool {
        self.head.starts_with(b"xmln")
            && self.bytes[4..].starts_with(b"s")
            && matches!(self.bytes.get(5), None | Some(b':'))
    }
}

/// A name of an element or an attribute.
#[derive(Clone, Copy, Debug)]
pub enum WrittenName<'a> {
    Plain(CheckedName<'a>),
    /// A namespace, none perhaps, and a name in it.
    Expanded(Option<&'a [u8]>, &'a [u8]),
}

/// `bytes` as a name: production Name.
#[inline(always)]
pub fn check_name(bytes: &[u8]) -> Result<CheckedName<'_>, Box<(FaultKind, String)>> {
    let name = CheckedName::new(bytes);
    if !name.is_plain() {
        check_slowly(bytes).map_err(boxed)?;
    }
    Ok(name)
}

#[cold]
fn boxed(cause: Cause) -> Box<(FaultKind, String)> {
    Box::new((cause.kind, cause.reason))
}

#[inline]
pub(crate) fn checked(bytes: &[u8]) -> Result<CheckedName<'_>, Cause> {
    let name = CheckedName::new(bytes);
    if !name.is_plain() {
        check_slowly(bytes)?;
    }
    Ok(name)
}

/// Whether two names with their heads are the same.
#[inline(always)]
pub(crate) fn same(one: &[u8], head: &[u8; HEAD], other: &[u8], others: &[u8; HEAD]) -> bool {
    one.len() == other.len()
        && u128::from_le_bytes(*head) == u128::from_le_bytes(*others)
        && (one.len() <= HEAD || one == other)
}

#[cold]
fn check_slowly(bytes: &[u8]) -> Result<(), Cause> {
    if bytes.len() > MAX_NAME_BYTES {
        return Err(Cause::new(
            FaultKind::Name,
            format!(
                "a name has {} bytes, and may have {MAX_NAME_BYTES}",
                bytes.len()
            ),
        ));
    }
    if names::name_len(bytes) == bytes.len() && !bytes.is_empty() {
        return Ok(());
    }
    Err(Cause::new(
        FaultKind::Name,
        match bytes {
            [] => "a name has no character".to_owned(),
            _ => format!("\"{}\" is not an XML name", excerpt(bytes)),
        },
    ))
}

/// Checks a name without colons: production NCName.
pub(crate) fn check_local(bytes: &[u8]) -> Result<(), Cause> {
    checked(bytes)?;
    if names::is_ncname(bytes) {
        return Ok(());
    }
    Err(Cause::new(
        FaultKind::Name,
        format!(
            "\"{}\" has a colon, which a name in a namespace has not",
            excerpt(bytes)
        ),
    ))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_recommendation() {
        for name in [
            "a", "_", ":", "a-b.c9", "größe", "é", "a:b:c", "xmlns", "中",
        ] {
            assert!(checked(name.as_bytes()).is_ok(), "{name}");
        }
        for name in [
            "", "-a", "9", "a b", "a>", "é ", "\u{B7}a", "a\u{D7}", "a/", "\0",
        ] {
            assert!(checked(name.as_bytes()).is_err(), "{name}");
        }
        assert!(checked(b"\xFF").is_err() && checked(b"a\xC3").is_err());
        let long = vec![b'a'; MAX_NAME_BYTES + 1];
        assert!(checked(&long).is_err() && checked(&long[1..]).is_ok());
    }

    #[test]
    fn heads_are_the_first_bytes() {
        let bytes: Vec<u8> = (b'a'..=b'z').collect();
        for len in 0..bytes.len() {
            let name = CheckedName::new(&bytes[..len]);
            let known = len.min(HEAD);
            assert_eq!(name.head[..known], bytes[..known]);
            assert!(name.head[known..].iter().all(|&byte| byte == 0));
            let mut other = bytes.clone();
            assert!(name.is(&CheckedName::new(&other[..len])));
            assert!(!name.is(&CheckedName::new(&other[..len + 1])));
            if len > 0 {
                other[len - 1] = b'_';
                assert!(!name.is(&CheckedName::new(&other[..len])));
            }
        }
    }

    #[test]
    fn declarations_are_known_by_their_names() {
        for (name, declares) in [
            ("xmlns", true),
            ("xmlns:a", true),
            ("xmlnsa", false),
            ("xmln", false),
            ("a:xmlns", false),
        ] {
            assert_eq!(
                checked(name.as_bytes()).map(|it| it.declares()),
                Ok(declares)
            );
        }
    }
}
