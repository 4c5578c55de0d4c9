//! The sink: the interface that receives a parser's events.

use crate::xml::api::attributes::Attributes;
use crate::xml::api::options::Recovered;
use crate::xml::input::position::Position;
use crate::xml::names::table::NameId;

/// The answer of a sink to an event.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The sink has handled the event.
    Accepted,
    /// The sink could not handle the event yet: `run` returns [`crate::xml::Status::Full`], and the next `run` passes the
    /// same event again, unchanged and without scanning it again. Sinks copy large values in several calls this way.
    Retry,
}

/// The events of an element that a sink wants. All other content is validated, then discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Its tags and all that is in it.
    All,
    /// Of the elements in it what it wants of each, in this context. Nothing else.
    Within(u64),
    /// Neither its tags nor anything in it.
    Nothing,
    /// Its tags, and of the elements in it what it wants of each, in this context. As the answer about a name, the sink is asked
    /// again with the attributes: see [`Sink::tag`].
    Tags(u64),
}

/// Receives the events of a document, in document order.
///
/// Everything borrowed is valid during the call only.
pub trait Sink {
    /// Whether the sink may want less than everything: `interest` is called only then.
    const SELECTS: bool = false;

    /// Whether `reference`, `raw` and `end_offset` are called, where the options ask for them.
    const TRACKS_SOURCE: bool = false;

    /// Whether `marks` is called.
    const MARKS: bool = false;

    /// Whether `leaf` is called.
    const LEAVES: bool = false;

    /// Where the next event begins. Called before each event with `Options::positions`, and before each `tag` with
    /// `Options::tag_positions`.
    fn position(&mut self, _position: Position) {}

    /// The interest in an element of this name. The context is the answer about the parent element, 0 for root elements. In the
    /// same context, the answer for the same name must always be the same. Called before `start_element`, perhaps more than
    /// once, or not again where it was called before.
    fn interest(&mut self, _name: &Name<'_>, _context: u64) -> Interest {
        Interest::All
    }

    /// Whether the next tag comes out of an entity, and the reference to that in the document. Called before each `tag` and
    /// `start_element` with `Options::raw`.
    fn reference(&mut self, _reference: Option<&[u8]>) -> Flow {
        Flow::Accepted
    }

    /// Whether the sink takes source text. Asked after each tag and end that was passed to it, with `Options::raw`: an element whose
    /// tag makes this true is taken from the first byte of its start tag on.
    fn takes_raw(&self) -> bool {
        false
    }

    /// The next part of the document's text, in UTF-8, as written but for recovered characters. It may end inside a character.
    /// Before `tag` and `start_element` all text before the tag was passed, before `end_element` all up to the end of the end tag.
    /// Nothing of the texts of entities is in it, but the references to them.
    fn raw(&mut self, _text: &[u8]) -> Flow {
        Flow::Accepted
    }

    /// The offset in bytes of the original behind the tag that is passed next: called before `tag` and `start_element` with
    /// `Options::end_offsets`, and before `end_element` of an element that `tag` was called for. Out of an entity, it is that
    /// behind the reference.
    fn end_offset(&mut self, _offset: u64) {}

    fn start_document(&mut self, prolog: &Prolog<'_>) -> Flow;

    /// A start tag. An empty-element tag is a start and an end.
    fn start_element(&mut self, name: Name<'_>, attributes: &Attributes<'_>) -> Flow;

    /// A start tag whose name was answered with [`Interest::Tags`] of this context. Returns the interest in the element: it is
    /// told that it ends unless this is `Within` or `Nothing`. `None` is [`Flow::Retry`]. `start_element` is not called for it.
    fn tag(
        &mut self,
        name: Name<'_>,
        attributes: &Attributes<'_>,
        _context: u64,
    ) -> Option<Interest> {
        match self.start_element(name, attributes) {
            Flow::Accepted => Some(Interest::All),
            Flow::Retry => None,
        }
    }

    /// An element whose name was answered with [`Interest::Tags`] of this context, and in which there is only this text, perhaps
    /// none, and less than a piece. Returns whether the sink takes it as a whole: no other event is passed for it then. Otherwise
    /// its events follow, as if this had not been called. With [`Sink::LEAVES`], called where it saves time, and never with
    /// `Options::raw`, `Options::end_offsets` or `Options::skip_whitespace`.
    fn leaf(
        &mut self,
        _name: Name<'_>,
        _attributes: &Attributes<'_>,
        _context: u64,
        _text: &str,
    ) -> bool {
        false
    }

    /// Some bits of every context, and what they are from now on, but in that of root elements. With [`Sink::MARKS`], the
    /// scanner asks for them after each `tag`, after each `leaf` that the sink took, and after each end of which it tells the sink.
    fn marks(&self) -> (u64, u64) {
        (0, 0)
    }

    fn end_element(&mut self, name: Name<'_>) -> Flow;

    /// Text, never empty: at most [`crate::xml::TEXT_PIECE`] bytes unless texts are joined.
    fn characters(&mut self, text: &str) -> Flow;

    /// A CDATA section, in pieces unless texts are joined; an empty section is one empty piece.
    fn cdata(&mut self, _text: &str) -> Flow {
        Flow::Accepted
    }

    fn comment(&mut self, _text: &str) -> Flow {
        Flow::Accepted
    }

    fn processing_instruction(&mut self, _target: &str, _data: &str) -> Flow {
        Flow::Accepted
    }

    fn doctype(&mut self, _doctype: &Doctype<'_>) -> Flow {
        Flow::Accepted
    }

    /// A reference in content whose replacement text is not in the document.
    fn skipped_entity(&mut self, _name: &str) -> Flow {
        Flow::Accepted
    }

    /// An error was recovered: its kind, the text as written, and its line and column, from 1. Called with
    /// `Options::report_recovered` only, and when the sink is not full.
    fn recovered(&mut self, _what: Recovered, _written: &str, _place: (u64, u64)) {}

    fn end_document(&mut self) -> Flow;

    /// Asked between events: true makes `run` return [`crate::xml::Status::Full`]. A few more events may
    /// follow one that filled the sink: at most the end of an empty element.
    fn is_full(&self) -> bool {
        false
    }
}

/// Takes events and keeps nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ignore;

impl Sink for Ignore {
    fn start_document(&mut self, _prolog: &Prolog<'_>) -> Flow {
        Flow::Accepted
    }

    fn start_element(&mut self, _name: Name<'_>, _attributes: &Attributes<'_>) -> Flow {
        Flow::Accepted
    }

    fn end_element(&mut self, _name: Name<'_>) -> Flow {
        Flow::Accepted
    }

    fn characters(&mut self, _text: &str) -> Flow {
        Flow::Accepted
    }

    fn end_document(&mut self) -> Flow {
        Flow::Accepted
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
    /// The text between the brackets, as written.
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
    pub(crate) fn without_namespace(qualified: &'a str, id: Option<NameId>) -> Name<'a> {
        Name {
            qualified,
            local: qualified,
            id,
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
