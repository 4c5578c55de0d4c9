//! The start tag being scanned: its attributes, and the buffers that hold their values.

use crate::arena::account::{Account, Refusal};
use crate::arena::charged_vec::ChargedVec;
use crate::arena::incremental_buf::IncrementalBuf;
use crate::sync::Arc;
use crate::xml::api::attributes::{AttributeSpan, Span, SpanBuffer, SpanBuffers};
use crate::xml::dtd::{DefaultId, Dtd, ElementId};
use crate::xml::names::duplicates::{Duplicates, ExpandedDuplicates};
use crate::xml::names::namespaces::Namespaces;
use crate::xml::names::table::NameId;

/// How far a tag that was scanned has come. Each stage may take several calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    Scanned,
    /// Adding what the document type declares for its element, from this declaration on.
    Defaults(Option<DefaultId>),
    /// Declaring namespaces, from this attribute on.
    Declarations(usize),
    /// Finding what prefixes stand for, from this attribute on.
    Prefixes(usize),
    /// Looking for two attributes that come to the same name, from this one on.
    Duplicates(usize),
    /// Only its event is left to do.
    Complete,
}

/// The next part of a tag, in the order of the text, so that scanning can resume anywhere.
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
    /// The buffer of [`SpanBuffer::Normalised`].
    pub normalised: IncrementalBuf,
    /// The buffer of [`SpanBuffer::Kept`].
    pub kept: IncrementalBuf,
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
    /// The progress of finishing the tag once it was scanned.
    pub stage: Stage,
    pub duplicates: Duplicates,
    /// The same for names with their namespaces.
    pub expanded: ExpandedDuplicates,
}

pub(crate) const NO_ATTRIBUTE: AttributeSpan = AttributeSpan {
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
            normalised: IncrementalBuf::new(account, most),
            kept: IncrementalBuf::new(account, most),
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
            expanded: ExpandedDuplicates::new(account),
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

    /// Copies the spans that still lie in the text being scanned, which is about to be discarded.
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
            .rposition(|attribute| attribute.name.source == SpanBuffer::Kept)
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
    pub fn normalise(&mut self, scanned: &[u8]) -> Result<(), Refusal> {
        keep(&mut self.pending.value, scanned, &mut self.normalised)?;
        self.pending.value.source = SpanBuffer::Normalised;
        self.phase = Phase::Normalise;
        Ok(())
    }

    /// The buffers that its spans refer to.
    #[inline]
    pub fn sources<'a>(&'a self, scanned: &'a [u8], dtd: Option<&'a Dtd>) -> SpanBuffers<'a> {
        let declared = dtd.map_or(&[][..], |dtd| dtd.text());
        SpanBuffers([scanned, &self.normalised, &self.kept, declared])
    }

    /// Whether it has an attribute of this name.
    #[inline]
    /// `None` when the `credit` does not suffice to know.
    pub fn has(
        &mut self,
        name: &[u8],
        scanned: &[u8],
        dtd: Option<&Dtd>,
        credit: &mut usize,
    ) -> Result<Option<bool>, Refusal> {
        let declared = dtd.map_or(&[][..], |dtd| dtd.text());
        let sources = SpanBuffers([scanned, &self.normalised, &self.kept, declared]);
        let attributes = &self.attributes;
        self.duplicates.contains(name, attributes, sources, credit)
    }
}

fn keep(span: &mut Span, scanned: &[u8], kept: &mut IncrementalBuf) -> Result<(), Refusal> {
    if span.source == SpanBuffer::Scanned {
        let start = kept.len();
        kept.extend_from_slice(&scanned[span.start as usize..span.end as usize])?;
        *span = Span::new(SpanBuffer::Kept, start, kept.len());
    }
    Ok(())
}
