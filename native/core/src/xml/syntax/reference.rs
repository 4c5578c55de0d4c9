//! Character and entity references.

use crate::xml::scanner::interrupt::{Interrupt, exceeded, malformed};
use crate::xml::syntax::byte_class::{self, START};
use crate::xml::syntax::chars::is_char;
use crate::xml::syntax::names::{NameEnd, find_name_end, is_ncname};

/// A reference that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reference<'a> {
    pub target: Target<'a>,
    /// Index behind its semicolon.
    pub end: usize,
}

/// The meaning of a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    Char(char),
    /// An entity that is not one of the five predefined ones.
    Entity(&'a [u8]),
    /// A character of this number, or of a larger one, which XML does not allow.
    Forbidden(u32),
    /// Nothing: the '&' begins no reference, and why.
    None(&'static str),
}

impl Reference<'_> {
    /// The '&' at `at` begins none.
    #[cold]
    pub fn none<'a>(at: usize, reason: &'static str) -> Reference<'a> {
        Reference {
            target: Target::None(reason),
            end: at + 1,
        }
    }
}

/// How far a reference was read that goes on beyond the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Begun {
    /// Bytes from its '&' on that need not be looked at again.
    pub held: usize,
    /// The number that the digits among them come to.
    code: u32,
}

/// Reads the reference whose '&' is at `at`, of which `begun` was read before. [`Interrupt::NeedInput`]: it continues
/// beyond `text`, and `begun` stores how much of it was read.
///
/// `max` bytes may stand between '&' and ';'.
#[inline]
pub(crate) fn read<'t>(
    text: &'t [u8],
    at: usize,
    max: usize,
    namespaces: bool,
    begun: &mut Begun,
) -> Result<Reference<'t>, Interrupt> {
    if let Some((byte, len)) = predefined(&text[at..]) {
        *begun = Begun::default();
        return Ok(Reference {
            target: Target::Char(char::from(byte)),
            end: at + len,
        });
    }
    let rest = &text[at + 1..];
    match rest {
        [] => Err(Interrupt::NeedInput),
        [b'#', ..] => character(text, at, max, begun),
        _ => entity(text, at, max, namespaces, begun),
    }
}

/// A longer reference to a character is left to the scanner proper, which reads on with it where it stopped.
const SHORT: usize = 32;

/// The character that the reference at `at` stands for, and where it ends: if it is one to a character, short,
/// and complete.
#[inline]
pub(crate) fn short_character(text: &[u8], at: usize, max: usize) -> Option<(char, usize)> {
    if text.get(at + 1) != Some(&b'#') {
        return None;
    }
    let text = &text[..text.len().min(at + SHORT)];
    match character(text, at, max, &mut Begun::default()) {
        Ok(Reference {
            target: Target::Char(char),
            end,
        }) => Some((char, end)),
        // In any case it is read again.
        _ => None,
    }
}

/// A reference to one of the five predefined entities.
struct Predefined {
    /// As written, and as much of eight bytes as that is.
    written: u64,
    mask: u64,
    len: usize,
    byte: u8,
}

/// By what the two bytes behind the '&' differ in: no two have the same there. Looked up, as no processor
/// guesses which one comes next.
static PREDEFINED: [Predefined; 16] = {
    const NONE: Predefined = Predefined {
        written: u64::MAX,
        mask: 0,
        len: 0,
        byte: 0,
    };
    let mut table = [NONE; 16];
    let all: [(&[u8], u8); 5] = [
        (b"&lt;", b'<'),
        (b"&gt;", b'>'),
        (b"&amp;", b'&'),
        (b"&quot;", b'"'),
        (b"&apos;", b'\''),
    ];
    let mut index = 0;
    while index < all.len() {
        let (name, byte) = all[index];
        let (mut written, mut mask, mut at) = (0, 0, 0);
        while at < name.len() {
            written |= (name[at] as u64) << (8 * at);
            mask |= 0xFF << (8 * at);
            at += 1;
        }
        table[slot(name[1], name[2])] = Predefined {
            written,
            mask,
            len: name.len(),
            byte,
        };
        index += 1;
    }
    table
};

const fn slot(first: u8, second: u8) -> usize {
    (first ^ second) as usize % 16
}

