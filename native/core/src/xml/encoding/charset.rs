//! Encodings by name.

use crate::xml::encoding::EncodingError;
use encoding_rs::{
    Encoding, ISO_2022_JP, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_874, WINDOWS_1252, WINDOWS_1254,
    X_USER_DEFINED,
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

/// The 256 characters of a single-byte encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Repertoire {
    pub encoding: &'static Encoding,
    pub upper: Upper,
}

/// What bytes from 0x80 mean. The web reads ISO-8859-1, -9, -11 and US-ASCII as the Windows code
/// pages that extend them, and so does `encoding_rs`; XML means what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upper {
    /// What the encoding's table says.
    AsIs,
    /// 0x80 to 0x9F are control characters, the rest is as the table says.
    Controls,
    /// Nothing: the encoding has 128 characters.
    Nothing,
}

impl Charset {
    /// The encoding of this name, in any case; `offset` is where the name stands.
    pub(super) fn named(name: &str, offset: u64) -> Result<Charset, EncodingError> {
        let known = Encoding::for_label_no_replacement(name.as_bytes())
            .filter(|&encoding| encoding != X_USER_DEFINED);
        let Some(encoding) = known else {
            let shown: String = name.chars().take(SHOWN).collect();
            return Err(EncodingError::unsupported(
                offset,
                format!("the encoding {shown:?} is not supported"),
            ));
        };
        let label = name.to_ascii_lowercase();
        Ok(if encoding == UTF_8 {
            Charset::Utf8
        } else if encoding == UTF_16BE {
            Charset::Utf16(Some(ByteOrder::Big))
        } else if encoding == UTF_16LE {
            let order = (label == "utf-16le").then_some(ByteOrder::Little);
            Charset::Utf16(order)
        } else if encoding.is_single_byte() {
            let upper = upper(encoding, &label);
            Charset::SingleByte(Repertoire { encoding, upper })
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
        match self.upper {
            Upper::AsIs => self.encoding.name(),
            Upper::Nothing => "US-ASCII",
            Upper::Controls if self.encoding == WINDOWS_1252 => "ISO-8859-1",
            Upper::Controls if self.encoding == WINDOWS_1254 => "ISO-8859-9",
            Upper::Controls => "ISO-8859-11",
        }
    }
}

fn upper(encoding: &'static Encoding, label: &str) -> Upper {
    let windows = matches!(
        label,
        "windows-1252" | "cp1252" | "x-cp1252" | "windows-1254" | "cp1254" | "x-cp1254"
    );
    let extended = [WINDOWS_1252, WINDOWS_1254, WINDOWS_874].contains(&encoding);
    match label {
        "us-ascii" | "ascii" | "ansi_x3.4-1968" => Upper::Nothing,
        _ if windows || !extended || label.ends_with("-874") => Upper::AsIs,
        _ => Upper::Controls,
    }
}

/// Whether the meaning of a byte depends on escape sequences before it.
pub(super) fn has_escapes(encoding: &'static Encoding) -> bool {
    encoding == ISO_2022_JP
}
