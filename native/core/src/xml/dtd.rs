//! The declarations of a document type's internal subset.
//!
//! ```text
//! text after '['  ->  SubsetEnd: is the ']' there?  ->  DtdParser::step, step, ...  ->  Dtd
//! ```
//!
//! A [`Dtd`] answers what the rest of a document may ask: what an entity reference stands for, which
//! attributes an element has by default, how an attribute's value is normalised. Nothing outside the
//! text is ever opened. All that it holds is charged to an account, and every limit holds while it is
//! being read.
#![forbid(unsafe_code)]

pub mod amplification;
mod cursor;
mod declare;
mod element;
mod entity;
mod fault;
mod head;
mod index;
pub mod input_stack;
mod misc;
mod parser;
pub mod subset_end;
mod value;

pub use crate::xml::dtd::subset_end::{Found, SubsetEnd};
pub use fault::{Fault, Reason};
pub use head::{Head, head};
pub use parser::{DtdParser, Step};

use crate::arena::account::Account;
use crate::arena::charged_vec::ChargedVec;
use crate::sync::Arc;
use crate::xml::api::limits::Limits;
use index::NameIndex;
use std::ops::Range;

/// The properties of the document that the parser of the subset needs.
#[derive(Clone, Debug)]
pub struct DtdOptions {
    /// Whether names keep to Namespaces in XML 1.0.
    pub namespaces: bool,
    /// Whether the XML declaration says `standalone="yes"`.
    pub standalone: bool,
    /// Whether the document type names an external subset.
    pub external_subset: bool,
    /// Bytes of the document before the subset.
    pub consumed: u64,
}

/// Limits and options together: what every declaration is read by.
#[derive(Clone, Debug)]
struct Rules {
    limits: Limits,
    options: DtdOptions,
}

/// A declared entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntityId(u32);

/// An element for which attributes are declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElementId(u32);

/// A declared attribute that has a default value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DefaultId(u32);

/// The meaning of a reference to a general entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Its [`Dtd::replacement_text`].
    Internal(EntityId),
    /// Text elsewhere, which is not read.
    External,
    /// Data that is no XML: referring to it is an error.
    Unparsed,
    /// Not declared in what was read, but perhaps in what was not.
    Skipped,
    /// Not declared: an error.
    Undeclared,
    /// Declared where a standalone document must not declare it: an error.
    DeclaredInParameterEntity,
}

/// A notation: its name and identifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notation<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// The public identifier, white space normalised.
    pub public: Option<&'a [u8]>,
    /// The system identifier.
    pub system: Option<&'a [u8]>,
}

/// Where a text is kept.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    end: usize,
}

impl Span {
    fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

#[derive(Clone, Copy, Debug)]
enum Content {
    Internal(Span),
    External,
    Unparsed,
}

#[derive(Clone, Copy, Debug)]
struct Entity {
    name: Span,
    content: Content,
    in_parameter_entity: bool,
}

#[derive(Clone, Copy, Debug)]
struct Element {
    name: Span,
    /// The first and last of its attributes with a default value.
    defaults: Option<(u32, u32)>,
}

#[derive(Clone, Copy, Debug)]
struct Attribute {
    element: ElementId,
    name: Span,
    tokenized: bool,
    default: Option<Span>,
    next_default: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
struct NotationSpans {
    name: Span,
    public: Option<Span>,
    system: Option<Span>,
}

/// The declarations that apply to a document.
#[derive(Debug)]
pub struct Dtd {
    standalone: bool,
    /// Whether declarations may exist that were not read: a reference to an undeclared entity is then no error.
    open_ended: bool,
    /// Whether declarations are ignored since a parameter entity was not read.
    ignoring: bool,
    text: ChargedVec<u8>,
    entities: ChargedVec<Entity>,
    general: NameIndex,
    parameter: NameIndex,
    elements: ChargedVec<Element>,
    element_names: NameIndex,
    attributes: ChargedVec<Attribute>,
    attribute_names: NameIndex,
    notations: ChargedVec<NotationSpans>,
    notation_names: NameIndex,
}

impl Dtd {
    /// The declarations of a document that makes none.
    pub fn empty(account: &Arc<Account>, standalone: bool, external_subset: bool) -> Dtd {
        Dtd {
            standalone,
            open_ended: external_subset,
            ignoring: false,
            text: ChargedVec::new(account),
            entities: ChargedVec::new(account),
            general: NameIndex::new(account),
            parameter: NameIndex::new(account),
            elements: ChargedVec::new(account),
            element_names: NameIndex::new(account),
            attributes: ChargedVec::new(account),
            attribute_names: NameIndex::new(account),
            notations: ChargedVec::new(account),
            notation_names: NameIndex::new(account),
        }
    }

