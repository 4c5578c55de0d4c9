//! What a parser tells, and to whom.

use crate::xml::api::attributes::Attributes;
use crate::xml::api::options::Recovered;
use crate::xml::input::position::Position;
use crate::xml::names::table::NameId;

/// What a sink did with an event.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It has it.
    Taken,
    /// Not yet: `run` returns [`crate::xml::Status::Full`], and the next `run` tells the same event again,
    /// unchanged and without scanning it again. Large values are copied across several calls this way.
    Again,
}

/// What a sink wants to be told of an element. Whatever it is not told is checked all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Its tags and all that is in it.
    All,
    /// Of the elements in it what it wants of each, in this context. Nothing else.
    Within(u64),
    /// Neither its tags nor anything in it.
    Nothing,
}

/// Receives the events of a document, in document order.
///
/// Everything borrowed is valid during the call only.
pub trait Sink {
    /// Whether it may want less than everything: only then it is asked for its interest.
    const SELECTS: bool = false;

    /// Where the next event begins. Called before each event, and only with `Options::positions`.
    fn position(&mut self, _position: Position) {}

    /// What it wants to be told of an element of this name. The context is what it answered about the element
    /// around it, 0 for root elements: in the same one, of the same name, it always wants the same. Asked before
    /// the start tag is told, perhaps more than once, or not again where it was asked before.
    fn interest(&mut self, _name: &Name<'_>, _context: u64) -> Interest {
        Interest::All
    }

    fn start_document(&mut self, prolog: &Prolog<'_>) -> Flow;

    /// A start tag. An empty-element tag is a start and an end.
    fn start_element(&mut self, name: Name<'_>, attributes: &Attributes<'_>) -> Flow;

    fn end_element(&mut self, name: Name<'_>) -> Flow;

    /// Text, never empty: at most [`crate::xml::TEXT_PIECE`] bytes unless texts are joined.
    fn characters(&mut self, text: &str) -> Flow;

    /// A CDATA section, in pieces unless texts are joined; an empty section is one empty piece.
    fn cdata(&mut self, _text: &str) -> Flow {
        Flow::Taken
    }

    fn comment(&mut self, _text: &str) -> Flow {
        Flow::Taken
    }

    fn processing_instruction(&mut self, _target: &str, _data: &str) -> Flow {
        Flow::Taken
    }

    fn doctype(&mut self, _doctype: &Doctype<'_>) -> Flow {
        Flow::Taken
    }

    /// A reference in content whose replacement text is not in the document.
    fn skipped_entity(&mut self, _name: &str) -> Flow {
        Flow::Taken
    }

    /// Something that XML does not allow was let through: what was written, and in which line and column, from
    /// 1. Told with `Options::report_recovered` only, and when the sink is not full.
    fn recovered(&mut self, _what: Recovered, _written: &str, _place: (u64, u64)) {}

    fn end_document(&mut self) -> Flow;

    /// Asked between events: true makes `run` return [`crate::xml::Status::Full`]. A few more events may
    /// follow one that filled the sink: at most the end of an empty element.
    fn is_full(&self) -> bool {
        false
    }
}

/// The XML declaration, as far as there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prolog<'a> {
    pub version: Option<&'a str>,
    pub encoding: Option<&'a str>,
    pub standalone: Option<bool>,
}

/// The document type declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doctype<'a> {
    pub name: &'a str,
    pub public_id: Option<&'a str>,
    pub system_id: Option<&'a str>,
    /// What stands between the brackets, as written.
    pub internal_subset: Option<&'a str>,
}

/// A name of an element or an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'a> {
    /// As written, prefix and all.
    pub qualified: &'a str,
    /// Without its prefix; the same as `qualified` unless namespaces are on.
    pub local: &'a str,
    /// The number of `qualified`, unless the document has too many names.
    pub id: Option<NameId>,
    /// The namespace it is in; always `None` unless namespaces are on.
    pub namespace: Option<Namespace<'a>>,
}

impl<'a> Name<'a> {
    /// One of a document that is read without namespaces.
    #[inline(always)]
    pub(crate) fn plain(qualified: &'a str, id: NameId) -> Name<'a> {
        Name {
            qualified,
            local: qualified,
            id: Some(id),
            namespace: None,
        }
    }
}

/// A namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Namespace<'a> {
    /// Names with the same id are in the same namespace, for as long as the parser lives. The converse
    /// need not hold: an id that went out of scope may be given anew under another number.
    pub id: u32,
    pub uri: &'a str,
}

/// An attribute, its value normalised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    pub name: Name<'a>,
    pub value: &'a str,
}
