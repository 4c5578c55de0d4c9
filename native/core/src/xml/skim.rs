//! The fast path over what the sink does not want: the same checks as everywhere, and nothing made of it.
//!
//! As in [`super::plain`], whatever is not plain is left to the scanner proper, from the start of its token.

mod tokens;

use self::tokens::{KnownName, Stop, Tag};
use super::attention::Attention;
use super::attributes::Attributes;
use super::blocks::text_end;
use super::core::State;
use super::halt::Halt;
use super::options::TextMode;
use super::reference::{self, Reference, Target, predefined};
use super::scanner::Scanner;
use super::sink::{Flow, Interest, Sink};

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
            let is_open = self.core.attention.is_open();
            if self.core.credit == 0 || is_open && self.sink.is_full() {
                return Err(Halt::Full);
            }
            let is_plain = match self.is_told_end_tag() {
                true => self.plain_end_tag()?,
                false => {
                    let context = self.sink.context();
                    let (at, stop) = tokens::skim(self.text, self.at, self.core, context);
                    self.at = at;
                    self.skimmed(1);
                    self.stopped(&stop)?
                }
            };
            if !is_plain {
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
            Stop::Asks(ref name) => self.ask(name),
            Stop::Names(ref tag) => self.tell_names(tag)?,
            Stop::Wanted => return self.plain_wanted(),
            Stop::Ends => return self.plain_end_tag(),
            Stop::NotPlain => return Ok(false),
            Stop::Refused(refusal) => return Err(refusal.into()),
        }
        Ok(true)
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

    /// Whether an end tag comes that is told.
    #[inline(always)]
    fn is_told_end_tag(&self) -> bool {
        self.core.open.is_told() && matches!(self.text[self.at..], [b'<', b'/', ..])
    }

    /// Asks the sink what it wants of elements of a name.
    fn ask(&mut self, name: &KnownName) {
        let context = self.sink.context();
        let answer = self.sink.interest(&name.of(self.text));
        self.core.known.answered(name.id, context, answer);
    }

    /// Tells of the start tag at `at`, without attributes.
    fn tell_names(&mut self, tag: &Tag) -> Result<(), Halt> {
        self.core.open.push_known(tag.name.id, true)?;
        let attributes = Attributes::none(&self.core.namespaces);
        let flow = self.sink.start_element(tag.name.of(self.text), &attributes);
        if flow == Flow::Again {
            self.core.open.pop();
        }
        self.told(flow)?;
        self.core.elements += 1;
        self.at = tag.end;
        if tag.empty {
            self.core.state = State::EmptyElement;
            self.close(tag.end)?;
        }
        Ok(())
    }

    /// The start tag at `at` is that of an element which is wanted. True: all of the element was read.
    fn plain_wanted(&mut self) -> Result<bool, Halt> {
        let floor = self.core.open.depth();
        self.core.attention = Attention {
            interest: Interest::All,
            floor,
        };
        let read = self.plain_start_tag();
        // It was not plain, or not taken.
        if self.core.open.depth() == floor {
            self.core.attention = Attention::OUTSIDE;
        }
        Ok(read? && !self.wants_all())
    }
}

/// Where the reference at `at` ends, if it is one to a character.
#[inline(always)]
fn reference_end(text: &[u8], at: usize, max_name: usize) -> Option<usize> {
    if let Some((_, len)) = predefined(&text[at..]) {
        return Some(at + len);
    }
    character_end(text, at, max_name)
}

#[inline(never)]
fn character_end(text: &[u8], at: usize, max_name: usize) -> Option<usize> {
    match reference::read(text, at, max_name, false) {
        Ok(Reference {
            target: Target::Char(_),
            end,
        }) => Some(end),
        // Whatever it is, it is read again.
        _ => None,
    }
}
