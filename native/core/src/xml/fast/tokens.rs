//! The fast path: runs of plain tokens, each of them complete in the text at hand.
//!
//! Plain are tags without white space or references to normalise, with ASCII names and within every
//! limit, and text without references to entities other than the predefined ones. They are the
//! larger part of most documents. The scanner proper reads every other token from its start: nothing here
//! reports an error or waits for input.
#![allow(unsafe_code)]

use crate::xml::api::attributes::{AttributeSpan, Attributes, Span, SpanBuffer, SpanBuffers};
use crate::xml::api::sink::{Flow, Name, Sink};
use crate::xml::names::element_stack::OpenElement;
use crate::xml::names::namespaces::Namespaces;
use crate::xml::names::table::{NameId, NameTable, Role};
use crate::xml::scanner::interrupt::Interrupt;
use crate::xml::scanner::markup::{CDATA, find};
use crate::xml::scanner::state::State;
use crate::xml::scanner::{ATTRIBUTE_COST, Scanner};
use crate::xml::simd::byte_search::{name_end, text_end, value_end};
use crate::xml::syntax::byte_class::{self, SPACE, START};
use crate::xml::syntax::utf8;

/// A start tag that was read.
pub(super) struct StartTag {
    pub id: Option<NameId>,
    pub name_end: usize,
    pub end: usize,
    pub empty: bool,
}

