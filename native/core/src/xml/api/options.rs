//! What a parser is asked to do.

use crate::xml::api::limits::Limits;

/// Options of one parser.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    pub limits: Limits,
    pub doctype: DoctypePolicy,
    /// Resolve prefixes: names come with the namespace they belong to.
    pub namespaces: bool,
    pub emit: Emit,
    /// The encoding, whatever the document declares.
    pub encoding: Option<String>,
    /// Drop text that is only white space. A text of more than one piece is judged by the piece: those
    /// before the first other character are dropped.
    pub skip_whitespace: bool,
    pub text: TextMode,
    /// Tell the sink where each event begins.
    pub positions: bool,
    pub roots: Roots,
}

impl Options {
    pub(crate) fn has_many_roots(&self) -> bool {
        self.roots == Roots::Many
    }
}

/// What becomes of a document type declaration.
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
    /// Any number, one after another: a stream of stanzas.
    Many,
}
