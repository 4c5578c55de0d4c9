//! Start tags: found in one pass that can stop at any byte.
//!
//! ```text
//! <name   attribute  =  "value"   />
//!  Name Space Attribute Equals Quote Value Space
//! ```
//!
//! Names and plain values stay where they were scanned; a value with references or white space to
//! normalise is written to the tag's own buffer, and so is everything else once its chunk has to go.

use crate::xml::api::attributes::{AttributeSpan, Span, SpanBuffer, SpanBuffers};
use crate::xml::api::sink::Sink;
use crate::xml::names::namespaces::Namespaces;
use crate::xml::names::table::Role;
use crate::xml::scanner::interrupt::{Interrupt, exceeded, malformed};
use crate::xml::scanner::state::tag::{NO_ATTRIBUTE, Phase};
use crate::xml::scanner::{ATTRIBUTE_COST, Scanner};
use crate::xml::syntax::byte_class::{self, SPACE, START, VALUE};

impl<S: Sink> Scanner<'_, S> {
    /// Continues the start tag in its current phase.
    ///
    /// ```text
    /// STag         ::= '<' Name (S Attribute)* S? '>'      (XML 1.0, 3.1)
    /// EmptyElemTag ::= '<' Name (S Attribute)* S? '/>'
    /// Attribute    ::= Name Eq AttValue
    /// Eq           ::= S? '=' S?
    /// ```
    pub fn start_tag(&mut self) -> Result<(), Interrupt> {
        self.within_token(Self::tag_to)
    }

    fn tag_to(&mut self, end: usize) -> Result<(), Interrupt> {
        let text = &self.text[..end];
        let mut phase = self.core.tag.phase;
        let mut at = self.at;
        if phase == Phase::Name {
            let (start, stop) = self.name(text, at + 1)?;
            at = stop;
            let prefix = self.prefix_len(start, stop)?;
            let id = self
                .core
                .name_table
                .learn(&text[start..stop], Role::Element);
            let tag = &mut self.core.tag;
            tag.id = id;
            tag.name = Span::new(SpanBuffer::Scanned, start, stop);
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
                    None => return Err(Interrupt::NeedInput),
                    Some(b'>') => return self.finish_tag(at + 1, false),
                    Some(b'/') => match text.get(at + 1) {
                        None => return Err(Interrupt::NeedInput),
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
                    name: Span::new(SpanBuffer::Scanned, start, stop),
                    id: self
                        .core
                        .name_table
                        .learn(&text[start..stop], Role::Attribute),
                    prefix,
                    ..NO_ATTRIBUTE
                };
                phase = Phase::Equals;
                self.pause(phase, at);
            }
            if phase == Phase::Equals {
                at = byte_class::skip(text, at, SPACE);
                match text.get(at) {
                    None => return self.need_input(at),
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
                    None => return self.need_input(at),
                    Some(&quote @ (b'"' | b'\'')) => self.core.tag.quote = quote,
                    Some(_) => return malformed(at, "the value of an attribute belongs in quotes"),
                }
                at += 1;
                phase = self.begin_value(at);
                self.pause(phase, at);
            }
            if phase == Phase::Value {
                phase = self.literal_value(text, at)?;
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

    /// Stores the state, so that another call can continue from here.
    #[inline(always)]
    fn pause(&mut self, phase: Phase, at: usize) {
        self.core.tag.phase = phase;
        self.at = at;
    }

    #[cold]
    fn need_input(&mut self, at: usize) -> Result<(), Interrupt> {
        self.at = at;
        Err(Interrupt::NeedInput)
    }

    fn begin_attribute(&mut self, byte: u8, at: usize) -> Result<(), Interrupt> {
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
            let sources = SpanBuffers([self.text, &tag.normalised, &tag.kept, &[]]);
            tag.collapse = dtd.is_tokenized(element, sources.bytes(&tag.pending.name));
        }
        if tag.collapse {
            let start = tag.normalised.len();
            tag.pending.value = Span::new(SpanBuffer::Normalised, start, start);
            return Phase::Normalise;
        }
        tag.pending.value = Span::new(SpanBuffer::Scanned, at, at);
        Phase::Value
    }

    /// Scans a value up to its end, or up to the first character that must be normalised.
    #[inline]
    fn literal_value(&mut self, text: &[u8], from: usize) -> Result<Phase, Interrupt> {
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
            return Err(Interrupt::NeedInput);
        }
        if phase == Phase::Normalise {
            self.core.tag.normalise(self.text)?;
        }
        Ok(phase)
    }
}
