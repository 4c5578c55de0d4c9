//! Start tags: found in one pass that can stop at any byte.
//!
//! ```text
//! <name   attribute  =  "value"   />
//!  Name Space Attribute Equals Quote Value Space
//! ```
//!
//! Names and plain values stay where they were scanned; a value with references or white space to
//! normalise is written to the tag's own buffer, and so is everything else once its chunk has to go.

use crate::arena::account::{Account, Refusal};
use crate::arena::charged_vec::ChargedVec;
use crate::arena::incremental_buf::Growing;
use crate::sync::Arc;
use crate::xml::api::attributes::{AttributeSpan, Source, Sources, Span};
use crate::xml::api::sink::Sink;
use crate::xml::dtd::ElementId;
use crate::xml::names::duplicates::{Duplicates, Expanded};
use crate::xml::names::namespaces::Namespaces;
use crate::xml::names::table::{NameId, Role};
use crate::xml::scanner::finish_tag::Stage;
use crate::xml::scanner::interrupt::{Halt, exceeded, malformed};
use crate::xml::scanner::{ATTRIBUTE_COST, Scanner};
use crate::xml::syntax::byte_class::{self, SPACE, START, VALUE};

/// What comes next in a tag. In the order of the text, so that scanning can be entered anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Name,
    Space,
    Attribute,
    Equals,
    Quote,
    Value,
    /// A value that is being written to the tag's buffer.
    Normalise,
}

/// The start tag being scanned.
#[derive(Debug)]
pub(crate) struct Tag {
    pub phase: Phase,
    pub name: Span,
    /// The number of the name, if it has one.
    pub id: Option<NameId>,
    pub attributes: ChargedVec<AttributeSpan>,
    /// What is in [`Source::Normalised`].
    pub normalised: Growing,
    /// What is in [`Source::Kept`].
    pub kept: Growing,
    /// Index where the tag began, while its first byte is there.
    pub start: usize,
    /// The attribute being scanned, as far as it goes.
    pub pending: AttributeSpan,
    pub quote: u8,
    /// White space came since the last name or value.
    pub spaced: bool,
    /// The value is of a tokenised type: white space at its ends goes, elsewhere it is one space.
    pub collapse: bool,
    /// Entities open where the tag began.
    pub level: usize,
    /// The declarations of its attributes.
    pub element: Option<ElementId>,
    /// Bytes of the name's prefix and colon.
    pub prefix: u32,
    /// Index of the name's namespace.
    pub namespace: u32,
    /// What is to be done with the tag once it was scanned.
    pub stage: Stage,
    pub duplicates: Duplicates,
    /// The same for names with their namespaces.
    pub expanded: Expanded,
}

const NO_ATTRIBUTE: AttributeSpan = AttributeSpan {
    name: Span::EMPTY,
    value: Span::EMPTY,
    id: None,
    prefix: 0,
    namespace: Namespaces::NONE,
};

impl Tag {
    /// For tags of at most `most` bytes.
    pub fn new(account: &Arc<Account>, most: usize) -> Tag {
        Tag {
            phase: Phase::Name,
            name: Span::EMPTY,
            id: None,
            attributes: ChargedVec::new(account),
            normalised: Growing::new(account, most),
            kept: Growing::new(account, most),
            start: 0,
            pending: NO_ATTRIBUTE,
            quote: 0,
            spaced: false,
            collapse: false,
            level: 0,
            element: None,
            prefix: 0,
            namespace: Namespaces::NONE,
            stage: Stage::Scanned,
            duplicates: Duplicates::new(account),
            expanded: Expanded::new(account),
        }
    }

    /// Forgets the last tag.
    #[inline]
    pub fn begin(&mut self, start: usize, level: usize) {
        self.phase = Phase::Name;
        self.start = start;
        self.level = level;
        self.element = None;
        self.stage = Stage::Scanned;
        self.attributes.clear();
        self.normalised.clear();
        self.kept.clear();
        self.duplicates.clear();
    }