impl<S: Sink> Scanner<'_, S> {
    /// Whether tokens may be read here: inside the root element, with nothing to look up or to place.
    #[inline]
    pub(super) fn allows_fast_path(&self) -> bool {
        let core = &*self.core;
        let options = &core.options;
        self.level == 0
            && core.run.text.is_empty()
            && core.run.only_space
            && core.element_stack.depth() > 0
            && self.dtd.is_none()
            && !options.positions
            && !options.namespaces
    }

    /// Reads tokens up to one that is not plain, or outside of the root element.
    #[inline]
    pub fn fast_tokens(&mut self) -> Result<(), Interrupt> {
        while self.allows_fast_path() {
            let wants_all = self.wants_all();
            match wants_all {
                true => self.fast_token_loop()?,
                false if self.drops_text() => self.skip_tokens()?,
                false => {}
            }
            if self.wants_all() == wants_all {
                break;
            }
        }
        Ok(())
    }

    /// The same as long as everything is wanted.
    #[inline(never)]
    pub(super) fn fast_token_loop(&mut self) -> Result<(), Interrupt> {
        let text = self.text;
        loop {
            if self.core.credit == 0 || self.sink.is_full() {
                return Err(Interrupt::Full);
            }
            let read = match text[self.at..] {
                [b'<', b'/', ..] => self.fast_end_tag()? && self.wants_all(),
                [b'<', b'!', ..] => self.fast_cdata()?,
                [b'<', b'?', ..] | [b'<'] | [] => false,
                [b'<', ..] => self.fast_start_tag()?,
                _ => self.fast_text()?,
            };
            if !read {
                return Ok(());
            }
        }
    }

    #[inline]
    fn fast_text(&mut self) -> Result<bool, Interrupt> {
        let end = text_end(self.text, self.at);
        match self.text[end..] {
            [b'<', next, ..] if !matches!(next, b'!' | b'?') => {}
            [b'&' | b'\r', ..] => return self.gather(),
            _ => return Ok(false),
        }
        let text = &self.text[self.at..end];
        if text.len() > self.piece_room() {
            return Ok(false);
        }
        if !(self.core.skips_space() && byte_class::are(text, SPACE)) {
            // SAFETY: a part of validated text, cut beside ASCII characters.
            let flow = self.sink.characters(unsafe { utf8::text(text) });
            self.charge_event(flow)?;
        }
        self.at = end;
        Ok(true)
    }

    /// A CDATA section that is all of a run.
    fn fast_cdata(&mut self) -> Result<bool, Interrupt> {
        let start = self.at + CDATA.len();
        if self.core.options.emit.cdata || !self.text[self.at..].starts_with(CDATA) {
            return Ok(false);
        }
        let (stop, found) = find(self.text, start, b"]]>");
        if !found || !self.is_rest_of_run(start, stop) {
            return Ok(false);
        }
        if stop > start {
            // SAFETY: a part of validated text, cut beside ASCII characters.
            let flow = self
                .sink
                .characters(unsafe { utf8::text(&self.text[start..stop]) });
            self.charge_event(flow)?;
        }
        self.at = stop + 3;
        Ok(true)
    }

    #[inline]
    pub fn fast_end_tag(&mut self) -> Result<bool, Interrupt> {
        let from = self.at + 2;
        let end = match self.core.element_stack.innermost_id() {
            Some(id) => self.core.name_table.end(self.text, from, id),
            None => {
                let name = self.core.innermost();
                self.text[from..]
                    .starts_with(name)
                    .then_some(from + name.len())
            }
        };
        let (Some(end), true) = (end, end.and_then(|end| self.text.get(end)) == Some(&b'>')) else {
            return Ok(false);
        };
        self.core.token = None;
        self.close(end + 1)?;
        Ok(self.core.element_stack.depth() > 0)
    }

    #[inline]
    pub fn fast_start_tag(&mut self) -> Result<bool, Interrupt> {
        let (text, at) = (self.text, self.at);
        let depth = self.core.element_stack.depth() as u64;
        let limits = &self.core.limits;
        if depth >= limits.max_depth || self.core.elements >= limits.max_elements {
            return Ok(false);
        }
        let Some(tag) = self.read_start_tag()? else {
            return Ok(false);
        };
        if S::TRACKS_SOURCE && self.core.source.is_watched() {
            self.pass_before(at, tag.end)?;
        }
        let qualified = &text[at + 1..tag.name_end];
        self.core
            .element_stack
            .push(qualified, OpenElement::new(tag.id))?;
        // SAFETY: a part of validated text, cut beside ASCII characters.
        let name = Name::without_namespace(unsafe { utf8::text(qualified) }, tag.id);
        let attributes = Attributes {
            spans: &self.core.tag.attributes,
            sources: SpanBuffers([text, &[], &[], &[]]),
            namespaces: &self.core.namespaces,
        };
        let cost = attributes.len() * ATTRIBUTE_COST;
        if self.core.options.skip_whitespace
            && let Err(refusal) = self.core.space.reserve()
        {
            self.core.element_stack.pop();
            return Err(refusal.into());
        }
        if self.sink.start_element(name, &attributes) == Flow::Retry {
            self.core.element_stack.pop();
            return Err(Interrupt::Full);
        }
        if S::TRACKS_SOURCE && self.core.source.is_watched() {
            self.core.source.after_tag(at, 0, self.sink);
        }
        self.charge(cost);
        self.charge_event(Flow::Accepted)?;
        self.core.elements += 1;
        if self.core.options.skip_whitespace {
            self.note_space()?;
        }
        self.at = tag.end;
        if tag.empty {
            self.core.token = None;
            self.core.state = State::EmptyElement;
            self.close(tag.end)?;
        }
        Ok(true)
    }

    /// Reads the start tag at `at`, its attributes into the scanner's own; `None` if it is not plain.
    #[inline(always)]
    pub(super) fn read_start_tag(&mut self) -> Result<Option<StartTag>, Interrupt> {
        let limits = self.core.fast_limits;
        let text = &self.text[..self.text.len().min(self.at + limits.tag_bytes)];
        let max_name = limits.name_bytes;
        let name_table = &mut self.core.name_table;
        let attributes = &mut self.core.tag.attributes;
        name_table.begin_tag();
        attributes.clear();
        let Some((id, name_end)) =
            fast_name(name_table, text, self.at + 1, max_name, Role::Element)
        else {
            return Ok(None);
        };
        let mut at = name_end;
        loop {
            let (end, empty) = match text[at..] {
                [b'>', ..] => (at + 1, false),
                [b'/', b'>', ..] => (at + 2, true),
                _ => {
                    let Some(start) = fast_attribute(name_table, text, at, max_name) else {
                        match space_before_end(text, at) {
                            Some(end) => at = end,
                            None => return Ok(None),
                        }
                        continue;
                    };
                    let name = &text[start.name..start.name_end];
                    let value_end = value_end(text, start.value, start.quote);
                    let is_new = match start.id {
                        Some(id) => !name_table.record_attribute(id),
                        None => !attributes.iter().any(|it| is_named(it, text, name)),
                    };
                    let is_plain = text.get(value_end) == Some(&start.quote)
                        && value_end - start.value <= limits.value_bytes
                        && attributes.len() < limits.attributes
                        && is_new;
                    if !is_plain {
                        return Ok(None);
                    }
                    attributes.push(AttributeSpan {
                        name: Span::new(SpanBuffer::Scanned, start.name, start.name_end),
                        value: Span::new(SpanBuffer::Scanned, start.value, value_end),
                        id: start.id,
                        prefix: 0,
                        namespace: Namespaces::NONE,
                    })?;
                    at = value_end + 1;
                    continue;
                }
            };
            return Ok(Some(StartTag {
                id,
                name_end,
                end,
                empty,
            }));
        }
    }
}

