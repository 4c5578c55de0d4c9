//! The run of text: adding to it, and passing it to the sink in pieces.
#![allow(unsafe_code)]

use crate::xml::TEXT_PIECE;
use crate::xml::api::options::TextMode;
use crate::xml::api::sink::Sink;
use crate::xml::scanner::interrupt::{Interrupt, exceeded};
use crate::xml::scanner::state::State;
use crate::xml::scanner::{LINE_END_COST, REFERENCE_COST, Scanner};
use crate::xml::syntax::byte_class::{self, SPACE};
use crate::xml::syntax::utf8;
use memchr::memchr;

impl<S: Sink> Scanner<'_, S> {
    /// Adds the text up to `end` to the run, its line ends normalised. `at` moves along, so that a
    /// refusal in the middle loses and repeats nothing.
    pub fn add_text(&mut self, end: usize) -> Result<(), Interrupt> {
        let text = &self.text[..end];
        if self.level > 0 || !self.has_cr {
            return self.add_plain(end);
        }
        while self.at < end {
            match memchr(b'\r', &text[self.at..]) {
                None => return self.add_plain(end),
                Some(len) => self.add_plain(self.at + len)?,
            }
            self.spend(LINE_END_COST)?;
            let next = self.at + 1;
            let skip = match self.text.get(next) {
                // Only the end of all input can follow, or more of it.
                None => return Err(Interrupt::NeedInput),
                Some(b'\n') => 2,
                Some(_) => 1,
            };
            self.add(b"\n", Written::Plainly)?;
            self.at += skip;
        }
        Ok(())
    }

    pub(super) fn add_plain(&mut self, end: usize) -> Result<(), Interrupt> {
        while self.at < end {
            let text = self.text;
            self.at += self.add(&text[self.at..end], Written::Plainly)?;
        }
        Ok(())
    }

    /// Adds as much of `bytes` to the run as its piece has room for, at least one character. A full piece is emitted when more
    /// text comes.
    pub(super) fn add(&mut self, bytes: &[u8], written: Written) -> Result<usize, Interrupt> {
        if self.drops_text() {
            return Ok(bytes.len());
        }
        if self.core.run.only_space && self.may_be_held() {
            let space = match written {
                Written::Plainly => byte_class::skip(bytes, 0, SPACE),
                Written::AsReference => 0,
            };
            if space > 0 {
                return self.hold(&bytes[..space]);
            }
            self.core.run.only_space = false;
        }
        self.emit_held()?;
        let room = self.piece_room() - self.core.run.len();
        let mut taken = utf8::floor(bytes, room);
        if taken == 0 {
            if self.is_joined() {
                return self.joined_too_long();
            }
            self.emit_piece()?;
            taken = utf8::floor(bytes, TEXT_PIECE);
        }
        if self.core.run.text.is_empty() && self.core.options.positions {
            self.core.run.position = self.position_here();
        }
        self.core.run.text.extend_from_slice(&bytes[..taken])?;
        if self.core.run.only_space {
            self.core.run.only_space =
                written == Written::Plainly && byte_class::are(&bytes[..taken], SPACE);
        }
        Ok(taken)
    }

    /// Whether white space is kept until it is known whether there is nothing else in its run.
    #[inline]
    fn may_be_held(&self) -> bool {
        self.core.skips_space() && !self.is_joined() && !self.in_emitted_cdata()
    }

    /// Keeps white space that may be all of its run: up to where the piece that it is in ends.
    fn hold(&mut self, space: &[u8]) -> Result<usize, Interrupt> {
        let len = self.core.run.text.len();
        // A run of one piece is not held wherever all of it is there.
        let max = (self.core.limits.max_text_bytes as usize).max(TEXT_PIECE);
        if len >= max {
            return exceeded(self.at, "max_text_bytes", max as u64, max as u64 + 1);
        }
        let room = (TEXT_PIECE - len % TEXT_PIECE).min(max - len);
        let taken = space.len().min(room);
        self.core.run.text.reserve(taken)?;
        if self.core.options.positions && len.is_multiple_of(TEXT_PIECE) {
            let position = self.position_here();
            match len {
                0 => self.core.run.position = position,
                _ => self.core.run.later.push(position)?,
            }
        }
        self.core.run.text.extend_from_slice(&space[..taken])?;
        Ok(taken)
    }

    /// The held white space turned out to be part of text: passes its pieces to the sink, all but the last one.
    #[inline]
    fn emit_held(&mut self) -> Result<(), Interrupt> {
        match self.core.run.len() > TEXT_PIECE && !self.is_joined() {
            true => self.emit_held_pieces(),
            false => Ok(()),
        }
    }

    #[cold]
    fn emit_held_pieces(&mut self) -> Result<(), Interrupt> {
        while self.core.run.len() > TEXT_PIECE {
            let is_emitted = self.is_emitted();
            let run = &self.core.run;
            if is_emitted && self.core.options.positions {
                self.sink.position(run.position);
            }
            if is_emitted {
                let piece = &run.text[run.front..run.front + TEXT_PIECE];
                // SAFETY: a run holds whole characters of validated text; only white space is cut into pieces before its end.
                let flow = self.sink.characters(unsafe { utf8::text(piece) });
                self.charge_event(flow)?;
            }
            let run = &mut self.core.run;
            if let Some(position) = run.later.get(run.front / TEXT_PIECE) {
                run.position = *position;
            }
            run.front += TEXT_PIECE;
        }
        Ok(())
    }

    pub(super) fn joined_too_long(&mut self) -> Result<usize, Interrupt> {
        let max = self.core.limits.max_text_bytes;
        exceeded(self.at, "max_text_bytes", max, max + 1)
    }

    /// Whether the run, or the CDATA section, is one event.
    #[inline]
    pub(super) fn is_joined(&self) -> bool {
        self.core.options.text == TextMode::Joined
    }

    /// How many bytes a piece may have.
    #[inline]
    pub fn piece_room(&self) -> usize {
        match self.core.options.text {
            TextMode::Joined => self.core.limits.max_text_bytes as usize,
            TextMode::Pieces => TEXT_PIECE,
        }
    }

    #[inline]
    pub fn in_emitted_cdata(&self) -> bool {
        self.core.options.emit.cdata && self.core.state == State::Cdata
    }

    /// Passes the piece to the sink, and begins another one.
    pub fn emit_piece(&mut self) -> Result<(), Interrupt> {
        let cdata = self.in_emitted_cdata();
        let is_emitted = self.is_emitted();
        let run = &mut self.core.run;
        if let (true, false, Some(position)) = (cdata, run.told, self.core.token) {
            run.position = position;
        }
        let is_wanted = cdata || !(run.only_space && self.core.skips_space());
        if is_wanted {
            self.emit_held()?;
        }
        if is_wanted && is_emitted {
            let run = &self.core.run;
            if self.core.options.positions {
                self.sink.position(run.position);
            }
            // SAFETY: a run holds whole characters of validated text; only white space is cut into pieces before its end.
            let text = unsafe { utf8::text(&run.text[run.front..]) };
            let flow = match cdata {
                true => self.sink.cdata(text),
                false => self.sink.characters(text),
            };
            self.charge_event(flow)?;
        }
        let run = &mut self.core.run;
        run.told = true;
        run.clear();
        Ok(())
    }

    /// Ends the run, since another event follows.
    #[inline]
    pub fn end_run(&mut self) -> Result<(), Interrupt> {
        if !self.core.run.text.is_empty() {
            self.emit_piece()?;
        }
        self.core.run.only_space = true;
        Ok(())
    }

    /// Adds `bytes`, which are few, to the run, all of them or, refused, none.
    pub fn add_together(&mut self, bytes: &[u8]) -> Result<(), Interrupt> {
        if !self.drops_text() && self.core.run.text.len() + bytes.len() > self.piece_room() {
            if self.is_joined() {
                return self.joined_too_long().map(|_| ());
            }
            self.emit_piece()?;
        }
        self.add(bytes, Written::AsReference).map(|_| ())
    }
}

/// How a character was written. White space by reference is deliberate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    Plainly,
    AsReference,
}

impl Written {
    /// The cost of a character that is not written as itself.
    pub(super) fn cost(self) -> usize {
        match self {
            Written::Plainly => LINE_END_COST,
            Written::AsReference => REFERENCE_COST,
        }
    }
}