    /// Copies what still lies in the text being scanned: that is about to go.
    pub fn keep(&mut self, scanned: &[u8]) -> Result<(), Refusal> {
        let Tag {
            name,
            attributes,
            pending,
            kept,
            ..
        } = self;
        if self.phase == Phase::Name {
            return Ok(());
        }
        keep(name, scanned, kept)?;
        // Only the last attribute that was begun in an earlier text can have its value in this one.
        let first = attributes
            .iter()
            .rposition(|attribute| attribute.name.source == Source::Kept)
            .unwrap_or(0);
        for attribute in &mut attributes[first..] {
            keep(&mut attribute.name, scanned, kept)?;
            keep(&mut attribute.value, scanned, kept)?;
        }
        if self.phase > Phase::Attribute {
            keep(&mut pending.name, scanned, kept)?;
        }
        if self.phase == Phase::Value {
            self.normalise(scanned)?;
        }
        Ok(())
    }

    /// From here on the value is written to the tag's buffer.
    fn normalise(&mut self, scanned: &[u8]) -> Result<(), Refusal> {
        keep(&mut self.pending.value, scanned, &mut self.normalised)?;
        self.pending.value.source = Source::Normalised;
        self.phase = Phase::Normalise;
        Ok(())
    }
}

fn keep(span: &mut Span, scanned: &[u8], kept: &mut Growing) -> Result<(), Refusal> {
    if span.source == Source::Scanned {
        let start = kept.len();
        kept.extend_from_slice(&scanned[span.start as usize..span.end as usize])?;
        *span = Span::new(Source::Kept, start, kept.len());
    }
    Ok(())
}