/// An attribute up to its value.
pub(crate) struct AttributeStart {
    pub id: Option<NameId>,
    pub name: usize,
    pub name_end: usize,
    pub value: usize,
    pub quote: u8,
}

/// Reads an attribute behind `from` up to its value, white space before it included.
#[inline(always)]
pub(crate) fn fast_attribute(
    name_table: &mut NameTable,
    text: &[u8],
    from: usize,
    max_name: usize,
) -> Option<AttributeStart> {
    if let Some((id, value)) = name_table.match_prefix(text, from) {
        return Some(AttributeStart {
            id: Some(id),
            name: from + 1,
            name_end: value - 2,
            value,
            quote: b'"',
        });
    }
    let name = byte_class::skip(text, from, SPACE);
    if name == from {
        return None;
    }
    let (id, name_end) = fast_name(name_table, text, name, max_name, Role::Attribute)?;
    match text[name_end..] {
        [b'=', quote @ (b'"' | b'\''), ..] => Some(AttributeStart {
            id,
            name,
            name_end,
            value: name_end + 2,
            quote,
        }),
        _ => None,
    }
}

/// Where a tag ends at the end of the white space at `from`, if it does.
#[inline(always)]
pub(crate) fn space_before_end(text: &[u8], from: usize) -> Option<usize> {
    let at = byte_class::skip(text, from, SPACE);
    matches!(text[at..], [b'>', ..] | [b'/', b'>', ..]).then_some(at)
}

/// Where the name at `from` ends, within the text: one that is known, or an ASCII name within its limit.
#[inline(always)]
pub(crate) fn fast_name(
    name_table: &mut NameTable,
    text: &[u8],
    from: usize,
    max: usize,
    role: Role,
) -> Option<(Option<NameId>, usize)> {
    if let Some((id, end)) = name_table.expected(text, from, role) {
        return Some((Some(id), end));
    }
    unexpected_name(name_table, text, from, max, role)
}

/// The same of one that is known not to be expected.
#[inline(always)]
pub(crate) fn unexpected_name(
    name_table: &mut NameTable,
    text: &[u8],
    from: usize,
    max: usize,
    role: Role,
) -> Option<(Option<NameId>, usize)> {
    let first = *text.get(from)?;
    if first >= 0x80 || !byte_class::is(first, START) {
        return None;
    }
    let end = name_end(text, from + 1);
    if end - from > max || *text.get(end)? >= 0x80 {
        return None;
    }
    Some((name_table.learn(&text[from..end], role), end))
}

#[inline(always)]
fn is_named(attribute: &AttributeSpan, text: &[u8], name: &[u8]) -> bool {
    let start = attribute.name.start as usize;
    attribute.name.len() == name.len()
        && text[start] == name[0]
        && text[start..start + name.len()] == *name
}
