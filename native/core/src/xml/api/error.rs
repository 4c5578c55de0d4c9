//! Why a document was not read to its end.

use crate::arena::account::Refusal;
use crate::xml::input::position::Position;
use std::fmt;

/// The reasons why a parser stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The account refused memory. Nothing was lost: the same call can be made again.
    Refused(Refusal),
    /// The document is at fault. Final: every later call answers the same.
    Document(Box<DocumentError>),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        Error::Refused(refusal)
    }
}

impl From<DocumentError> for Error {
    fn from(error: DocumentError) -> Error {
        Error::Document(Box::new(error))
    }
}

/// Which way a document is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Not well-formed.
    Malformed,
    /// Cut short: the input may be the beginning of a well-formed document.
    Truncated,
    /// Beyond a limit.
    Limit,
    /// Bytes that its encoding does not allow.
    Encoding,
    /// A fault of this library's: it could not get on with the document.
    Internal,
    /// A selected element has not what is required of it.
    Missing,
    /// XML, but of a kind that is not read: an unknown encoding, a DOCTYPE where none is allowed.
    Unsupported,
}

/// An error in a document, and its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentError {
    pub kind: ErrorKind,
    /// One sentence without a full stop.
    pub reason: String,
    pub position: Position,
    /// The limit, when one was exceeded.
    pub limit: Option<ExceededLimit>,
}

/// A limit that a document went beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExceededLimit {
    /// The name of its option: `max_depth`.
    pub name: &'static str,
    pub value: u64,
    /// The value seen when parsing stopped: at least one more than `value`.
    pub seen: u64,
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.reason, self.position)
    }
}

impl std::error::Error for DocumentError {}
