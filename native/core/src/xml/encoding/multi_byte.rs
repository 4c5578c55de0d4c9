//! Encodings whose characters take one to four bytes, depending on more than the character: Shift_JIS,
//! EUC-JP, ISO-2022-JP, GBK, gb18030, Big5, EUC-KR.
//!
//! ```text
//! text       |discarded ......|== not discarded ==================|
//! pieces     |    piece    |    piece    |    piece    | open piece |
//! raw, kept  |=======================================================|
//! ```
//!
//! Pieces start between two characters, so that decoding one of them again, byte by byte, shows where any of its text
//! stood. That happens for positions only, which few documents are asked for.

use crate::arena::account::{Account, Refusal};
use crate::arena::charged_vec::ChargedVec;
use crate::sync::Arc;
use crate::xml::encoding::Failure;
use crate::xml::encoding::charset::has_escapes;
use crate::xml::encoding::utf16::{convert, widest};
use encoding_rs::{Decoder, Encoding};

/// A piece ends at the first boundary behind this many bytes of the original.
const PIECE: usize = 1024;

/// More than one character of any encoding, or two, can become.
const ONE_CHARACTER: usize = 16;

const ESCAPE: u8 = 0x1B;

/// The escape sequence in force: `ESC`, `(` or `$`, and a letter. Zeros where there was none.
type Shift = [u8; 3];

#[derive(Debug)]
pub(super) struct MultiByte {
    encoding: &'static Encoding,
    decoder: Decoder,
    pieces: ChargedVec<Piece>,
    /// The original bytes of all pieces.
    raw: ChargedVec<u8>,
    /// Offset in the original where the first piece starts.
    start: u64,
    /// Bytes of the first piece's text that were discarded.
    discarded: usize,
    /// The escape sequence in force where the next piece starts; `None` while a piece is open.
    next: Option<Shift>,
}

#[derive(Clone, Copy, Debug)]
struct Piece {
    raw: usize,
    text: usize,
    shift: Shift,
}

impl MultiByte {
    pub(super) fn new(
        account: &Arc<Account>,
        encoding: &'static Encoding,
        start: u64,
    ) -> MultiByte {
        MultiByte {
            encoding,
            decoder: encoding.new_decoder_without_bom_handling(),
            pieces: ChargedVec::new(account),
            raw: ChargedVec::new(account),
            start,
            discarded: 0,
            next: Some([0; 3]),
        }
    }

    /// Makes room for `bytes` more and for the text that they can become.
    pub(super) fn reserve(
        &mut self,
        bytes: usize,
        text: &mut ChargedVec<u8>,
    ) -> Result<(), Refusal> {
        self.raw.reserve(bytes)?;
        self.pieces.reserve(bytes / PIECE + 1)?;
        text.reserve(widest(&self.decoder, bytes))
    }

    pub(super) fn decode(
        &mut self,
        raw: &[u8],
        at: u64,
        last: bool,
        text: &mut ChargedVec<u8>,
    ) -> Result<(), Failure> {
        let mut read = 0;
        while read < raw.len() {
            let piece = self.open_piece()?;
            // Behind its end a piece goes on byte by byte, until a character ends.
            let step = PIECE.saturating_sub(piece.raw).clamp(1, raw.len() - read);
            self.convert(&raw[read..read + step], at + read as u64, false, text)?;
            read += step;
            self.close_piece();
        }
        if last {
            self.convert(&[], at + read as u64, true, text)?;
        }
        Ok(())
    }

    fn open_piece(&mut self) -> Result<Piece, Refusal> {
        if let Some(shift) = self.next {
            self.pieces.push(Piece {
                raw: 0,
                text: 0,
                shift,
            })?;
            self.next = None;
        }
        Ok(self.pieces.last().copied().unwrap_or(Piece {
            raw: 0,
            text: 0,
            shift: [0; 3],
        }))
    }

    fn convert(
        &mut self,
        raw: &[u8],
        at: u64,
        last: bool,
        text: &mut ChargedVec<u8>,
    ) -> Result<(), Failure> {
        let before = text.len();
        let (read, result) = convert(&mut self.decoder, raw, at, last, text);
        self.raw.extend_from_slice(&raw[..read])?;
        if let Some(piece) = self.pieces.last_mut() {
            piece.raw += read;
            piece.text += text.len() - before;
        }
        result
    }

    fn close_piece(&mut self) {
        if let Some(piece) = self.pieces.last()
            && piece.raw >= PIECE
        {
            let raw = &self.raw[self.raw.len() - piece.raw..];
            self.next = if has_escapes(self.encoding) {
                shift_at_end(piece.shift, raw)
            } else {
                // Only between two characters does a decoder say how much of nothing is compatible.
                let between = self.decoder.latin1_byte_compatible_up_to(&[]).is_some();
                between.then_some([0; 3])
            };
        }
    }

    pub(super) fn discard(&mut self, bytes: usize) {
        self.discarded += bytes;
        let closed = self.pieces.len() - usize::from(self.next.is_none());
        let (mut done, mut raw) = (0, 0);
        for piece in &self.pieces[..closed] {
            // A piece stays until text behind it goes: a place at its end is mapped through it, so that
            // escape sequences that follow never count.
            if self.discarded <= piece.text {
                break;
            }
            self.discarded -= piece.text;
            raw += piece.raw;
            done += 1;
        }
        self.start += raw as u64;
        self.raw.drain_front(raw);
        self.pieces.drain_front(done);
    }

    /// The offset in the original behind `bytes` of the text not discarded.
    pub(super) fn offset(&self, bytes: usize) -> u64 {
        let mut text = self.discarded + bytes;
        let mut raw = 0;
        for piece in self.pieces.iter() {
            if text <= piece.text {
                let bytes = &self.raw[raw..raw + piece.raw];
                return self.start + raw as u64 + self.bytes_for(piece.shift, bytes, text);
            }
            text -= piece.text;
            raw += piece.raw;
        }
        self.start + raw as u64
    }

    /// How many of the bytes `raw` make the first `wanted` bytes of their text.
    fn bytes_for(&self, shift: Shift, raw: &[u8], wanted: usize) -> u64 {
        let mut decoder = self.encoding.new_decoder_without_bom_handling();
        let mut buffer = [0; ONE_CHARACTER];
        if shift != [0; 3] {
            let _ = decoder.decode_to_utf8_without_replacement(&shift, &mut buffer, false);
        }
        let (mut read, mut text) = (0, 0);
        while text < wanted && read < raw.len() {
            let byte = &raw[read..=read];
            let (_, consumed, written) =
                decoder.decode_to_utf8_without_replacement(byte, &mut buffer, false);
            read += consumed;
            text += written;
        }
        read as u64
    }
}

/// The escape sequence in force behind `raw`, given the one before; `None` inside a character.
fn shift_at_end(before: Shift, raw: &[u8]) -> Option<Shift> {
    let (shift, since) = match memchr::memrchr(ESCAPE, raw) {
        Some(position) => match raw[position..] {
            [first, second, third, ref since @ ..] => ([first, second, third], since.len()),
            _ => return None,
        },
        None => (before, raw.len()),
    };
    let two_bytes_each = shift[1] == b'$';
    (!two_bytes_each || since % 2 == 0).then_some(shift)
}
