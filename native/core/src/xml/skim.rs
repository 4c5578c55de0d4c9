//! The fast path over what the sink does not want: the same checks as everywhere, and nothing made of it.
//!
//! As in [`super::plain`], whatever is not plain is left to the scanner proper, from the start of its token.

use super::attention::Attention;
use super::attributes::Attributes;
use super::blocks::{text_end, value_end};
use super::core::State;
use super::halt::Halt;
use super::known::Role;
use super::open::Open;
use super::options::TextMode;
use super::plain::{PlainLimits, plain_attribute, plain_name, space_before_end};
use super::reference::{self, Reference, Target, predefined};
use super::scanner::Scanner;
use super::sink::{Flow, Interest, Name, Sink};
use super::utf8;

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
            self.skimmed(1);
            let read = match self.text[self.at..] {
                [b'<', b'/', ..] => match self.is_told_end() {
                    true => self.plain_end_tag()?,
                    false => self.skim_end_tag(),
                },
                [b'<', b'!' | b'?', ..] | [b'<'] | [] => false,
                [b'<', ..] => self.skim_start_tag()?,
                _ => self.skim_text()?,
            };
            if !read {
                return Ok(());
            }
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

    /// Whether the end of the innermost element is told, or changes what is.
    #[inline(always)]
    fn is_told_end(&self) -> bool {
        let open = &self.core.open;
        open.is_told() || open.depth() <= self.core.attention.floor + 1
    }

    /// Reads over an end tag that changes nothing. False: it is not plain.
    #[inline(always)]
    fn skim_end_tag(&mut self) -> bool {
        let open = &mut self.core.open;
        let from = self.at + 2;
        let end = match open.innermost_id() {
            Some(id) => self.core.known.end(self.text, from, id),
            None => None,
        };
        match end {
            Some(end) if self.text.get(end) == Some(&b'>') => {
                open.pop();
                self.at = end + 1;
                true
            }
            _ => false,
        }
    }

    /// Reads over a start tag. False: it is not plain, or it was told since it is wanted.
    #[inline]
    fn skim_start_tag(&mut self) -> Result<bool, Halt> {
        let depth = self.core.open.depth();
        let limits = &self.core.limits;
        if depth as u64 >= limits.max_depth || self.core.elements >= limits.max_elements {
            return Ok(false);
        }
        let PlainLimits {
            tag_bytes,
            name_bytes: max_name,
            ..
        } = self.core.plain_limits;
        let text = &self.text[..self.text.len().min(self.at + tag_bytes)];
        let from = self.at + 1;
        let known = &mut self.core.known;
        let place = known.place();
        let Some((Some(id), name_end)) = plain_name(known, text, from, max_name, Role::Element)
        else {
            return Ok(false);
        };
        let qualified = utf8::text(&text[from..name_end]);
        let name = Name {
            qualified,
            local: qualified,
            id: Some(id),
            namespace: None,
        };
        let (interest, attention) = self.core.attention.on(self.sink, &name, depth);
        if attention.is_all() {
            self.core.known.go_back(place);
            return self.plain_wanted(attention);
        }
        let Some((end, empty)) = self.skim_attributes(text, name_end) else {
            return Ok(false);
        };
        let told = interest == Interest::Names;
        if empty && !told {
            self.core.elements += 1;
            self.at = end;
            return Ok(true);
        }
        let open = Open {
            told,
            ..Open::new(Some(id))
        };
        self.core.open.push(qualified.as_bytes(), open)?;
        if told {
            let attributes = Attributes::none(&self.core.namespaces);
            let flow = self.sink.start_element(name, &attributes);
            if flow == Flow::Again {
                self.core.open.pop();
            }
            self.told(flow)?;
        }
        self.core.attention = attention;
        self.core.elements += 1;
        self.at = end;
        if empty {
            self.core.state = State::EmptyElement;
            self.close(end)?;
        }
        Ok(true)
    }

    /// The start tag at `at` is that of an element which is wanted.
    fn plain_wanted(&mut self, attention: Attention) -> Result<bool, Halt> {
        self.core.attention = attention;
        let read = self.plain_start_tag();
        // It was not plain, or not taken.
        if self.core.open.depth() == attention.floor {
            self.core.attention = Attention::OUTSIDE;
        }
        read.map(|_| false)
    }

    /// Checks the attributes from `from` on. Says where the tag ends, and whether it is an empty one.
    #[inline]
    fn skim_attributes(&mut self, text: &[u8], from: usize) -> Option<(usize, bool)> {
        let limits = &self.core.limits;
        let max_name = limits.max_name_bytes as usize;
        let max_value = limits.max_attribute_bytes as usize;
        let max_attributes = limits.max_attributes;
        let known = &mut self.core.known;
        known.begin_tag();
        let mut at = from;
        let mut count = 0;
        loop {
            match text[at..] {
                [b'>', ..] => break Some((at + 1, false)),
                [b'/', b'>', ..] => break Some((at + 2, true)),
                _ => {}
            }
            let Some(start) = plain_attribute(known, text, at, max_name) else {
                at = space_before_end(text, at)?;
                continue;
            };
            let end = skim_value(text, start.value, start.quote, max_name)?;
            count += 1;
            // Those whose names have no numbers are compared elsewhere.
            if known.is_repeated(start.id?)
                || end - start.value > max_value
                || count > max_attributes
            {
                return None;
            }
            at = end + 1;
        }
    }
}

/// Where the value from `from` on has its closing quote, if nothing is in it that has to be looked up.
#[inline(always)]
fn skim_value(text: &[u8], from: usize, quote: u8, max_name: usize) -> Option<usize> {
    let mut at = value_end(text, from, quote);
    loop {
        match text.get(at)? {
            b'&' => at = reference_end(text, at, max_name)?,
            b'\t' | b'\n' | b'\r' => at += 1,
            &byte => return (byte == quote).then_some(at),
        }
        at = value_end(text, at, quote);
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
