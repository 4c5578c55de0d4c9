//! From the bytes of a document to UTF-8, piece by piece.
//!
//! ```text
//! raw bytes --feed--> Decoder --appends--> text (UTF-8, owned by the scanner)
//!                        ^                  | front of it, once scanned
//!                        +-----discard------+
//! ```
//!
//! The first bytes are held back until they determine the encoding: byte order mark, XML declaration, or
//! the caller's word, which overrides the declaration but not a mark. UTF-8 then needs no decoder: its bytes are copied
//! and validated by [`crate::xml::input::buffer`], and only offsets are asked for here. Everything else is decoded
//! strictly: a malformed sequence is an error.
//!
//! Offsets are those of the original bytes. So that any place in the text not yet discarded can be
//! mapped back, the decoder knows how wide each character was in the original, or, where that depends
//! on more than the character, keeps the original bytes of that text ([`multi_byte`]).
//!
//! A failure always lies at the end of the text decoded so far, so that line and column follow from it.
#![forbid(unsafe_code)]

mod charset;
mod declaration;
mod detect;
mod multi_byte;
mod names;
mod single_byte;
mod utf16;

use crate::arena::account::{Account, Refusal};
use crate::arena::charged_vec::ChargedVec;
use crate::sync::Arc;
use crate::xml::api::error::ErrorKind;
use crate::xml::syntax::utf8::is_continuation;
use charset::Charset;
use detect::Detection;
use multi_byte::MultiByte;
use single_byte::SingleByte;
use utf16::Utf16;

/// The document's bytes cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodingError {
    /// [`ErrorKind::Encoding`], [`ErrorKind::Unsupported`], [`ErrorKind::Truncated`], or
    /// [`ErrorKind::Limit`] where the declaration is longer than is waited for.
    pub kind: ErrorKind,
    /// Offset in bytes of the original input.
    pub offset: u64,
    pub reason: String,
}

impl EncodingError {
    fn malformed(offset: u64, reason: String) -> EncodingError {
        EncodingError::new(ErrorKind::Encoding, offset, reason)
    }

    fn truncated(offset: u64, reason: String) -> EncodingError {
        EncodingError::new(ErrorKind::Truncated, offset, reason)
    }

    fn beyond(offset: u64, reason: String) -> EncodingError {
        EncodingError::new(ErrorKind::Limit, offset, reason)
    }

    fn unsupported(offset: u64, reason: String) -> EncodingError {
        EncodingError::new(ErrorKind::Unsupported, offset, reason)
    }

    fn new(kind: ErrorKind, offset: u64, reason: String) -> EncodingError {
        EncodingError {
            kind,
            offset,
            reason,
        }
    }
}

/// The reasons why decoding stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nothing was consumed: the same call can be made again once there is memory.
    Refused(Refusal),
    /// Final: every later call answers the same.
    Encoding(EncodingError),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        Failure::Refused(refusal)
    }
}

impl From<EncodingError> for Failure {
    fn from(error: EncodingError) -> Failure {
        Failure::Encoding(error)
    }
}

/// Whether `name` names an encoding that is read.
pub fn is_encoding(name: &str) -> bool {
    Charset::named(name, 0).is_ok()
}

/// The encodings that are read, each by one of its names, sorted.
pub fn encodings() -> Vec<&'static str> {
    let charsets = names::labels().filter_map(Charset::labelled);
    let mut all: Vec<_> = charsets.map(Charset::name).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Decodes one document.
#[derive(Debug)]
pub struct Decoder {
    /// The encoding that the caller named.
    told: Option<Charset>,
    /// White space may stand before the XML declaration.
    skips_leading: bool,
    /// The first bytes, until they determine the encoding.
    held: ChargedVec<u8>,
    mode: Mode,
    /// The bytes that the mode decodes.
    charset: Option<Charset>,
    /// Offset in the original of the first text not discarded. A multi-byte mode keeps its own.
    front: u64,
    /// Bytes of the original that were decoded.
    consumed: u64,
    failed: Option<EncodingError>,
}

