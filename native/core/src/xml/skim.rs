//! The fast path over what the sink does not want: the same checks as everywhere, and nothing made of it.
//!
//! As in [`super::plain`], whatever is not plain is left to the scanner proper, from the start of its token.

use super::attention::Attention;
use super::attributes::Attributes;
use super::blocks::{BLOCK, text_end, value_end};
use super::core::{Core, State};
use super::halt::Halt;
use super::known::{ExpectedNames, Role};
use super::marks::{Cursor, Marks};
use super::markup::CDATA;
use super::open::Open;
use super::options::TextMode;
use super::plain::{PlainLimits, plain_attribute, plain_name, space_before_end};
use super::reference::{self, Reference, Target, predefined};
use super::scanner::Scanner;
use super::sink::{Flow, Interest, Name, Sink};
use super::utf8;
use crate::quota::Refusal;

/// What a token costs that is not told, and each attribute and reference in it, in units of credit.
pub(crate) const SKIM_COST: usize = 10;

/// As many bytes of a CDATA section cost as much.
const CDATA_BYTES: usize = 64;

/// Tags without attributes, whose names are expected, are no longer.
const SHORT_TAG: usize = BLOCK + 2;

/// Where a tag with attributes begins as near to the end of the marks as this, they are moved first.
const MARGIN: usize = 512;

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
            if !self.is_told_end_tag() {
                let context = self.sink.context();
                let (at, stop) = skim_expected(self.text, self.at, self.core, context);
                self.at = at;
                match stop {
                    Stop::Refused(refusal) => return Err(refusal.into()),
                    Stop::Wanted => match self.plain_wanted()? {
                        true => continue,
                        false => return Ok(()),
                    },
                    Stop::NoMore => {}
                }
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

    #[inline(always)]
    fn is_told_end_tag(&self) -> bool {
        self.core.open.is_told() && matches!(self.text[self.at..], [b'<', b'/', ..])
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
        let is_asked = self.core.attention.is_open();
        let (interest, attention) = self.core.attention.on(self.sink, &name, depth);
        if attention.is_all() {
            self.core.known.go_back(place);
            if is_asked {
                let context = self.sink.context();
                self.core.known.answered(id, context, interest);
            }
            return self.plain_wanted();
        }
        let read = match text.get(name_end) {
            Some(b'>') => Some((name_end + 1, false)),
            _ => match self.expected_attributes(name_end) {
                None => self.skim_attributes(text, name_end),
                read => read,
            },
        };
        let Some((end, empty)) = read else {
            return Ok(false);
        };
        let told = interest == Interest::Names;
        if is_asked {
            let context = self.sink.context();
            self.core.known.answered(id, context, interest);
        }
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

    /// The same as [`Scanner::skim_attributes`], if they are all expected.
    #[inline(never)]
    fn expected_attributes(&mut self, from: usize) -> Option<(usize, bool)> {
        let Core {
            marks,
            known,
            plain_limits,
            ..
        } = &mut *self.core;
        let (text, tag) = (self.text, self.at);
        let mut cursor = marks.markup_from(text, tag + 1)?;
        let place = known.place();
        let mut names = known.expected_names();
        let read = skim_attributes(
            text,
            tag,
            from,
            &mut names,
            marks,
            &mut cursor,
            plain_limits,
        );
        let (last, count) = names.place();
        known.go_on(if read.is_some() { last } else { place }, count);
        read
    }

    /// Checks the attributes from `from` on. Says where the tag ends, and whether it is an empty one.
    #[inline]
    fn skim_attributes(&mut self, text: &[u8], from: usize) -> Option<(usize, bool)> {
        let limits = self.core.plain_limits;
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
            let Some(start) = plain_attribute(known, text, at, limits.name_bytes) else {
                at = space_before_end(text, at)?;
                continue;
            };
            let end = skim_value(text, start.value, start.quote, limits.name_bytes)?;
            count += 1;
            // Those whose names have no numbers are compared elsewhere.
            if known.is_repeated(start.id?)
                || end - start.value > limits.value_bytes
                || count > limits.all_attributes
            {
                return None;
            }
            at = end + 1;
        }
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

/// Why reading over what is expected ended.
enum Stop {
    /// Something else comes.
    NoMore,
    /// The start tag of an element comes of which everything is wanted.
    Wanted,
    Refused(Refusal),
}

/// Reads from `at` on over text and tags that are expected and of which nothing is told; says how far.
#[inline(never)]
fn skim_expected(text: &[u8], at: usize, core: &mut Core, context: u64) -> (usize, Stop) {
    let Core {
        credit,
        elements,
        limits,
        plain_limits,
        known,
        open,
        attention,
        marks,
        ..
    } = core;
    let budget = (*credit / SKIM_COST)
        .min(usize::try_from(limits.max_elements - *elements).unwrap_or(usize::MAX));
    let mut left = budget;
    let mut begun = 0;
    let mut at = at;
    let Some(mut cursor) = marks.markup_from(text, at) else {
        return (at, Stop::NoMore);
    };
    if plain_limits.tag_bytes < SHORT_TAG {
        return (at, Stop::NoMore);
    }
    let mut stop = Stop::NoMore;
    let mut names = known.expected_names();
    let mut is_open = attention.is_open();
    let max_depth = usize::try_from(limits.max_depth).unwrap_or(usize::MAX);
    while left > 0 {
        let Some(mark) = marks.next_markup(&mut cursor) else {
            // In the middle of a text, or of a tag that was read.
            match marks.markup_from(text, at.max(marks.end())) {
                Some(moved) => cursor = moved,
                None => break,
            }
            continue;
        };
        left -= 1;
        match text[mark..] {
            [b'<', b'/', ..] => {
                at = mark;
                let Some(id) = open.untold() else { break };
                let depth = open.depth();
                let is_last = depth <= attention.floor + 1;
                // Of the root element, more than the attention ends.
                if is_last && (is_open || depth == 1) {
                    break;
                }
                let Some(end) = names.end(text, mark + 2, id) else {
                    break;
                };
                if text.get(end) != Some(&b'>') {
                    break;
                }
                open.pop_known();
                cursor.pass();
                at = end + 1;
                if is_last {
                    *attention = Attention::OUTSIDE;
                    is_open = true;
                }
            }
            [b'<', b'!', ..] => {
                at = mark;
                let Some(end) = skim_cdata(text, mark, marks, &mut cursor) else {
                    break;
                };
                left = left.saturating_sub((end - mark) / CDATA_BYTES);
                at = end;
            }
            [b'<', ..] => {
                at = mark;
                let depth = open.depth();
                if depth >= max_depth {
                    break;
                }
                let (place, _) = names.place();
                let Some((id, name_end)) = names.element(text, mark + 1) else {
                    break;
                };
                let interest = match is_open {
                    true => names.answer(id, context),
                    false => Some(Interest::Within),
                };
                let Some(interest @ (Interest::Within | Interest::Nothing)) = interest else {
                    if interest == Some(Interest::All) {
                        stop = Stop::Wanted;
                    }
                    names.go_back(place);
                    break;
                };
                cursor.pass();
                let (end, empty) = match text.get(name_end) {
                    Some(b'>') => (name_end + 1, false),
                    _ => {
                        let Some(read) = skim_attributes(
                            text,
                            mark,
                            name_end,
                            &mut names,
                            marks,
                            &mut cursor,
                            plain_limits,
                        ) else {
                            names.go_back(place);
                            break;
                        };
                        read
                    }
                };
                if !empty {
                    if let Err(refusal) = open.push_untold(id) {
                        names.go_back(place);
                        stop = Stop::Refused(refusal);
                        break;
                    }
                    if interest == Interest::Nothing {
                        *attention = Attention {
                            interest,
                            floor: depth,
                        };
                        is_open = false;
                    }
                }
                begun += 1;
                at = end;
            }
            [b'&', ..] => match reference_end(text, mark, plain_limits.name_bytes) {
                Some(end) => {
                    cursor.pass();
                    at = end;
                }
                None => break,
            },
            _ => break,
        }
    }
    let (last, tag) = names.place();
    known.go_on(last, tag);
    *credit = credit.saturating_sub((budget - left) * SKIM_COST);
    *elements += begun;
    (at, stop)
}

/// Where the CDATA section at `at` ends, if it does in this text.
#[inline]
fn skim_cdata(text: &[u8], at: usize, marks: &mut Marks, cursor: &mut Cursor) -> Option<usize> {
    if !text[at..].starts_with(CDATA) {
        return None;
    }
    loop {
        match marks.next_markup(cursor) {
            Some(mark) => {
                cursor.pass();
                if text[mark] == b'>' {
                    return Some(mark + 1);
                }
            }
            None => *cursor = marks.markup_from(text, marks.end())?,
        }
    }
}

/// Checks the attributes from `from` on, all of them expected. Says where the tag ends, and whether it is
/// an empty one.
#[inline(always)]
fn skim_attributes(
    text: &[u8],
    tag: usize,
    from: usize,
    names: &mut ExpectedNames<'_>,
    marks: &mut Marks,
    cursor: &mut Cursor,
    limits: &PlainLimits,
) -> Option<(usize, bool)> {
    if marks.end() < from + MARGIN && marks.end() < text.len() {
        marks.fill(text, tag);
        *cursor = marks.markup(from)?;
    }
    let mut quotes = marks.quotes(from)?;
    names.begin_tag();
    let mut at = from;
    let mut count = 0;
    while let Some(value) = names.attribute(text, at) {
        // The quote before the value.
        marks.next_quote(&mut quotes)?;
        quotes.pass();
        let end = marks.next_quote(&mut quotes)?;
        quotes.pass();
        count += 1;
        if end - value > limits.value_bytes {
            return None;
        }
        at = end + 1;
    }
    let (end, empty) = match text[at..] {
        [b'>', ..] => (at + 1, false),
        [b'/', b'>', ..] => (at + 2, true),
        _ => return None,
    };
    if count > limits.all_attributes || end - tag > limits.tag_bytes {
        return None;
    }
    while let Some(at) = marks.next_markup(cursor)
        && at < end
    {
        match text[at] {
            b'<' => return None,
            b'&' => {
                reference_end(text, at, limits.name_bytes)?;
            }
            _ => {}
        }
        cursor.pass();
    }
    Some((end, empty))
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
