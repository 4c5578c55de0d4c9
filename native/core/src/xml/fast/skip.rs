//! The fast path over what the sink does not want: the same checks as everywhere, and nothing made of it.
//!
//! As in [`crate::xml::fast::tokens`], whatever is not plain is left to the scanner proper, from the start of its token.

use crate::xml::api::options::TextMode;
use crate::xml::api::sink::{Interest, Sink};
use crate::xml::fast::skip_loop::Stop;
use crate::xml::scanner::Scanner;
use crate::xml::scanner::interrupt::Halt;
use crate::xml::simd::byte_search::text_end;
use crate::xml::syntax::reference::{self, predefined};

/// What a token costs that is not told, and each attribute and reference in it, in units of credit.
pub(crate) const SKIM_COST: usize = 10;

impl<S: Sink> Scanner<'_, S> {
    /// Whether text is dropped as soon as it is checked. Joined it has a limit: then it is gathered.
    #[inline]
    pub fn drops_text(&self) -> bool {
        !self.wants_all() && self.core.options.text == TextMode::Pieces
    }

    /// Reads over plain tokens up to one that is not, or that is wanted.
    #[inline(never)]
    pub fn skim_tokens(&mut self) -> Result<(), Halt> {
        loop {
            let asks = self.core.attention.asks();
            if self.core.credit == 0 || asks && self.sink.is_full() {
                return Err(Halt::Full);
            }
            let (at, stop) = crate::xml::fast::skip_loop::skim(self.text, self.at, self.core);
            self.at = at;
            self.skimmed(1);
            if !self.stopped(&stop)? {
                return Ok(());
            }
        }
    }

    /// Goes on where reading over tokens stopped. False: what is there is not plain, or wanted.
    ///
    /// By reference: copied, it would be loaded wider than it was just stored, for which the processor waits.
    #[inline]
    fn stopped(&mut self, stop: &Stop) -> Result<bool, Halt> {
        match *stop {
            Stop::Asks(ref name) => {
                let attention = &mut self.core.attention;
                let answer = attention.wanted(self.sink, &name.of(self.text));
                attention.answered(name.id, answer)?;
                Ok(true)
            }
            Stop::Wanted => self.plain_wanted(),
            Stop::Ends => self.plain_end_tag(),
            Stop::NotPlain => Ok(false),
            Stop::Refused(refusal) => Err(refusal.into()),
        }
    }

    /// Pays for what was read over.
    #[inline(always)]
    pub fn skimmed(&mut self, count: usize) {
        self.core.credit = self.core.credit.saturating_sub(count * SKIM_COST);
    }

    /// Drops text up to markup. False: something else comes before that, or the text ends.
    #[inline]
    pub fn skim_text(&mut self) -> Result<bool, Halt> {
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
                return Err(Halt::Full);
            }
            self.skimmed(1);
            self.at = next;
        }
    }

    /// The start tag at `at` is that of an element which is wanted. True: all of the element was read.
    fn plain_wanted(&mut self) -> Result<bool, Halt> {
        let floor = self.core.open.depth();
        self.core.attention.decide(Interest::All, floor);
        let read = self.plain_start_tag();
        // It was not plain, or not taken.
        if self.wants_all() {
            self.core.attention.close(self.core.open.depth());
        }
        Ok(read? && !self.wants_all())
    }
}

/// Where the reference at `at` ends, if it is one to a character.
#[inline(always)]
pub fn reference_end(text: &[u8], at: usize, max_name: usize) -> Option<usize> {
    if let Some((_, len)) = predefined(&text[at..]) {
        return Some(at + len);
    }
    character_end(text, at, max_name)
}

#[inline(never)]
fn character_end(text: &[u8], at: usize, max_name: usize) -> Option<usize> {
    reference::short_character(text, at, max_name).map(|(_, end)| end)
}