#[derive(Debug)]
enum Mode {
    Detecting,
    Utf8,
    Utf16(Utf16),
    SingleByte(SingleByte),
    MultiByte(MultiByte),
}

impl Decoder {
    /// A decoder for one document, in the encoding `told` by the caller, if any, which overrides the document's own
    /// declaration.
    pub fn new(account: &Arc<Account>, told: Option<&str>) -> Result<Decoder, EncodingError> {
        let mut decoder = Decoder::detecting(account);
        decoder.told = told.map(|name| Charset::named(name, 0)).transpose()?;
        Ok(decoder)
    }

    /// A decoder for a document that declares its encoding itself.
    pub fn detecting(account: &Arc<Account>) -> Decoder {
        Decoder {
            told: None,
            skips_leading: false,
            held: ChargedVec::new(account),
            mode: Mode::Detecting,
            charset: None,
            front: 0,
            consumed: 0,
            failed: None,
        }
    }

    /// The same where white space may stand before the XML declaration.
    pub fn skipping_leading(self, skips_leading: bool) -> Decoder {
        Decoder {
            skips_leading,
            ..self
        }
    }

    /// Whether the text is the original, byte for byte.
    pub fn is_utf8(&self) -> bool {
        matches!(self.mode, Mode::Utf8)
    }

    /// The encoding that the text is read in, if a declaration of `name` contradicts it. The caller's encoding overrides any
    /// declaration, and ASCII is also UTF-8.
    pub fn contradicted_by(&self, name: &str) -> Option<&'static str> {
        let (None, Some(charset)) = (self.told, self.charset) else {
            return None;
        };
        let agrees = match (Charset::named(name, 0), charset) {
            (Ok(Charset::Utf16(_)), Charset::Utf16(_)) => true,
            (Ok(declared), Charset::Utf8) if declared.name() == "US-ASCII" => true,
            (Ok(declared), charset) => declared == charset,
            (Err(_), _) => false,
        };
        (!agrees).then(|| charset.name())
    }

    /// Decodes `raw`, the next bytes of the document, to the end of `text`.
    ///
    /// Work and memory are proportional to `raw`: callers bound them by its length. A character cut at
    /// its end waits for the next call.
    pub fn feed(&mut self, raw: &[u8], text: &mut ChargedVec<u8>) -> Result<(), Failure> {
        self.advance(raw, false, text)
    }

    /// The document ends here: decodes what was held back.
    pub fn finish(&mut self, text: &mut ChargedVec<u8>) -> Result<(), Failure> {
        self.advance(&[], true, text)
    }

    /// Forgets `text`, the front of the decoded text that was not yet discarded. It grew by `growth` since it was
    /// decoded.
    pub fn discard(&mut self, text: &[u8], growth: usize) {
        match &mut self.mode {
            Mode::MultiByte(multi_byte) => multi_byte.discard(text.len() - growth),
            _ => self.front = self.offset(text, growth),
        }
    }

    /// The offset in the original of the place behind `text`, which starts at the front of the
    /// decoded text that was not yet discarded, and grew by `growth` since it was decoded.
    pub fn offset(&self, text: &[u8], growth: usize) -> u64 {
        match &self.mode {
            Mode::Detecting | Mode::Utf8 => self.front + (text.len() - growth) as u64,
            Mode::SingleByte(_) => self.front + characters(text),
            Mode::Utf16(_) => self.front + utf16::width(text),
            Mode::MultiByte(multi_byte) => multi_byte.offset(text.len() - growth),
        }
    }

    fn advance(
        &mut self,
        raw: &[u8],
        last: bool,
        text: &mut ChargedVec<u8>,
    ) -> Result<(), Failure> {
        if let Some(error) = &self.failed {
            return Err(error.clone().into());
        }
        let result = match self.mode {
            Mode::Detecting => self.detect(raw, last, text),
            _ => self.decode(raw, last, text),
        };
        if let Err(Failure::Encoding(error)) = &result {
            self.failed = Some(error.clone());
        }
        result
    }

    fn detect(&mut self, raw: &[u8], last: bool, text: &mut ChargedVec<u8>) -> Result<(), Failure> {
        let before = self.held.len();
        let (prefix, rest) = raw.split_at(raw.len().min(detect::PREFIX - before));
        self.held.extend_from_slice(prefix)?;
        let result = match detect::detect(&self.held, last, self.told, self.skips_leading) {
            Detection::NeedMore => Ok(()),
            Detection::Found { charset, mark } => {
                let end = self.held.len();
                self.start(charset, mark, end, rest.len(), text)
                    .and_then(|()| self.decode(rest, last, text))
            }
            Detection::Failed {
                charset,
                mark,
                error,
            } => {
                // The line and column of the failure are counted in the text before it.
                let end = (error.offset as usize).clamp(mark, self.held.len());
                self.start(charset, mark, end, 0, text)
                    .and(Err(error.into()))
            }
        };
        if let Err(Failure::Refused(_)) = result {
            self.held.truncate(before);
        }
        result
    }

    /// Decodes the bytes held back, with room for `more` to follow. Refused, nothing has changed.
    fn start(
        &mut self,
        charset: Charset,
        mark: usize,
        end: usize,
        more: usize,
        text: &mut ChargedVec<u8>,
    ) -> Result<(), Failure> {
        let mut mode = Mode::new(self.held.account(), charset, mark as u64)?;
        let first = &self.held[mark..end];
        mode.reserve(first.len() + more, text)?;
        self.front = mark as u64;
        self.consumed = end as u64;
        let result = mode.decode(first, self.front, false, text);
        self.mode = mode;
        self.charset = Some(charset);
        self.held.clear();
        self.held.shrink_to(0);
        result
    }

    fn decode(&mut self, raw: &[u8], last: bool, text: &mut ChargedVec<u8>) -> Result<(), Failure> {
        self.mode.reserve(raw.len(), text)?;
        let at = self.consumed;
        self.consumed += raw.len() as u64;
        self.mode.decode(raw, at, last, text)
    }
}

