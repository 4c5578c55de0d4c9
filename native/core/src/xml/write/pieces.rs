//! The buffer that is charged, filled and split.

use crate::arena::account::{Account, Kind, Refusal, Reservation};
use crate::sync::Arc;
use crate::xml::simd::append;
use crate::xml::simd::escape::{self, End, Escaped, SINGLE_QUOTED, TEXT};
use crate::xml::syntax::utf8;
use crate::xml::write::name::HEAD;
use bytes::{BufMut, BytesMut};
use quick_xml::events::Event;

/// Bytes of a piece at most.
pub const PIECE: usize = 65_536;

/// Capacity at first: most documents are small.
const FIRST: usize = 4_096;

/// Takes what is written.
pub trait PieceSink {
    /// At most [`PIECE`] bytes, whole characters.
    fn piece(&mut self, bytes: &[u8]);
}

/// Never has more capacity than is charged: it is filled up to that, then split off as a piece, whose memory is used
/// again.
pub(crate) struct Pieces {
    buffer: BytesMut,
    reservation: Reservation,
    /// Bytes that were given to the sink.
    given: u64,
}

/// What a text ended with, other than its last character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextFault {
    /// No document may hold the character at this index.
    Illegal(usize),
    NotUtf8,
}

impl Pieces {
    pub fn new(account: &Arc<Account>) -> Result<Pieces, Refusal> {
        let reservation = Reservation::new(account, Kind::Native, FIRST as u64)?;
        Ok(Pieces {
            buffer: BytesMut::with_capacity(FIRST),
            reservation,
            given: 0,
        })
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.given + self.buffer.len() as u64
    }

    /// Adds a name with what stands around it.
    #[inline(always)]
    pub fn put_name<const B: usize, const A: usize>(
        &mut self,
        before: &[u8; B],
        (name, head): (&[u8], &[u8; HEAD]),
        behind: &[u8; A],
        sink: &mut impl PieceSink,
    ) {
        if !append::put_short(&mut self.buffer, before, (head, name.len()), behind) {
            self.put([before, name, behind], sink);
        }
    }

    /// Begins a start tag, behind the end of the one before if it `closes` that.
    #[inline(always)]
    pub fn put_start(
        &mut self,
        closes: bool,
        (name, head): (&[u8], &[u8; HEAD]),
        sink: &mut impl PieceSink,
    ) {
        if !append::put_start(&mut self.buffer, closes, (head, name.len())) {
            let end: &[u8] = if closes { b">" } else { b"" };
            self.put_across(&[end, b"<", name], sink);
        }
    }

    #[inline(always)]
    pub fn put<const N: usize>(&mut self, parts: [&[u8]; N], sink: &mut impl PieceSink) {
        if !append::put(&mut self.buffer, parts) {
            self.put_across(&parts, sink);
        }
    }

    #[cold]
    #[inline(never)]
    fn put_across(&mut self, parts: &[&[u8]], sink: &mut impl PieceSink) {
        for part in parts {
            let mut rest = *part;
            while !rest.is_empty() {
                if self.left() < rest.len() {
                    self.make_room(rest.len().min(PIECE), sink);
                }
                let count = utf8::floor(rest, self.left());
                self.buffer.put_slice(&rest[..count]);
                rest = &rest[count..];
            }
        }
    }

    /// Adds an attribute, its value escaped and checked.
    #[inline(always)]
    pub fn value<const CONTEXT: usize>(
        &mut self,
        (name, head): (&[u8], &[u8; HEAD]),
        value: &[u8],
        sink: &mut impl PieceSink,
    ) -> Result<(), TextFault> {
        let quote = const { quote(CONTEXT) };
        if escape::put_value::<CONTEXT>(&mut self.buffer, (head, name.len()), quote, value) {
            return Ok(());
        }
        self.any_value::<CONTEXT>(name, value, sink)
    }

    #[inline(never)]
    fn any_value<const CONTEXT: usize>(
        &mut self,
        name: &[u8],
        value: &[u8],
        sink: &mut impl PieceSink,
    ) -> Result<(), TextFault> {
        let quote = [const { quote(CONTEXT) }];
        self.put([b" ", name, b"=", &quote], sink);
        self.text::<CONTEXT>(value, sink)?;
        self.put([&quote], sink);
        Ok(())
    }

    /// Adds the text of an element, escaped and checked, behind the end of the tag if it `closes` one.
    #[inline(always)]
    pub fn content(
        &mut self,
        closes: bool,
        text: &[u8],
        sink: &mut impl PieceSink,
    ) -> Result<(), TextFault> {
        if self.short_content(closes, text) {
            return Ok(());
        }
        if closes {
            self.put([b">"], sink);
        }
        self.text::<TEXT>(text, sink)
    }

