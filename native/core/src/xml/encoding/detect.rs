//! Which encoding a document is in, from its first bytes: its byte order mark, its declaration, and
//! what the caller said (XML 1.0, section 4.3.3 and appendix F).

use crate::xml::encoding::EncodingError;
use crate::xml::encoding::charset::{ByteOrder, Charset};
use crate::xml::encoding::declaration::{self, Declared, declared};
use std::ops::Range;

/// The number of bytes that detection needs at most: a mark, and a declaration in UTF-16.
pub(super) const PREFIX: usize = 4 + 2 * declaration::LIMIT;

/// The first byte of the header of gzip (RFC 1952, section 2.3.1).
const GZIP_0: u8 = 0x1F;

const GZIP: &str = "the document is compressed with gzip: read a file as {:file, path, [:compressed]}, and \
                    bytes after BoundedBinary.inflate/2";

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Detection {
    NeedMore,
    Found {
        charset: Charset,
        /// Length of the byte order mark in bytes.
        mark: usize,
    },
    /// The bytes between the mark and the error are text in `charset`.
    Failed {
        charset: Charset,
        mark: usize,
        error: EncodingError,
    },
}

/// The findings from the first bytes alone.
enum Signature {
    Marked(Charset, usize),
    /// A character of ASCII in UTF-16, without a mark.
    Utf16(ByteOrder),
    Unsupported(&'static str),
    Unremarkable,
}

/// Detects the encoding from the first bytes of a document, which are all of it if `complete`. `told` is the encoding that the
/// caller named.
/// `skips_leading`: white space may stand before the declaration.
pub(super) fn detect(
    prefix: &[u8],
    complete: bool,
    told: Option<Charset>,
    skips_leading: bool,
) -> Detection {
    if !complete && may_become_signature(prefix) {
        return Detection::NeedMore;
    }
    let (charset, mark) = match signature(prefix) {
        Signature::Unsupported(reason) => {
            return Detection::Failed {
                charset: Charset::Utf8,
                mark: 0,
                error: EncodingError::unsupported(0, reason.to_owned()),
            };
        }
        Signature::Marked(charset, mark) => (charset, mark),
        Signature::Utf16(order) => (Charset::Utf16(Some(order)), 0),
        Signature::Unremarkable => (Charset::Utf8, 0),
    };
    match told {
        // A mark is part of the bytes themselves (RFC 7303, section 3.3).
        Some(_) if mark > 0 => Detection::Found { charset, mark },
        Some(told) => overridden(prefix, told, charset),
        None => by_declaration(prefix, complete, charset, mark, skips_leading),
    }
}

/// Whether more bytes may show that these begin a signature. Most documents show with their second
/// byte that they do not, and need not wait.
fn may_become_signature(prefix: &[u8]) -> bool {
    matches!(
        prefix,
        [] | [0 | 0xEF | 0xFE | 0xFF | 0x4C | GZIP_0 | b'<' | b' ' | b'\t' | b'\r' | b'\n']
            | [0, _]
            | [0, _, _]
            | [0xEF, 0xBB]
            | [0xFE, 0xFF]
            | [0xFE, 0xFF, _]
            | [0xFF, 0xFE]
            | [0xFF, 0xFE, _]
            | [b'<' | b' ' | b'\t' | b'\r' | b'\n', 0]
            | [b'<', 0, _]
            | [0x4C, 0x6F]
            | [0x4C, 0x6F, _]
    )
}

fn signature(prefix: &[u8]) -> Signature {
    match prefix {
        [0, 0, 0xFE, 0xFF, ..]
        | [0xFF, 0xFE, 0, 0, ..]
        | [0, 0, 0xFF, 0xFE, ..]
        | [0xFE, 0xFF, 0, 0, ..]
        | [0, 0, 0, b'<', ..]
        | [b'<', 0, 0, 0, ..]
        | [0, 0, b'<', 0, ..]
        | [0, b'<', 0, 0, ..] => Signature::Unsupported("UCS-4 (UTF-32) is not read"),
        [0x4C, 0x6F, 0xA7, 0x94, ..] => Signature::Unsupported("EBCDIC is not read"),
        [GZIP_0, 0x8B, ..] => Signature::Unsupported(GZIP),
        [0xEF, 0xBB, 0xBF, ..] => Signature::Marked(Charset::Utf8, 3),
        [0xFF, 0xFE, ..] => Signature::Marked(Charset::Utf16(Some(ByteOrder::Little)), 2),
        [0xFE, 0xFF, ..] => Signature::Marked(Charset::Utf16(Some(ByteOrder::Big)), 2),
        [b'<' | b' ' | b'\t' | b'\r' | b'\n', 0, ..] => Signature::Utf16(ByteOrder::Little),
        [0, b'<' | b' ' | b'\t' | b'\r' | b'\n', ..] => Signature::Utf16(ByteOrder::Big),
        _ => Signature::Unremarkable,
    }
}

/// Without a mark the caller's word stands above everything.
fn overridden(prefix: &[u8], told: Charset, shown: Charset) -> Detection {
    let charset = match (told, shown) {
        (Charset::Utf16(None), Charset::Utf16(order)) => Charset::Utf16(order),
        // Markup starts with an ASCII character, whose upper byte is zero.
        (Charset::Utf16(None), _) if prefix.first() == Some(&0) => {
            Charset::Utf16(Some(ByteOrder::Big))
        }
        _ => told,
    };
    Detection::Found { charset, mark: 0 }
}

fn by_declaration(
    prefix: &[u8],
    complete: bool,
    shown: Charset,
    mark: usize,
    skips_leading: bool,
) -> Detection {
    let found = Detection::Found {
        charset: shown,
        mark,
    };
    let failed = |error| Detection::Failed {
        charset: shown,
        mark,
        error,
    };
    let mut narrowed = [0; declaration::LIMIT];
    let characters = narrow(&prefix[mark..], shown, &mut narrowed);
    let name = match declared(characters, skips_leading) {
        Declared::Name(name) => name,
        Declared::NeedMore if characters.len() == declaration::LIMIT => {
            let end = mark + declaration::LIMIT * width(shown);
            let reason = format!(
                "the XML declaration does not name its encoding within {} characters",
                declaration::LIMIT
            );
            return failed(EncodingError::beyond(end as u64, reason));
        }
        Declared::NeedMore if !complete => return Detection::NeedMore,
        // UTF-16 that is neither marked nor declared is read as expat reads it, though section 4.3.3 asks for
        // a mark.
        Declared::NeedMore | Declared::Absent => return found,
    };
    let offset = (mark + name.start * width(shown)) as u64;
    let declared = match charset_named(characters, name, offset) {
        Ok(charset) => charset,
        Err(error) => return failed(error),
    };
    match (declared, shown) {
        _ if agree(declared, shown) => found,
        // Bytes that look like ASCII may be any encoding that extends it.
        (_, Charset::Utf8) if mark == 0 && !matches!(declared, Charset::Utf16(_)) => {
            Detection::Found {
                charset: declared,
                mark,
            }
        }
        _ => {
            let what = if mark > 0 {
                "byte order mark says"
            } else {
                "first bytes are"
            };
            failed(EncodingError::malformed(
                offset,
                format!(
                    "the XML declaration says {}, but the document's {what} {}: pass encoding: {:?} to \
                     read it as that",
                    declared.name(),
                    shown.name(),
                    shown.name().to_ascii_lowercase()
                ),
            ))
        }
    }
}

/// Whether a named encoding can be the one that the bytes show.
fn agree(named: Charset, shown: Charset) -> bool {
    match (named, shown) {
        (Charset::Utf16(None), Charset::Utf16(_)) => true,
        _ => named == shown,
    }
}

fn charset_named(
    characters: &[u8],
    name: Range<usize>,
    offset: u64,
) -> Result<Charset, EncodingError> {
    let name = String::from_utf8_lossy(&characters[name]);
    Charset::named(&name, offset)
}

fn width(shown: Charset) -> usize {
    match shown {
        Charset::Utf16(_) => 2,
        _ => 1,
    }
}

/// The first characters, one byte each; those that are not ASCII become 0xFF.
fn narrow<'text>(
    raw: &'text [u8],
    shown: Charset,
    into: &'text mut [u8; declaration::LIMIT],
) -> &'text [u8] {
    let high = match shown {
        Charset::Utf16(Some(ByteOrder::Big)) => 0,
        Charset::Utf16(_) => 1,
        _ => return &raw[..raw.len().min(declaration::LIMIT)],
    };
    let units = raw.chunks_exact(2);
    let count = units.len().min(declaration::LIMIT);
    for (unit, narrowed) in units.zip(into.iter_mut()) {
        *narrowed = match unit[high] {
            0 => unit[1 - high],
            _ => 0xFF,
        };
    }
    &into[..count]
}
