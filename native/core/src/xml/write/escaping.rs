//! Texts by themselves: escaped for any place in a document, and back.

use crate::arena::account::{Account, Kind, Refusal, Reservation};
use crate::sync::Arc;
use crate::xml::chars::is_char;
use crate::xml::scanner::recover::html_entity;
use crate::xml::simd::escape::ANYWHERE;
use crate::xml::syntax::{names, utf8};
use crate::xml::write::checks::{checked_text, text_cause};
use crate::xml::write::fault::{Cause, FaultKind, excerpt};
use crate::xml::write::pieces::{PieceSink, Pieces, TextFault};
use quick_xml::escape::{EscapeError, unescape_with};
use std::borrow::Cow;

/// References that one call replaces one by one. A name of HTML takes up to half a microsecond.
const REFERENCES: usize = 500;

/// Why a part of a text cannot be escaped or unescaped, and the offset of the first wrong byte in the part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartFault {
    pub kind: FaultKind,
    pub reason: String,
    pub at: usize,
}

/// Why a part was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartError {
    Refused(Refusal),
    Fault(Box<PartFault>),
}

impl From<Refusal> for PartError {
    fn from(refusal: Refusal) -> PartError {
        PartError::Refused(refusal)
    }
}

fn fault(cause: Cause, at: usize) -> PartError {
    PartError::Fault(Box::new(PartFault {
        kind: cause.kind,
        reason: cause.reason,
        at,
    }))
}

/// Whole characters of `part`, of which more follows unless it is the `last`.
fn whole(part: &[u8], last: bool) -> &[u8] {
    match last {
        true => part,
        false => &part[..utf8::whole_characters(part)],
    }
}

/// The offset of the first character in `text` that XML does not allow, or of the first bytes that are not UTF-8.
fn first_fault(text: &[u8], cause: Cause) -> PartError {
    let at = match std::str::from_utf8(text) {
        Err(error) => error.valid_up_to(),
        Ok(valid) => valid
            .char_indices()
            .find(|(_, char)| !is_char(u32::from(*char)))
            .map_or(text.len(), |(at, _)| at),
    };
    fault(cause, at)
}

/// Escapes a part of a text, shorter than a piece. Returns the bytes read, and whether nothing had to be escaped: then the sink got
/// nothing.
pub fn escape(
    part: &[u8],
    last: bool,
    account: &Arc<Account>,
    sink: &mut impl PieceSink,
) -> Result<(usize, bool), PartError> {
    let part = whole(part, last);
    let mut out = Pieces::new(account)?;
    if let Err(error) = out.text::<ANYWHERE>(part, sink) {
        return Err(match error {
            TextFault::Illegal(at) => fault(text_cause(part, error), at),
            TextFault::NotUtf8 => first_fault(part, Cause::encoding()),
        });
    }
    // A reference is longer than what it stands for.
    let same = out.written() == part.len() as u64;
    if !same {
        out.flush(sink);
    }
    Ok((part.len(), same))
}

/// What a part of a text became.
pub struct Unescaped<'a> {
    pub text: Cow<'a, str>,
    /// Bytes that were read.
    pub read: usize,
    /// The name of an entity that is not known here. Its reference ends what was read and is not in `text`: the caller replaces it.
    pub name: Option<&'a str>,
    _charge: Option<Reservation>,
}

/// Replaces the references in a part of a text: those to characters, to the five entities that need no declaration, and
/// with `html` those to HTML's.
pub fn unescape<'a>(
    part: &'a [u8],
    last: bool,
    html: bool,
    account: &Arc<Account>,
) -> Result<Unescaped<'a>, PartError> {
    let part = whole(part, last);
    let part = checked_text(part).map_err(|cause| first_fault(part, cause))?;
    let part = complete(part, last)?;
    let bytes = part.len();
    if memchr::memchr(b'&', part.as_bytes()).is_none() {
        return Ok(Unescaped {
            text: Cow::Borrowed(part),
            read: bytes,
            name: None,
            _charge: None,
        });
    }
    // At worst the text of a reference is a byte longer than the reference: the five of `&nLt;` become six.
    let charge = Reservation::new(account, Kind::Native, 2 * bytes as u64 + 64)?;
    let text = unescape_with(part, predefined)
        .ok()
        .filter(|text| checked_text(text.as_bytes()).is_ok());
    let (text, read, name) = match text {
        Some(text) => (text, bytes, None),
        None => one_by_one(part, html)?,
    };
    Ok(Unescaped {
        text,
        read,
        name,
        _charge: Some(charge),
    })
}

/// `part` without the beginning of a reference at its end.
fn complete(part: &str, last: bool) -> Result<&str, PartError> {
    match memchr::memrchr2(b'&', b';', part.as_bytes()) {
        Some(at) if !last && part.as_bytes()[at] == b'&' => match at {
            0 => Err(unterminated(part, 0)),
            _ => Ok(&part[..at]),
        },
        _ => Ok(part),
    }
}

fn predefined(name: &str) -> Option<&'static str> {
    quick_xml::escape::resolve_predefined_entity(name)
}

fn unterminated(part: &str, at: usize) -> PartError {
    let shown = excerpt(&part.as_bytes()[at..]);
    let reason = format!("\"{shown}\" does not begin a reference, and & is written &amp;");
    fault(Cause::new(FaultKind::Entity, reason), at)
}

