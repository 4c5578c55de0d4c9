//! The fast path over content that the sink does not want: it is validated, then discarded.
//!
//! As in [`crate::xml::fast::tokens`], a token that is not plain is left to the scanner, from its start.

use crate::xml::api::options::TextMode;
use crate::xml::api::sink::{Interest, Sink};
use crate::xml::fast::reference_end::reference_end;
use crate::xml::fast::skip_loop::{SKIP_COST, Stop, skip_loop};
use crate::xml::scanner::Scanner;
use crate::xml::scanner::interrupt::Interrupt;
use crate::xml::simd::byte_search::text_end;
use crate::xml::syntax::byte_class::{self, SPACE};

/// The cost of entering the loop.
const LOOP_COST: usize = 250;

/// The white space between a tag and the next one that is looked over before the loop is entered.
const MAX_SPACE: usize = 64;

impl<S: Sink> Scanner<'_, S> {
    /// Whether text is dropped as soon as it is checked. Joined it has a limit: then it is gathered.
    #[inline]
    pub fn drops_text(&self) -> bool {
        !self.wants_all() && self.core.options.text == TextMode::Pieces
    }

    /// Reads over plain tokens up to one that is not, or that is wanted.
    #[inline(never)]
    pub fn skip_tokens(&mut self) -> Result<(), Interrupt> {
        loop {
            let asks = self.core.interest_stack.asks();
            if self.core.credit == 0 || asks && self.sink.is_full() {
                return Err(Interrupt::Full);
            }
            let stop = match self.known_stop(asks) {
                Some(stop) => stop,
                None => {
                    let (at, stop) = skip_loop(self.text, self.at, self.core);
                    self.at = at;
                    self.charge(LOOP_COST);
                    stop
                }
            };
            if !self.stopped(&stop)? {
                return Ok(());
            }
        }
    }

    /// The reason why the loop would stop at the tag that comes next, perhaps behind white space, if that is easily seen: it would
    /// be entered for this alone.
    #[inline(always)]
    fn known_stop(&mut self, asks: bool) -> Option<Stop> {
        if !asks {
            return None;
        }
        let near = &self.text[..self.text.len().min(self.at + MAX_SPACE)];
        let at = byte_class::skip(near, self.at, SPACE);
        let stop = match self.text[at..] {
            [b'<', b'/', ..] if self.is_told_end() => Stop::Ends,
            [b'<', ..] => Stop::Tag(self.asked_tag(at)?),
            _ => return None,
        };
        self.at = at;
        Some(stop)
    }

    /// Whether the sink is told of the end of the innermost element.
    #[inline(always)]
    fn is_told_end(&self) -> bool {
        let around = self.core.element_stack.depth().saturating_sub(1);
        self.core.interest_stack.tells_end(around)
    }

    /// The context in which the sink wants the start tag at `at`, if that is the most expected one.
    #[inline(always)]
    fn asked_tag(&self, at: usize) -> Option<u64> {
        let id = self.core.name_table.peek_element(self.text, at + 1)?;
        match self.core.interest_stack.answer(id)? {
            Interest::Tags(context) => Some(context),
            _ => None,
        }
    }

    /// Continues where skipping stopped. Returns false if the next token is not plain, or is wanted.
    ///
    /// By reference: a copy would be loaded wider than it was just stored, which is a store-forwarding stall.
    #[inline]
    fn stopped(&mut self, stop: &Stop) -> Result<bool, Interrupt> {
        match *stop {
            Stop::Asks(ref name) => {
                let interest_stack = &mut self.core.interest_stack;
                let answer = interest_stack.wanted(self.sink, &name.of(self.text));
                interest_stack.answered(name.id, answer)?;
                Ok(true)
            }
            Stop::Wanted => self.fast_wanted(),
            Stop::Tag(context) => self.fast_tag(context),
            Stop::Ends => self.fast_end_tag(),
            Stop::LeftToScanner => Ok(false),
            Stop::Refused(refusal) => Err(refusal.into()),
        }
    }

    /// Charges skipped tokens.
    #[inline(always)]
    pub fn charge_skipped(&mut self, count: usize) {
        self.charge(count * SKIP_COST);
    }

    /// Drops text up to markup. False: something else comes before that, or the text ends.
    #[inline]
    pub fn skip_text(&mut self) -> Result<bool, Interrupt> {
        let text = self.text;
        let max_name = self.core.limits.max_name_bytes as usize;
        loop {
            let end = text_end(text, self.at);
            let next = match text[end..] {
                [b'<', ..] => {
                    self.at = end;
                    return Ok(true);
                }
                [b'\r', _, ..] => end + 1,
                [b'&', ..] => match reference_end(text, end, max_name) {
                    Some(next) => next,
                    None => return Ok(false),
                },
                _ => return Ok(false),
            };
            if self.core.credit == 0 {
                return Err(Interrupt::Full);
            }
            self.charge_skipped(1);
            self.at = next;
        }
    }

    /// The start tag at `at` is that of an element which is wanted. True: all of the element was read.
    fn fast_wanted(&mut self) -> Result<bool, Interrupt> {
        let floor = self.core.element_stack.depth();
        self.core.interest_stack.decide(Interest::All, floor);
        let read = self.fast_start_tag();
        // It was not plain, or not taken.
        if self.wants_all() {
            self.core
                .interest_stack
                .close(self.core.element_stack.depth());
        }
        Ok(read? && !self.wants_all())
    }
}
