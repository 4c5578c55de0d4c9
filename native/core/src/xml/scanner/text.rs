//! Text: told as it lies in the buffer where that is possible, else gathered piece by piece.
//!
//! A run of text is cut into pieces of at most [`TEXT_PIECE`] bytes, counted from its start: where the
//! pieces end depends on the document alone.

use crate::xml::TEXT_PIECE;
use crate::xml::api::options::TextMode;
use crate::xml::api::sink::Sink;
use crate::xml::scanner::interrupt::{Halt, exceeded, malformed};
use crate::xml::scanner::state::State;
use crate::xml::scanner::{LINE_END_COST, REFERENCE_COST, Scanner};
use crate::xml::simd::byte_search::text_end;
use crate::xml::syntax::byte_class::{self, SPACE};
use crate::xml::syntax::reference::{self, Target, predefined};
use crate::xml::syntax::utf8;
use memchr::{memchr, memchr3};

impl<S: Sink> Scanner<'_, S> {
    /// Scans text up to markup or a reference.
    pub fn characters(&mut self) -> Result<(), Halt> {
        if self.core.open.depth() == 0 {
            return self.space_outside();
        }
        let is_read = match self.drops_text() && self.level == 0 {
            true => self.skim_text()?,
            false => self.may_be_gathered() && self.gather()?,
        };
        if is_read {
            return Ok(());
        }
        let rest = &self.text[self.at..];
        let mut from = 0;
        let (len, stopped) = loop {
            let Some(found) = memchr3(b'<', b'&', b']', &rest[from..]) else {
                break (rest.len(), Err(Halt::Starved));
            };
            let stop = from + found;
            match rest[stop..] {
                [b']', b']', b'>', ..] => {
                    let at = self.at + stop;
                    break (
                        stop,
                        malformed(at, "no ']]>' is allowed in text, write ']]&gt;'"),
                    );
                }
                // What follows decides, unless nothing ever does: an entity's text ends here.
                [b']'] | [b']', b']'] if self.level == 0 => break (stop, Err(Halt::Starved)),
                [b']', ..] => from = stop + 1,
                _ => break (stop, Ok(())),
            }
        };
        if stopped.is_ok() && self.is_whole_run(&rest[len..]) {
            let text = &rest[..len];
            if len <= self.piece_room() && !(self.has_cr && memchr(b'\r', text).is_some()) {
                if !(self.core.skips_space() && byte_class::are(text, SPACE)) {
                    self.tell_text_as_it_is(text)?;
                }
                self.at += len;
                return Ok(());
            }
        }
        self.add_text(self.at + len)?;
        stopped
    }

    /// Whether a run has been begun that can be read on with by [`Scanner::gather`].
    #[inline]
    fn may_be_gathered(&self) -> bool {
        self.level == 0
            && !self.core.run.text.is_empty()
            && !self.core.options.positions
            && self.core.state == State::Between
    }

    /// Gathers a run up to the tag that ends it, and tells it. False: before that comes something else
    /// than text, line ends and references to characters, or the end of a piece. What was read up to
    /// there is in the run.
    #[inline(never)]
    pub fn gather(&mut self) -> Result<bool, Halt> {
        let text = self.text;
        loop {
            let end = text_end(text, self.at);
            let next = match text[end..] {
                [b'&', ..] => match predefined(&text[end..]) {
                    Some((byte, len)) => {
                        self.gather_part(end, &[byte], Written::AsReference, end + len)?
                    }
                    None => self.gather_character(end)?,
                },
                [b'<', next, ..] if !matches!(next, b'!' | b'?') => {
                    if self.gather_part(end, b"", Written::Plainly, end)? {
                        self.end_run()?;
                        return Ok(true);
                    }
                    false
                }
                [b'\r', b'\n', ..] => self.gather_part(end, b"\n", Written::Plainly, end + 2)?,
                [b'\r', _, ..] => self.gather_part(end, b"\n", Written::Plainly, end + 1)?,
                _ => false,
            };
            if !next {
                return Ok(false);
            }
        }
    }

    /// Adds the text up to the character reference at `end`, and what that stands for.
    fn gather_character(&mut self, end: usize) -> Result<bool, Halt> {
        let max = self.core.limits.max_name_bytes as usize;
        match reference::short_character(self.text, end, max) {
            Some((char, next)) => {
                let mut utf8 = [0; 4];
                let char = char.encode_utf8(&mut utf8).as_bytes();
                self.gather_part(end, char, Written::AsReference, next)
            }
            None => Ok(false),
        }
    }

    /// Adds the text up to `end` and `then`, what follows it and was written up to `next`: both, or
    /// neither where the piece has no room for them.
    #[inline(always)]
    fn gather_part(
        &mut self,
        end: usize,
        then: &[u8],
        written: Written,
        next: usize,
    ) -> Result<bool, Halt> {
        let plain = &self.text[self.at..end];
        let more = plain.len() + then.len();
        if self.core.run.front > 0 || self.core.run.len() + more > self.piece_room() {
            return Ok(false);
        }
        self.core.run.text.reserve(more)?;
        if !then.is_empty() {
            self.spend(written.cost())?;
        }
        let run = &mut self.core.run;
        run.text.extend_from_slice(plain)?;
        match *then {
            [byte] => run.text.push(byte)?,
            _ => run.text.extend_from_slice(then)?,
        }
        run.only_space =
            run.only_space && written == Written::Plainly && byte_class::are(plain, SPACE);
        self.at = next;
        Ok(true)
    }

    /// Whether text that ends before `rest` is a whole run: nothing came before, and no more follows.
    #[inline]
    pub fn is_whole_run(&self, rest: &[u8]) -> bool {
        let run = &self.core.run;
        run.text.is_empty()
            && run.only_space
            && matches!(rest, [b'<', next, ..] if !matches!(next, b'!' | b'?'))
    }

    pub fn tell_text_as_it_is(&mut self, text: &[u8]) -> Result<(), Halt> {
        if !self.is_told() {
            self.skimmed(1);
            return Ok(());
        }
        if self.core.options.positions {
            let position = self.position_here();
            self.sink.position(position);
        }
        let flow = self.sink.characters(utf8::text(text));
        self.told(flow)
    }

    /// Before, between and after root elements.
    fn space_outside(&mut self) -> Result<(), Halt> {
        self.at = byte_class::skip(self.text, self.at, SPACE);
        match self.text.get(self.at) {
            None => Err(Halt::Starved),
            Some(b'<') => Ok(()),
            Some(_) => self.text_outside(),
        }
    }

    /// Adds the text up to `end` to the run, its line ends normalised. `at` moves along, so that a
    /// refusal in the middle loses and repeats nothing.
    pub fn add_text(&mut self, end: usize) -> Result<(), Halt> {
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
                None => return Err(Halt::Starved),
                Some(b'\n') => 2,
                Some(_) => 1,
            };
            self.add(b"\n", Written::Plainly)?;
            self.at += skip;
        }
        Ok(())
    }

    fn add_plain(&mut self, end: usize) -> Result<(), Halt> {
        while self.at < end {
            let text = self.text;
            self.at += self.add(&text[self.at..end], Written::Plainly)?;
        }
        Ok(())
    }

    /// Adds as much of `bytes` to the run as its piece takes, at least a character. A full piece is told
    /// when more comes.
    fn add(&mut self, bytes: &[u8], written: Written) -> Result<usize, Halt> {
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
        self.tell_held()?;
        let room = self.piece_room() - self.core.run.len();
        let mut taken = utf8::floor(bytes, room);
        if taken == 0 {
            if self.is_joined() {
                return self.joined_too_long();
            }
            self.tell_piece()?;
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
    fn hold(&mut self, space: &[u8]) -> Result<usize, Halt> {
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

    /// What was held turned out to be text: tells its pieces, all but the last one.
    #[inline]
    fn tell_held(&mut self) -> Result<(), Halt> {
        match self.core.run.len() > TEXT_PIECE && !self.is_joined() {
            true => self.tell_held_pieces(),
            false => Ok(()),
        }
    }

    #[cold]
    fn tell_held_pieces(&mut self) -> Result<(), Halt> {
        while self.core.run.len() > TEXT_PIECE {
            let is_told = self.is_told();
            let run = &self.core.run;
            if is_told && self.core.options.positions {
                self.sink.position(run.position);
            }
            if is_told {
                let piece = &run.text[run.front..run.front + TEXT_PIECE];
                let flow = self.sink.characters(utf8::text(piece));
                self.told(flow)?;
            }
            let run = &mut self.core.run;
            if let Some(position) = run.later.get(run.front / TEXT_PIECE) {
                run.position = *position;
            }
            run.front += TEXT_PIECE;
        }
        Ok(())
    }

    fn joined_too_long(&mut self) -> Result<usize, Halt> {
        let max = self.core.limits.max_text_bytes;
        exceeded(self.at, "max_text_bytes", max, max + 1)
    }

    /// Whether the run, or the CDATA section, is told as one.
    #[inline]
    fn is_joined(&self) -> bool {
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

    /// Tells what has come of the piece, and begins another one.
    pub fn tell_piece(&mut self) -> Result<(), Halt> {
        let cdata = self.in_emitted_cdata();
        let is_told = self.is_told();
        let run = &mut self.core.run;
        if let (true, false, Some(position)) = (cdata, run.told, self.core.token) {
            run.position = position;
        }
        let is_wanted = cdata || !(run.only_space && self.core.skips_space());
        if is_wanted {
            self.tell_held()?;
        }
        if is_wanted && is_told {
            let run = &self.core.run;
            if self.core.options.positions {
                self.sink.position(run.position);
            }
            let text = utf8::text(&run.text[run.front..]);
            let flow = match cdata {
                true => self.sink.cdata(text),
                false => self.sink.characters(text),
            };
            self.told(flow)?;
        }
        let run = &mut self.core.run;
        run.told = true;
        run.clear();
        Ok(())
    }

    /// An event follows: the run ends here.
    #[inline]
    pub fn end_run(&mut self) -> Result<(), Halt> {
        if !self.core.run.text.is_empty() {
            self.tell_piece()?;
        }
        self.core.run.only_space = true;
        Ok(())
    }

    /// A reference in content.
    pub fn text_reference(&mut self) -> Result<(), Halt> {
        self.spend(REFERENCE_COST)?;
        let reference = self.reference(self.text, self.at)?;
        match reference.target {
            Target::Char(char) => {
                self.add(
                    char.encode_utf8(&mut [0; 4]).as_bytes(),
                    Written::AsReference,
                )?;
                self.at = reference.end;
                Ok(())
            }
            Target::Entity(name) => self.enter_in_content(name, reference.end),
            Target::Forbidden(_) | Target::None(_) => self.recover_in_content(&reference),
        }
    }

    /// Adds `bytes`, which are few, to the run, all of them or, refused, none.
    pub fn add_together(&mut self, bytes: &[u8]) -> Result<(), Halt> {
        if !self.drops_text() && self.core.run.text.len() + bytes.len() > self.piece_room() {
            if self.is_joined() {
                return self.joined_too_long().map(|_| ());
            }
            self.tell_piece()?;
        }
        self.add(bytes, Written::AsReference).map(|_| ())
    }
}

/// How a character got into the text. White space by reference was meant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    Plainly,
    AsReference,
}

impl Written {
    /// What it costs when it is not the character itself.
    fn cost(self) -> usize {
        match self {
            Written::Plainly => LINE_END_COST,
            Written::AsReference => REFERENCE_COST,
        }
    }
}