/// Replaces references one by one: quick-xml does not know one of them, or accepts one that XML forbids.
#[cold]
fn one_by_one(
    part: &str,
    html: bool,
) -> Result<(Cow<'static, str>, usize, Option<&str>), PartError> {
    let mut text = String::with_capacity(2 * part.len());
    let mut read = 0;
    for _ in 0..REFERENCES {
        let rest = &part[read..];
        let Some(start) = memchr::memchr(b'&', rest.as_bytes()) else {
            text.push_str(rest);
            return Ok((Cow::Owned(text), part.len(), None));
        };
        let at = read + start;
        let reference = &rest[start..];
        let Some(end) = memchr::memchr(b';', reference.as_bytes()) else {
            return Err(unterminated(part, at));
        };
        text.push_str(&rest[..start]);
        let (name, reference) = (&reference[1..end], &reference[..=end]);
        read = at + reference.len();
        match unescape_with(reference, predefined) {
            Ok(char) if char.chars().all(|char| is_char(u32::from(char))) => text.push_str(&char),
            Err(EscapeError::UnrecognizedEntity(..)) => {
                if names::name_len(name.as_bytes()) != name.len() || name.is_empty() {
                    return Err(unterminated(part, at));
                }
                match html_entity(name.as_bytes()).filter(|_| html) {
                    Some(chars) => text.push_str(&String::from_utf8_lossy(chars.bytes())),
                    None => return Ok((Cow::Owned(text), read, Some(name))),
                }
            }
            Err(EscapeError::UnterminatedEntity(_)) => return Err(unterminated(part, at)),
            _ => {
                let reason = format!(
                    "{} refers to no character that XML allows",
                    excerpt(reference.as_bytes())
                );
                return Err(fault(Cause::new(FaultKind::Character, reason), at));
            }
        }
    }
    Ok((Cow::Owned(text), read, None))
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    struct Collected(Vec<u8>);

    impl PieceSink for Collected {
        fn piece(&mut self, bytes: &[u8]) {
            self.0.extend_from_slice(bytes);
        }
    }

    fn escaped(part: &[u8]) -> Result<(usize, bool, String), PartError> {
        let mut sink = Collected(Vec::new());
        let (read, same) = escape(part, true, &Account::root(), &mut sink)?;
        Ok((read, same, String::from_utf8(sink.0).unwrap()))
    }

    fn unescaped(part: &str, html: bool) -> Result<(String, usize, Option<String>), PartError> {
        let root = Account::root();
        let done = unescape(part.as_bytes(), true, html, &root)?;
        Ok((
            done.text.into_owned(),
            done.read,
            done.name.map(str::to_owned),
        ))
    }

    #[test]
    fn what_is_escaped_comes_back() {
        let text = "a<b>&\"'\r\n\t é \u{FFFD}😀]]>".repeat(5_000);
        let (read, same, written) = escaped(text.as_bytes()).unwrap();
        assert_eq!((read, same), (text.len(), false));
        assert!(!written.contains(['<', '>', '"', '\'', '\n', '\r', '\t']));
        assert_eq!(unescaped(&written, false).unwrap().0, text);
        assert_eq!(
            escaped("größe".as_bytes()).unwrap(),
            (7, true, String::new())
        );
    }

    #[test]
    fn a_part_ends_before_what_is_not_complete() {
        let root = Account::root();
        let text = "ab&am".as_bytes();
        assert_eq!(unescape(text, false, false, &root).unwrap().read, 2);
        assert!(unescape(text, true, false, &root).is_err());
        assert!(unescape(&text[2..], false, false, &root).is_err());
        let cut = &"aé".as_bytes()[..2];
        assert_eq!(unescape(cut, false, false, &root).unwrap().read, 1);
        let mut sink = Collected(Vec::new());
        assert_eq!(escape(cut, false, &root, &mut sink), Ok((1, true)));
        assert!(escape(cut, true, &root, &mut sink).is_err());
    }

    #[test]
    fn names_that_are_not_known_are_told() {
        let found = unescaped("1&lt;2&nbsp;3&amp;", false).unwrap();
        assert_eq!(found, ("1<2".to_owned(), 12, Some("nbsp".to_owned())));
        let found = unescaped("1&lt;2&nbsp;&nLt;&ünlaut;", true).unwrap();
        let text = "1<2\u{A0}\u{226A}\u{20D2}".to_owned();
        assert_eq!(found, (text, 26, Some("ünlaut".to_owned())));
    }

    #[test]
    fn faults_have_a_place() {
        for (text, at) in [
            ("ab&", 2),
            ("ab& c;", 2),
            ("a&;", 1),
            ("&amp;&#0;", 5),
            ("&#x1;", 0),
            ("&#xFFFE;", 0),
            ("&#xD800;", 0),
            ("&#x110000;", 0),
            ("&#99999999999;", 0),
            ("&#;", 0),
            ("a\u{1}", 1),
            ("&a &b;", 0),
        ] {
            match unescaped(text, true) {
                Err(PartError::Fault(fault)) => assert_eq!(fault.at, at, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
        match escaped(b"ab\x02") {
            Err(PartError::Fault(fault)) => assert_eq!(fault.at, 2),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_would_be_above_a_limit_is_refused() {
        let account = Account::child(&Account::root(), 1_000);
        assert!(unescape(b"&lt;", true, false, &account).is_ok());
        let text = "&lt;".repeat(1_000);
        let refused = unescape(text.as_bytes(), true, false, &account);
        assert!(matches!(refused, Err(PartError::Refused(_))));
        drop(refused);
        let mut sink = Collected(Vec::new());
        let refused = escape(b"<", true, &account, &mut sink);
        assert!(matches!(refused, Err(PartError::Refused(_))));
        assert_eq!(account.reserved(), 0);
    }
}
