//! Encodings by name.

use crate::xml::encoding::EncodingError;
use crate::xml::encoding::names::{self, CodePage};
use encoding_rs::{
    Encoding, ISO_2022_JP, KOI8_U, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_874, WINDOWS_1252,
    WINDOWS_1254,
};

/// Longest part of an unknown name that an error repeats, in characters.
const SHOWN: usize = 40;

/// How the characters of a document are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charset {
    Utf8,
    /// In the byte order given, or in the one that the document shows.
    Utf16(Option<ByteOrder>),
    SingleByte(Repertoire),
    MultiByte(&'static Encoding),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

/// The 256 characters of a single-byte encoding, of which the first 128 are those of ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repertoire {
    /// One that the web knows.
    Web {
        encoding: &'static Encoding,
        upper: Upper,
    },
    /// A code page of DOS, of the Mac or of a country.
    CodePage(CodePage),
}

/// The meaning of bytes from 0x80 on. The web reads ISO-8859-1, -9, -11 and US-ASCII as the Windows code
/// pages that extend them, and so does `encoding_rs`; XML means what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upper {
    /// The encoding's own table.
    AsIs,
    /// 0x80 to 0x9F are control characters, the rest is as the table says.
    Controls,
    /// Nothing: the encoding has 128 characters.
    Nothing,
}

impl Charset {
    /// The encoding of this name, in any case; `offset` is where the name stands.
    pub(super) fn named(name: &str, offset: u64) -> Result<Charset, EncodingError> {
        let known = names::label(name).and_then(Charset::labelled);
        known.ok_or_else(|| {
            let shown: String = name.chars().take(SHOWN).collect();
            let reason = format!(
                "the encoding {shown:?} is not one that is read, BoundedXml.encodings/0 lists those"
            );
            EncodingError::unsupported(offset, reason)
        })
    }

    /// The encoding of a label of [`names`].
    pub(super) fn labelled(label: &'static str) -> Option<Charset> {
        if let Some(page) = CodePage::named(label) {
            return Some(Charset::SingleByte(Repertoire::CodePage(page)));
        }
        let encoding = Encoding::for_label_no_replacement(label.as_bytes())?;
        Some(if encoding == UTF_8 {
            Charset::Utf8
        } else if encoding == UTF_16BE {
            Charset::Utf16(Some(ByteOrder::Big))
        } else if encoding == UTF_16LE {
            let order = (label == "utf-16le").then_some(ByteOrder::Little);
            Charset::Utf16(order)
        } else if encoding.is_single_byte() {
            let upper = upper(encoding, label);
            Charset::SingleByte(Repertoire::Web { encoding, upper })
        } else {
            Charset::MultiByte(encoding)
        })
    }

    /// The name for messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Charset::Utf8 => "UTF-8",
            Charset::Utf16(None) => "UTF-16",
            Charset::Utf16(Some(ByteOrder::Little)) => "UTF-16LE",
            Charset::Utf16(Some(ByteOrder::Big)) => "UTF-16BE",
            Charset::SingleByte(repertoire) => repertoire.name(),
            Charset::MultiByte(encoding) => encoding.name(),
        }
    }
}

impl Repertoire {
    pub(super) fn name(self) -> &'static str {
        match self {
            Repertoire::CodePage(page) => page.name(),
            Repertoire::Web { encoding, upper } => match upper {
                // What the web calls KOI8-U has two letters of KOI8-RU: see `bin/xml-tables`.
                Upper::AsIs if encoding == KOI8_U => "KOI8-RU",
                Upper::AsIs => encoding.name(),
                Upper::Nothing => "US-ASCII",
                Upper::Controls if encoding == WINDOWS_1252 => "ISO-8859-1",
                Upper::Controls if encoding == WINDOWS_1254 => "ISO-8859-9",
                Upper::Controls => "ISO-8859-11",
            },
        }
    }

    /// The character of `byte`, if the encoding assigns one.
    pub(super) fn character(self, byte: u8) -> Option<char> {
        match self {
            _ if byte.is_ascii() => Some(char::from(byte)),
            Repertoire::CodePage(page) => page.character(byte),
            Repertoire::Web { encoding, upper } => match (upper, byte) {
                (Upper::Controls, 0x80..=0x9F) => Some(char::from(byte)),
                (Upper::Nothing, _) => None,
                _ => {
                    let bytes = [byte];
                    let (text, _) = encoding.decode_without_bom_handling(&bytes);
                    text.chars().next()
                }
            },
        }
    }
}

/// Labels of [`names`] that mean what they say: the web extends ISO-8859-1, -9 and -11.
fn upper(encoding: &'static Encoding, label: &str) -> Upper {
    match label {
        "us-ascii" => Upper::Nothing,
        "iso-8859-1" | "iso-8859-9" | "iso-8859-11" => Upper::Controls,
        _ => {
            debug_assert!(
                ![WINDOWS_1252, WINDOWS_1254, WINDOWS_874].contains(&encoding)
                    || label.starts_with("windows-")
            );
            Upper::AsIs
        }
    }
}

/// Whether the meaning of a byte depends on escape sequences before it.
pub(super) fn has_escapes(encoding: &'static Encoding) -> bool {
    encoding == ISO_2022_JP
}