impl<S: Sink> Scanner<'_, S> {
    /// Goes on with the start tag, whatever its phase.
    pub fn start_tag(&mut self) -> Result<(), Halt> {
        self.within_token(Self::tag_to)
    }

    fn tag_to(&mut self, end: usize) -> Result<(), Halt> {
        let text = &self.text[..end];
        let mut phase = self.core.tag.phase;
        let mut at = self.at;
        if phase == Phase::Name {
            let (start, stop) = self.name(text, at + 1)?;
            at = stop;
            let prefix = self.prefix_len(start, stop)?;
            let id = self.core.known.learn(&text[start..stop], Role::Element);
            let tag = &mut self.core.tag;
            tag.id = id;
            tag.name = Span::new(Source::Scanned, start, stop);
            tag.prefix = prefix;
            tag.namespace = Namespaces::NONE;
            tag.element = self.dtd.and_then(|dtd| dtd.element(&text[start..stop]));
            tag.spaced = false;
            phase = Phase::Space;
            self.pause(phase, at);
        }
        loop {
            if phase == Phase::Space {
                let start = at;
                at = byte_class::skip(text, at, SPACE);
                self.core.tag.spaced |= at > start;
                self.pause(phase, at);
                match text.get(at) {
                    None => return Err(Halt::Starved),
                    Some(b'>') => return self.finish_tag(at + 1, false),
                    Some(b'/') => match text.get(at + 1) {
                        None => return Err(Halt::Starved),
                        Some(b'>') => return self.finish_tag(at + 2, true),
                        Some(_) => return malformed(at, "'/' in a tag belongs before its '>'"),
                    },
                    Some(&byte) => self.begin_attribute(byte, at)?,
                }
                phase = Phase::Attribute;
                self.core.tag.phase = phase;
            }
            if phase == Phase::Attribute {
                let (start, stop) = self.name(text, at)?;
                self.check_duplicate(start, stop)?;
                at = stop;
                let prefix = self.prefix_len(start, stop)?;
                self.core.tag.pending = AttributeSpan {
                    name: Span::new(Source::Scanned, start, stop),
                    id: self.core.known.learn(&text[start..stop], Role::Attribute),
                    prefix,
                    ..NO_ATTRIBUTE
                };
                phase = Phase::Equals;
                self.pause(phase, at);
            }
            if phase == Phase::Equals {
                at = byte_class::skip(text, at, SPACE);
                match text.get(at) {
                    None => return self.starved(at),
                    Some(b'=') => at += 1,
                    Some(_) => {
                        return malformed(at, "'=' belongs between an attribute and its value");
                    }
                }
                phase = Phase::Quote;
                self.pause(phase, at);
            }
            if phase == Phase::Quote {
                at = byte_class::skip(text, at, SPACE);
                match text.get(at) {
                    None => return self.starved(at),
                    Some(&quote @ (b'"' | b'\'')) => self.core.tag.quote = quote,
                    Some(_) => return malformed(at, "the value of an attribute belongs in quotes"),
                }
                at += 1;
                phase = self.begin_value(at);
                self.pause(phase, at);
            }
            if phase == Phase::Value {
                phase = self.plain_value(text, at)?;
                at = self.at;
            }
            if phase == Phase::Normalise {
                self.normalise_value(text)?;
                at = self.at;
            }
            let tag = &mut self.core.tag;
            tag.attributes.push(tag.pending)?;
            tag.spaced = false;
            phase = Phase::Space;
            at += 1;
            self.pause(phase, at);
        }
    }

    /// Scanning can go on from here in another call.
    #[inline(always)]
    fn pause(&mut self, phase: Phase, at: usize) {
        self.core.tag.phase = phase;
        self.at = at;
    }

    #[cold]
    fn starved(&mut self, at: usize) -> Result<(), Halt> {
        self.at = at;
        Err(Halt::Starved)
    }

    fn begin_attribute(&mut self, byte: u8, at: usize) -> Result<(), Halt> {
        if !byte_class::is(byte, START) {
            return malformed(at, "an attribute, '>' or '/>' belongs here");
        }
        if !self.core.tag.spaced {
            return malformed(at, "white space belongs before an attribute");
        }
        let count = self.core.tag.attributes.len() as u64;
        if count >= self.core.limits.max_attributes {
            return exceeded(
                at,
                "max_attributes",
                self.core.limits.max_attributes,
                count + 1,
            );
        }
        self.spend(ATTRIBUTE_COST)
    }

    fn begin_value(&mut self, at: usize) -> Phase {
        let tag = &mut self.core.tag;
        tag.collapse = false;
        if let (Some(dtd), Some(element)) = (self.dtd, tag.element) {
            let sources = Sources([self.text, &tag.normalised, &tag.kept, &[]]);
            tag.collapse = dtd.is_tokenized(element, sources.bytes(&tag.pending.name));
        }
        if tag.collapse {
            let start = tag.normalised.len();
            tag.pending.value = Span::new(Source::Normalised, start, start);
            return Phase::Normalise;
        }
        tag.pending.value = Span::new(Source::Scanned, at, at);
        Phase::Value
    }

    /// Scans a value as long as it is what it says: up to its end, or to what must be normalised.
    #[inline]
    fn plain_value(&mut self, text: &[u8], from: usize) -> Result<Phase, Halt> {
        let quote = self.core.tag.quote;
        let mut at = from;
        let phase = loop {
            while at < text.len() && !byte_class::is(text[at], VALUE) {
                at += 1;
            }
            match text.get(at) {
                Some(&byte) if byte == quote => break Phase::Space,
                Some(b'"' | b'\'') => at += 1,
                None | Some(_) => break Phase::Normalise,
            }
        };
        let start = self.core.tag.pending.value.start as usize;
        let max = self.core.limits.max_attribute_bytes as usize;
        if at - start > max {
            return self.value_too_long(start + max);
        }
        self.core.tag.pending.value.end = at as u32;
        self.at = at;
        if at == text.len() {
            return Err(Halt::Starved);
        }
        if phase == Phase::Normalise {
            self.core.tag.normalise(self.text)?;
        }
        Ok(phase)
    }
}
