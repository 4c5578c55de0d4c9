//! Options of a parser.

use crate::xml::api::limits::Limits;

/// Options of one parser.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    pub limits: Limits,
    pub doctype: DoctypePolicy,
    /// Resolve prefixes: names come with the namespace they belong to.
    pub namespaces: bool,
    pub emit: Emit,
    /// The encoding, which overrides the document's declaration.
    pub encoding: Option<String>,
    /// Drop text that is only white space, unless `xml:space` says to keep it. It is held until that is known, up
    /// to [`Limits::max_text_bytes`].
    pub skip_whitespace: bool,
    pub text: TextMode,
    /// Tell the sink where each event begins.
    pub positions: bool,
    /// Tell the sink where each tag begins that it is asked about.
    pub tag_positions: bool,
    /// Give the sink the source text of elements: see [`crate::xml::Sink::raw`].
    pub raw: bool,
    /// Tell the sink where in the original tags and elements end: see [`crate::xml::Sink::end_offset`].
    pub end_offsets: bool,
    pub roots: Roots,
    pub recover: Recover,
    /// Tell the sink of everything that is recovered.
    pub report_recovered: bool,
}

impl Options {
    pub(crate) fn has_many_roots(&self) -> bool {
        self.roots == Roots::Many
    }
}

/// Errors to recover from. In the document type declaration, only characters that stand there as themselves are recovered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recover {
    /// References to entities that are not declared: the names that HTML knows are replaced; others are skipped,
    /// and stay as they are written in values of attributes.
    pub entities: bool,
    /// Characters that no document may contain, by reference or as themselves: each becomes U+FFFD. Two
    /// references to the surrogates of a pair become its character.
    pub characters: bool,
    /// A '&' that begins no reference is the character.
    pub ampersands: bool,
    /// White space and byte order marks before the XML declaration, of at most [`MAX_LEADING`] characters.
    pub leading_whitespace: bool,
}

/// The most characters before an XML declaration.
pub(crate) const MAX_LEADING: usize = 4096;

/// A recovered error, named after the option that allows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovered {
    Entities,
    Characters,
    Ampersands,
    LeadingWhitespace,
}

/// How a document type declaration is treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DoctypePolicy {
    /// The internal subset is read. Nothing outside the document is ever opened.
    #[default]
    Internal,
    /// Any is an error.
    Reject,
}

/// Events that come only when asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Emit {
    /// CDATA sections apart from other text.
    pub cdata: bool,
    pub comments: bool,
    pub processing_instructions: bool,
    pub doctype: bool,
}

/// How text is delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TextMode {
    /// In pieces of at most [`crate::xml::TEXT_PIECE`] bytes.
    #[default]
    Pieces,
    /// As a whole, up to [`Limits::max_text_bytes`].
    Joined,
}

/// How many root elements a document has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Roots {
    #[default]
    One,
    /// Any number, one after another, each of a document of its own: a stream of stanzas.
    Many,
}