/// The character and the length of the reference at the start of `text`, if it is a predefined one.
#[inline(always)]
pub(crate) fn predefined(text: &[u8]) -> Option<(u8, usize)> {
    let word = match text.first_chunk() {
        Some(word) => u64::from_le_bytes(*word),
        None => {
            let mut word = [0; 8];
            word[..text.len()].copy_from_slice(text);
            u64::from_le_bytes(word)
        }
    };
    let found = &PREDEFINED[slot((word >> 8) as u8, (word >> 16) as u8)];
    (word & found.mask == found.written).then_some((found.byte, found.len))
}

#[cold]
fn too_long<T>(at: usize, max: usize) -> Result<T, Interrupt> {
    exceeded(at + 1 + max, "max_name_bytes", max as u64, max as u64 + 1)
}

/// `EntityRef ::= '&' Name ';'` (XML 1.0, 4.1)
fn entity<'t>(
    text: &'t [u8],
    at: usize,
    max: usize,
    namespaces: bool,
    begun: &mut Begun,
) -> Result<Reference<'t>, Interrupt> {
    let start = at + 1;
    let held = std::mem::take(begun).held.saturating_sub(1);
    let found = match text.get(start) {
        Some(&byte) if held == 0 && !byte_class::is(byte, START) => NameEnd::Illegal(start),
        _ => find_name_end(text, start, held, max),
    };
    let end = match found {
        NameEnd::At(end) if text[end] == b';' => end,
        NameEnd::At(_) | NameEnd::Illegal(_) => {
            return Ok(Reference::none(
                at,
                "'&' starts a reference: a name and ';' belong here, or write '&amp;'",
            ));
        }
        NameEnd::TooLong => return too_long(at, max),
        NameEnd::Open(held) => {
            begun.held = held + 1;
            return Err(Interrupt::NeedInput);
        }
    };
    let name = &text[start..end];
    if namespaces && !is_ncname(name) {
        return malformed(at, "with namespaces, no entity has a name with a colon");
    }
    Ok(Reference {
        target: Target::Entity(name),
        end: end + 1,
    })
}

/// `CharRef ::= '&#' [0-9]+ ';' | '&#x' [0-9a-fA-F]+ ';'` (XML 1.0, 4.1)
fn character<'t>(
    text: &'t [u8],
    at: usize,
    max: usize,
    begun: &mut Begun,
) -> Result<Reference<'t>, Interrupt> {
    let Begun { held, mut code } = std::mem::take(begun);
    let (radix, start) = match text.get(at + 2) {
        None => return Err(Interrupt::NeedInput),
        Some(b'x') => (16, at + 3),
        Some(_) => (10, at + 2),
    };
    let mut end = start.max(at + held);
    while let Some(digit) = text.get(end).and_then(|&b| char::from(b).to_digit(radix)) {
        // Beyond the last character it stays beyond it.
        code = code.saturating_mul(radix).saturating_add(digit);
        end += 1;
    }
    if end - (at + 1) > max {
        return too_long(at, max);
    }
    match text.get(end) {
        None => {
            let held = end - at;
            *begun = Begun { held, code };
            return Err(Interrupt::NeedInput);
        }
        Some(b';') if end > start => {}
        Some(_) => {
            return Ok(Reference::none(
                at,
                "a character reference is '&#' digits ';' or '&#x' hexadecimal digits ';'",
            ));
        }
    }
    match char::from_u32(code) {
        Some(char) if is_char(code) => Ok(Reference {
            target: Target::Char(char),
            end: end + 1,
        }),
        _ => Ok(Reference {
            target: Target::Forbidden(code),
            end: end + 1,
        }),
    }
}

