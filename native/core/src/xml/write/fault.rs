//! Why something cannot be written.

use crate::arena::account::Refusal;

/// What kind of rule would be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// A string that is not a name, or a name that is not allowed there.
    Name,
    /// A character that no document may hold, not even by reference.
    Character,
    /// Bytes that are not UTF-8.
    Encoding,
    /// Elements that do not end within each other, or do not end.
    Nesting,
    /// Two attributes of one name, or too many.
    Attribute,
    /// `--` in a comment, or `-` at its end.
    Comment,
    /// `?>` in a processing instruction, or the target `xml`.
    Instruction,
    Declaration,
    Doctype,
    /// No element at the top level, two of them, or text beside it.
    Root,
    Namespace,
    /// A reference to an entity that is not declared.
    Entity,
    /// Text in an element that was indented.
    Indent,
}

/// What cannot be written, and where it would have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub kind: FaultKind,
    pub reason: String,
    /// Such as `/rss/channel[1]/item[3]/@id`: in brackets, the place among the children of the element around it.
    pub path: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// Nothing was written: the same can be tried again.
    Refused(Refusal),
    /// Nothing more can be written.
    Fault(Box<Fault>),
}

impl From<Refusal> for WriteError {
    fn from(refusal: Refusal) -> WriteError {
        WriteError::Refused(refusal)
    }
}

/// A fault whose place is not known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    pub kind: FaultKind,
    pub reason: String,
}

impl Cause {
    #[cold]
    pub fn new(kind: FaultKind, reason: impl Into<String>) -> Cause {
        Cause {
            kind,
            reason: reason.into(),
        }
    }

    /// Of `text`, in which no document may hold what begins at `at`.
    #[cold]
    pub fn character(text: &[u8], at: usize) -> Cause {
        match crate::xml::chars::decode(&text[at.min(text.len())..]) {
            Some((code, _)) => Cause::new(
                FaultKind::Character,
                format!("no XML document may contain the character U+{code:04X}"),
            ),
            None => Cause::encoding(),
        }
    }

    #[cold]
    pub fn encoding() -> Cause {
        Cause::new(FaultKind::Encoding, "the text is not UTF-8")
    }
}

/// Why a step ends early, before its place is known.
#[derive(Debug)]
pub(crate) enum Stop {
    Refused(Refusal),
    Cause(Cause),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Stop {
        Stop::Refused(refusal)
    }
}

impl From<Cause> for Stop {
    fn from(cause: Cause) -> Stop {
        Stop::Cause(cause)
    }
}

/// `text` for a message: whole characters of at most 60 bytes.
pub(crate) fn excerpt(text: &[u8]) -> String {
    const LONGEST: usize = 60;
    let shown = String::from_utf8_lossy(&text[..text.len().min(LONGEST)]);
    let shown = shown.trim_end_matches('\u{FFFD}');
    if text.len() > LONGEST {
        format!("{shown}...")
    } else {
        shown.to_owned()
    }
}