    /// Adds a text as [`Pieces::content`] does, if it is short and nothing in it is escaped.
    #[inline(always)]
    pub fn short_content(&mut self, closes: bool, text: &[u8]) -> bool {
        escape::put_text::<TEXT>(&mut self.buffer, closes, text)
    }

    /// Adds a text that is known to be plain, with its bytes at the beginning of a word.
    #[inline(always)]
    pub fn known_content(&mut self, closes: bool, text: (&[u8; HEAD], usize)) -> bool {
        append::put_word(&mut self.buffer, closes, text)
    }

    /// Adds an element with such a text, if its name is short too.
    #[inline(always)]
    pub fn short_element(
        &mut self,
        closes: bool,
        (name, head): (&[u8], &[u8; HEAD]),
        text: &[u8],
    ) -> bool {
        escape::put_element::<TEXT>(&mut self.buffer, closes, (head, name.len()), text)
    }

    /// Adds a text, escaped and checked.
    #[inline(never)]
    pub fn text<const CONTEXT: usize>(
        &mut self,
        text: &[u8],
        sink: &mut impl PieceSink,
    ) -> Result<(), TextFault> {
        let escaped = escape::append::<CONTEXT>(text, &mut self.buffer);
        if escaped.end == End::Complete {
            return match escaped.non_ascii && simdutf8::basic::from_utf8(text).is_err() {
                true => Err(TextFault::NotUtf8),
                false => Ok(()),
            };
        }
        self.long_text::<CONTEXT>(text, escaped, sink)
    }

    /// Writes the rest of a text that did not fit, or returns its fault.
    #[inline(never)]
    fn long_text<const CONTEXT: usize>(
        &mut self,
        text: &[u8],
        mut escaped: Escaped,
        sink: &mut impl PieceSink,
    ) -> Result<(), TextFault> {
        // Before the text is cut into pieces, which is safe only between whole characters.
        if simdutf8::basic::from_utf8(text).is_err() {
            return Err(TextFault::NotUtf8);
        }
        let mut from = 0;
        loop {
            let read = from + escaped.read;
            match escaped.end {
                End::Complete => return Ok(()),
                End::Illegal => return Err(TextFault::Illegal(read)),
                End::NoRoom => {}
            }
            // A piece ends with a whole character. Bytes inside one are never escaped.
            from = utf8::floor(text, read);
            self.buffer.truncate(self.buffer.len() - (read - from));
            self.make_room(escape::MARGIN, sink);
            escaped = escape::append::<CONTEXT>(&text[from..], &mut self.buffer);
        }
    }

    /// Room for `len` bytes, if a piece can have as many; some room in any case. Says whether there is as much.
    #[cold]
    pub fn make_room(&mut self, len: usize, sink: &mut impl PieceSink) -> bool {
        if self.left() >= len {
            return true;
        }
        let grows = self.reservation.bytes() < PIECE as u64
            && self.reservation.try_resize(PIECE as u64).is_ok();
        if grows {
            self.buffer.reserve(PIECE - self.buffer.len());
        }
        if self.left() < len {
            self.flush(sink);
        }
        self.left() >= len
    }

    /// Gives everything written to the sink. The sink keeps nothing of it, so that its memory is there again.
    pub fn flush(&mut self, sink: &mut impl PieceSink) {
        if self.buffer.is_empty() {
            return;
        }
        let piece = self.buffer.split().freeze();
        self.given += piece.len() as u64;
        sink.piece(&piece);
        drop(piece);
        let charged = self.reservation.bytes() as usize;
        if !self.buffer.try_reclaim(charged) {
            self.buffer = BytesMut::with_capacity(charged);
        }
    }

    /// Has quick-xml write a token of at most `len` bytes, which any buffer has room for.
    pub fn token(&mut self, event: Event<'_>, len: usize, sink: &mut impl PieceSink) {
        if self.left() < len {
            self.make_room(len, sink);
        }
        debug_assert!(self.left() >= len);
        let mut writer = quick_xml::Writer::new((&mut self.buffer).writer());
        // A buffer never fails, and does not grow for what fits.
        let _ = writer.write_event(event);
    }

    pub fn left(&self) -> usize {
        self.buffer.capacity() - self.buffer.len()
    }
}

/// What stands around values of this context.
const fn quote(context: usize) -> u8 {
    if context == SINGLE_QUOTED {
        b'\''
    } else {
        b'"'
    }
}