/// The low surrogate that the reference at `at` stands for, and where it ends, if it is one to a low surrogate and
/// short. [`Interrupt::NeedInput`]: what follows `text` decides that.
pub(crate) fn low_surrogate(text: &[u8], at: usize) -> Result<Option<(u32, usize)>, Interrupt> {
    let rest = &text[at..];
    let short = &text[..text.len().min(at + SHORT)];
    match rest {
        [] | [b'&'] => Err(Interrupt::NeedInput),
        [b'&', b'#', ..] => match character(short, at, SHORT, &mut Begun::default()) {
            Ok(Reference {
                target: Target::Forbidden(low @ 0xDC00..=0xDFFF),
                end,
            }) => Ok(Some((low, end))),
            Err(Interrupt::NeedInput) if rest.len() < SHORT => Err(Interrupt::NeedInput),
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}

/// A character that XML does not allow, for a message.
pub(crate) fn forbidden(code: u32) -> String {
    match code {
        ..=0x10_FFFF => format!("U+{code:04X}"),
        _ => "beyond U+10FFFF".to_owned(),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn read(
        text: &[u8],
        at: usize,
        max: usize,
        namespaces: bool,
    ) -> Result<Reference<'_>, Interrupt> {
        super::read(text, at, max, namespaces, &mut Begun::default())
    }

    fn target(text: &str) -> Option<Target<'_>> {
        let reference = read(text.as_bytes(), 0, 20, true).ok()?;
        assert_eq!(reference.end, text.len());
        Some(reference.target)
    }

    #[test]
    fn characters_and_names() {
        let cases = [
            ("&lt;", '<'),
            ("&gt;", '>'),
            ("&amp;", '&'),
            ("&quot;", '"'),
            ("&apos;", '\''),
            ("&#65;", 'A'),
            ("&#x0041;", 'A'),
            ("&#x1F600;", '😀'),
            ("&#9;", '\t'),
        ];
        for (text, char) in cases {
            assert_eq!(target(text), Some(Target::Char(char)), "{text}");
        }
        assert_eq!(target("&ampere;"), Some(Target::Entity(b"ampere")));
        assert_eq!(target("&é;"), Some(Target::Entity("é".as_bytes())));
    }

    #[test]
    fn what_is_no_reference() {
        for text in [
            "& ",
            "&;",
            "&a b;",
            "&1;",
            "&a:b;",
            "&#;",
            "&#x;",
            "&#X41;",
            "&#6a;",
            "&#0;",
            "&#xD800;",
            "&#x110000;",
            "&#xFFFFFFFFFFFF41;",
            "&#xFFFE;",
            "&a<",
        ] {
            let read = read(text.as_bytes(), 0, 20, true);
            assert!(
                matches!(
                    read,
                    Err(Interrupt::Fault(_))
                        | Ok(Reference {
                            target: Target::None(_) | Target::Forbidden(_),
                            ..
                        })
                ),
                "{text}: {read:?}"
            );
        }
    }

    #[test]
    fn every_cut_asks_for_more() {
        for text in ["&lt;", "&amp;", "&#65;", "&#x41;", "&entity;"] {
            for cut in 1..text.len() {
                let interrupt = read(&text.as_bytes()[..cut], 0, 20, true);
                assert!(
                    matches!(interrupt, Err(Interrupt::NeedInput)),
                    "{text} {cut}: {interrupt:?}"
                );
            }
        }
    }

    #[test]
    fn read_on_with_it_comes_to_the_same() {
        for text in [
            "&#65;",
            "&#x0041;",
            "&entity;",
            "&é€😀;",
            "&#6a;",
            "&#x0;",
            "&a\u{D7};",
        ] {
            let whole = read(text.as_bytes(), 0, 20, true);
            for size in 1..text.len() {
                let mut begun = Begun::default();
                let mut ends = (1..=text.len()).filter(|end| end % size == 0 || *end == text.len());
                let interrupt = ends.find_map(|end| {
                    let read = super::read(&text.as_bytes()[..end], 0, 20, true, &mut begun);
                    (!matches!(read, Err(Interrupt::NeedInput))).then_some(read)
                });
                let interrupt = format!("{interrupt:?}");
                assert_eq!(interrupt, format!("{:?}", Some(&whole)), "{text} by {size}");
            }
        }
    }

    #[test]
    fn length_is_limited_whether_the_end_is_there_or_not() {
        for text in ["&abcdef;", "&abcdef", "&#00065;", "&#00065"] {
            match read(text.as_bytes(), 0, 5, true) {
                Err(Interrupt::Fault(fault)) => assert_eq!(fault.at, 6, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
        assert!(read(b"&abcde;", 0, 5, true).is_ok());
    }
}