    /// Whether declarations were ignored because they follow a parameter entity that was not read.
    pub fn is_incomplete(&self) -> bool {
        self.ignoring
    }

    /// The meaning of a reference to the general entity `name` in the document. The five predefined
    /// entities are not looked up: they mean the same in every document.
    pub fn entity(&self, name: &[u8]) -> Lookup {
        self.lookup(name, self.standalone || !self.open_ended)
    }

    fn lookup(&self, name: &[u8], must_be_declared: bool) -> Lookup {
        match self.find_entity(&self.general, name) {
            None if must_be_declared => Lookup::Undeclared,
            None => Lookup::Skipped,
            Some(id) => match self.entities[id as usize] {
                entity if must_be_declared && entity.in_parameter_entity => {
                    Lookup::DeclaredInParameterEntity
                }
                Entity {
                    content: Content::Internal(_),
                    ..
                } => Lookup::Internal(EntityId(id)),
                Entity {
                    content: Content::External,
                    ..
                } => Lookup::External,
                Entity {
                    content: Content::Unparsed,
                    ..
                } => Lookup::Unparsed,
            },
        }
    }

    fn find_entity(&self, index: &NameIndex, name: &[u8]) -> Option<u32> {
        index.find(name, |id| self.get(self.entities[id as usize].name) == name)
    }

    /// The replacement text of an internal entity.
    pub fn replacement_text(&self, entity: EntityId) -> &[u8] {
        match self.entities[entity.0 as usize].content {
            Content::Internal(text) => self.get(text),
            Content::External | Content::Unparsed => &[],
        }
    }

    /// The name of an entity.
    pub fn entity_name(&self, entity: EntityId) -> &[u8] {
        self.get(self.entities[entity.0 as usize].name)
    }

    /// The element `name`, if attributes are declared for it.
    #[inline]
    pub fn element(&self, name: &[u8]) -> Option<ElementId> {
        self.element_names
            .find(name, |id| self.get(self.elements[id as usize].name) == name)
            .map(ElementId)
    }

    /// Whether the attribute's value consists of tokens: it is then normalised further than others.
    pub fn is_tokenized(&self, element: ElementId, name: &[u8]) -> bool {
        self.find_attribute(element, name)
            .is_some_and(|id| self.attributes[id as usize].tokenized)
    }

    fn find_attribute(&self, element: ElementId, name: &[u8]) -> Option<u32> {
        self.attribute_names.find((element.0, name), |id| {
            let attribute = &self.attributes[id as usize];
            attribute.element == element && self.get(attribute.name) == name
        })
    }

    /// The attributes of an element that have a default value: name and value, references replaced
    /// and white space normalised, in the order of their declarations.
    pub fn defaults(&self, element: ElementId) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut next = self.first_default(element);
        std::iter::from_fn(move || {
            let (name, value, following) = self.default_place(next?);
            next = following;
            Some((&self.text[name], &self.text[value]))
        })
    }

    /// The first of the attributes of an element that have a default value.
    pub(crate) fn first_default(&self, element: ElementId) -> Option<DefaultId> {
        let (first, _last) = self.elements[element.0 as usize].defaults?;
        Some(DefaultId(first))
    }

    /// Where name and value of such an attribute are in [`Dtd::text`], and the one that follows.
    pub(crate) fn default_place(
        &self,
        DefaultId(id): DefaultId,
    ) -> (Range<usize>, Range<usize>, Option<DefaultId>) {
        let attribute = &self.attributes[id as usize];
        let value = attribute.default.map_or(0..0, Span::range);
        let next = attribute.next_default.map(DefaultId);
        (attribute.name.range(), value, next)
    }

    /// All names and values declared, one behind the other.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// The notations, in the order of their declarations.
    pub fn notations(&self) -> impl Iterator<Item = Notation<'_>> {
        self.notations.iter().map(|spans| Notation {
            name: self.get(spans.name),
            public: spans.public.map(|span| self.get(span)),
            system: spans.system.map(|span| self.get(span)),
        })
    }

    #[inline]
    fn get(&self, span: Span) -> &[u8] {
        &self.text[span.start..span.end]
    }
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used)]
mod tests;
