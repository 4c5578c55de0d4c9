//! Text: passed to the sink directly from the buffer where that is possible, else gathered in pieces.
//!
//! A run of text is cut into pieces of at most [`crate::xml::TEXT_PIECE`] bytes, counted from its start: where the
//! pieces end depends on the document alone.
#![allow(unsafe_code)]

mod run;

use crate::xml::api::sink::Sink;
use crate::xml::scanner::interrupt::{Interrupt, malformed};
use crate::xml::scanner::state::State;
use crate::xml::scanner::text::run::Written;
use crate::xml::scanner::{REFERENCE_COST, Scanner};
use crate::xml::simd::byte_search::text_end;
use crate::xml::syntax::byte_class::{self, SPACE};
use crate::xml::syntax::reference::{self, Target, predefined};
use crate::xml::syntax::utf8;
use memchr::{memchr, memchr3};

impl<S: Sink> Scanner<'_, S> {
    /// Scans text up to markup or a reference.
    ///
    /// ```text
    /// CharData ::= [^<&]* - ([^<&]* ']]>' [^<&]*)      (XML 1.0, 2.4)
    /// ```
    pub fn characters(&mut self) -> Result<(), Interrupt> {
        if self.core.element_stack.depth() == 0 {
            return self.space_outside();
        }
        let is_read = match self.drops_text() && self.level == 0 {
            true => self.skip_text()?,
            false => self.may_be_gathered() && self.gather()?,
        };
        if is_read {
            return Ok(());
        }
        let rest = &self.text[self.at..];
        let mut from = 0;
        let (len, stopped) = loop {
            let Some(found) = memchr3(b'<', b'&', b']', &rest[from..]) else {
                break (rest.len(), Err(Interrupt::NeedInput));
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
                // The next byte decides, except at the end of an entity's text.
                [b']'] | [b']', b']'] if self.level == 0 => {
                    break (stop, Err(Interrupt::NeedInput));
                }
                // Of many in a row, only the last two can begin "]]>".
                [b']', ..] => {
                    let brackets = rest[stop..].iter().take_while(|&&byte| byte == b']');
                    from = stop + brackets.count().saturating_sub(2).max(1);
                }
                _ => break (stop, Ok(())),
            }
        };
        if stopped.is_ok() && self.is_whole_run(&rest[len..]) {
            let text = &rest[..len];
            if len <= self.piece_room() && !(self.has_cr && memchr(b'\r', text).is_some()) {
                if !(self.core.skips_space() && byte_class::are(text, SPACE)) {
                    self.emit_text_unchanged(text)?;
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

    /// Gathers a run up to the tag that ends it, and emits it. Returns false if something other than text, line ends and
    /// references to characters comes first, or the end of a piece. The text up to there is in the run.
    #[inline(never)]
    pub fn gather(&mut self) -> Result<bool, Interrupt> {
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
    fn gather_character(&mut self, end: usize) -> Result<bool, Interrupt> {
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
    ) -> Result<bool, Interrupt> {
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

    pub fn emit_text_unchanged(&mut self, text: &[u8]) -> Result<(), Interrupt> {
        if !self.is_emitted() {
            self.charge_skipped(1);
            return Ok(());
        }
        if self.core.options.positions {
            let position = self.position_here();
            self.sink.position(position);
        }
        // SAFETY: a part of validated text, cut beside ASCII characters or at `utf8::floor`.
        let flow = self.sink.characters(unsafe { utf8::text(text) });
        self.charge_event(flow)
    }

    /// Before, between and after root elements.
    fn space_outside(&mut self) -> Result<(), Interrupt> {
        self.at = byte_class::skip(self.text, self.at, SPACE);
        match self.text.get(self.at) {
            None => Err(Interrupt::NeedInput),
            Some(b'<') => Ok(()),
            Some(_) => self.text_outside(),
        }
    }

    /// A reference in content.
    pub fn text_reference(&mut self) -> Result<(), Interrupt> {
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
}
