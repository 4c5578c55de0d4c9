//! The attributes of one tag: spans of the buffers that hold them, nothing copied.
#![allow(unsafe_code)]

use crate::xml::api::sink::{Attribute, Name};
use crate::xml::names::namespaces::Namespaces;
use crate::xml::names::table::NameId;
use crate::xml::syntax::utf8;
use std::cell::Cell;

/// Which buffer a span lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum SpanBuffer {
    /// The text being scanned: the input, or an entity's replacement text.
    Scanned = 0,
    /// Values that were normalised.
    Normalised = 1,
    /// Names and values that had to make room for more input.
    Kept = 2,
    /// The declarations of the document type.
    Declared = 3,
}

/// A place in one of the buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub start: u32,
    pub end: u32,
    pub source: SpanBuffer,
}

impl Span {
    pub const EMPTY: Span = Span {
        start: 0,
        end: 0,
        source: SpanBuffer::Scanned,
    };

    #[inline]
    pub fn new(source: SpanBuffer, start: usize, end: usize) -> Span {
        Span {
            start: start as u32,
            end: end as u32,
            source,
        }
    }

    #[inline]
    pub fn len(&self) -> usize {
        (self.end - self.start) as usize
    }
}

/// One attribute of the tag being scanned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttributeSpan {
    pub name: Span,
    pub value: Span,
    /// The number of the name, if it has one.
    pub id: Option<NameId>,
    /// Bytes of the prefix and its colon.
    pub prefix: u32,
    /// Index of the namespace's URI, [`Namespaces::NONE`] without one.
    pub namespace: u32,
}

/// The buffers that spans refer to, in the order of [`SpanBuffer`].
#[derive(Clone, Copy)]
pub(crate) struct SpanBuffers<'a>(pub [&'a [u8]; 4]);

impl<'a> SpanBuffers<'a> {
    #[inline(always)]
    pub fn bytes(&self, span: &Span) -> &'a [u8] {
        &self.0[span.source as usize][span.start as usize..span.end as usize]
    }
}

/// The attributes of a start tag, in document order, defaulted ones last.
#[derive(Clone, Copy)]
pub struct Attributes<'a> {
    pub(crate) spans: &'a [AttributeSpan],
    pub(crate) sources: SpanBuffers<'a>,
    pub(crate) namespaces: &'a Namespaces,
}

impl<'a> Attributes<'a> {
    #[inline]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Bytes of all names, as they are written, and of all values.
    #[inline(always)]
    pub fn sizes(&self) -> (usize, usize) {
        let (mut names, mut values) = (0, 0);
        for span in self.spans {
            names += span.name.len();
            values += span.value.len();
        }
        (names, values)
    }

    /// The attribute at `index`.
    #[inline(always)]
    pub fn get(&self, index: usize) -> Option<Attribute<'a>> {
        self.spans.get(index).map(|span| self.attribute(span))
    }

    /// The value of the attribute with this name, in this namespace; in none if that is empty.
    #[inline]
    pub fn find(&self, uri: &str, local: &str) -> Option<&'a str> {
        let is_named = |span: &&AttributeSpan| self.is_named(span, uri, local);
        self.spans
            .iter()
            .find(is_named)
            .map(|span| self.value(span))
    }

    /// The same, and faster where the same is looked for again in the same document: `known` is the number of its name then.
    #[inline(always)]
    pub fn find_known(
        &self,
        uri: &str,
        local: &str,
        known: &Cell<Option<NameId>>,
    ) -> Option<&'a str> {
        let Some(id) = known.get() else {
            return self.find_new(uri, local, known);
        };
        let mut all_known = true;
        for span in self.spans {
            if span.id == Some(id) {
                return Some(self.value(span));
            }
            all_known &= span.id.is_some();
        }
        match all_known {
            true => None,
            false => self.find_new(uri, local, known),
        }
    }

    /// Finds it by its name, and notes the number of that.
    #[inline(never)]
    fn find_new(&self, uri: &str, local: &str, known: &Cell<Option<NameId>>) -> Option<&'a str> {
        let is_named = |span: &&AttributeSpan| self.is_named(span, uri, local);
        let span = self.spans.iter().find(is_named)?;
        // Without a prefix, it is in no namespace, and the only name of its kind.
        if span.prefix == 0 && uri.is_empty() && span.id.is_some() {
            known.set(span.id);
        }
        Some(self.value(span))
    }

    #[inline(always)]
    fn is_named(&self, span: &AttributeSpan, uri: &str, local: &str) -> bool {
        let prefix = span.prefix as usize;
        span.name.len() - prefix == local.len()
            && &self.sources.bytes(&span.name)[prefix..] == local.as_bytes()
            && match self.namespaces.get(span.namespace) {
                Some(namespace) => namespace.uri == uri,
                None => uri.is_empty(),
            }
    }

    /// How many namespace declarations are in scope around the tag, those that it declares anew included.
    pub fn inherited_len(&self) -> usize {
        self.namespaces.inherited().0
    }

    /// The bytes of their prefixes and URIs.
    pub fn inherited_bytes(&self) -> usize {
        self.namespaces.inherited().1
    }

    /// One of them as an attribute, if it is in force in the element. The prefix of its name is left out.
    pub fn inherited(&self, index: usize) -> Option<Attribute<'a>> {
        let (prefix, value) = self.namespaces.inherited_at(index)?;
        let local = if prefix.is_empty() { "xmlns" } else { prefix };
        let name = Name {
            qualified: local,
            local,
            id: None,
            namespace: self.namespaces.get(Namespaces::XMLNS),
        };
        Some(Attribute { name, value })
    }

    /// The attributes, from either end.
    #[inline(always)]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Attribute<'a>> {
        let attributes = *self;
        self.spans
            .iter()
            .map(move |span| attributes.attribute(span))
    }

    #[inline(always)]
    fn attribute(&self, span: &AttributeSpan) -> Attribute<'a> {
        Attribute {
            name: self.name(span),
            value: self.value(span),
        }
    }

    #[inline(always)]
    fn name(&self, span: &AttributeSpan) -> Name<'a> {
        // SAFETY: names and values are parts of validated text, cut beside ASCII characters.
        let qualified = unsafe { utf8::text(self.sources.bytes(&span.name)) };
        Name {
            qualified,
            local: &qualified[span.prefix as usize..],
            id: span.id,
            namespace: self.namespaces.get(span.namespace),
        }
    }

    #[inline(always)]
    fn value(&self, span: &AttributeSpan) -> &'a str {
        // SAFETY: names and values are parts of validated text, cut beside ASCII characters.
        unsafe { utf8::text(self.sources.bytes(&span.value)) }
    }
}
