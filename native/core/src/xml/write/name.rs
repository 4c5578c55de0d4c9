//! Names, and names that were checked.

use crate::xml::simd::byte_search;
use crate::xml::syntax::byte_class::{self, START};
use crate::xml::syntax::names;
use crate::xml::write::MAX_NAME_BYTES;
use crate::xml::write::fault::{Cause, FaultKind, excerpt};

/// A name as it is written, known to be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedName<'a> {
    pub(crate) bytes: &'a [u8],
    /// Its first bytes, with zeros behind them: most names are no longer, and copied and compared as one.
    pub(crate) head: [u8; HEAD],
    /// Whether it is `xmlns` or begins with `xmlns:`.
    pub(crate) declares: bool,
}

/// Bytes of a head.
pub(crate) const HEAD: usize = 16;

impl<'a> CheckedName<'a> {
    /// Of what was checked.
    #[inline(always)]
    pub(crate) fn new(bytes: &'a [u8]) -> CheckedName<'a> {
        CheckedName {
            bytes,
            head: head(bytes),
            declares: bytes.starts_with(b"xmlns") && matches!(bytes.get(5), None | Some(b':')),
        }
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

    /// Whether an attribute of this name declares a namespace.
    pub fn declares(&self) -> bool {
        self.declares
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
#[inline]
pub fn check_name(bytes: &[u8]) -> Result<CheckedName<'_>, Box<(FaultKind, String)>> {
    match checked(bytes) {
        Ok(name) => Ok(name),
        Err(cause) => Err(Box::new((cause.kind, cause.reason))),
    }
}

#[inline]
pub(crate) fn checked(bytes: &[u8]) -> Result<CheckedName<'_>, Cause> {
    let name = CheckedName::new(bytes);
    let starts = byte_class::is(name.head[0], START) && name.head[0] < 0x80;
    // A zero ends a name: one that is short is looked at as a whole.
    let end = match bytes.len() <= HEAD {
        true => byte_search::name_end(&name.head, 0),
        false => byte_search::name_end(bytes, 0),
    };
    let plain = starts && end >= bytes.len();
    if !plain || bytes.len() > MAX_NAME_BYTES {
        check_slowly(bytes)?;
    }
    Ok(name)
}

/// The first bytes, with zeros behind them: two words that overlap, or what is shorter than those.
#[inline(always)]
fn head(bytes: &[u8]) -> [u8; HEAD] {
    if let Some(head) = bytes.first_chunk::<HEAD>() {
        return *head;
    }
    let len = bytes.len();
    let word = if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
        u128::from(first) | u128::from(last) << (8 * (len - 8))
    } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        u128::from(first) | u128::from(last) << (8 * (len - 4))
    } else {
        bytes
            .iter()
            .rev()
            .fold(0, |word, &byte| word << 8 | u128::from(byte))
    };
    word.to_le_bytes()
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
            assert_eq!(checked(name.as_bytes()).map(|it| it.declares), Ok(declares));
        }
    }
}