impl Mode {
    fn new(account: &Arc<Account>, charset: Charset, start: u64) -> Result<Mode, Refusal> {
        Ok(match charset {
            Charset::Utf8 => Mode::Utf8,
            Charset::Utf16(order) => Mode::Utf16(Utf16::new(order)),
            Charset::SingleByte(repertoire) => {
                Mode::SingleByte(SingleByte::new(account, repertoire)?)
            }
            Charset::MultiByte(encoding) => {
                Mode::MultiByte(MultiByte::new(account, encoding, start))
            }
        })
    }

    /// Makes room for all that decoding `bytes` more can need, so that it is not refused half way.
    fn reserve(&mut self, bytes: usize, text: &mut ChargedVec<u8>) -> Result<(), Refusal> {
        match self {
            Mode::Detecting | Mode::Utf8 => text.reserve(bytes),
            Mode::SingleByte(single_byte) => text.reserve(single_byte.widest(bytes)),
            Mode::Utf16(utf16) => text.reserve(utf16.widest(bytes)),
            Mode::MultiByte(multi_byte) => multi_byte.reserve(bytes, text),
        }
    }

    /// Decodes `raw`, which stands at offset `at` of the original.
    fn decode(
        &mut self,
        raw: &[u8],
        at: u64,
        last: bool,
        text: &mut ChargedVec<u8>,
    ) -> Result<(), Failure> {
        match self {
            Mode::Detecting | Mode::Utf8 => Ok(text.extend_from_slice(raw)?),
            Mode::SingleByte(single_byte) => single_byte.decode(raw, at, text),
            Mode::Utf16(utf16) => utf16.decode(raw, at, last, text),
            Mode::MultiByte(multi_byte) => multi_byte.decode(raw, at, last, text),
        }
    }
}

/// How many characters start in UTF-8 text.
fn characters(text: &[u8]) -> u64 {
    text.iter().filter(|&&byte| !is_continuation(byte)).count() as u64
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used)]
mod tests;
