//! Why the scanner stopped.

use crate::arena::account::Refusal;
use crate::xml::api::error::{ErrorKind, ExceededLimit};
use crate::xml::input::position::Position;
use std::borrow::Cow;

/// Why scanning stopped. The scanner has stored everything that it needs to resume there.
#[derive(Debug)]
pub(crate) enum Interrupt {
    /// The text ends before the token does.
    NeedInput,
    /// The sink is full, or the call has used up its credit.
    Full,
    /// Another text is to be scanned (an entity begins or ends), or declarations came into force.
    InputChanged,
    Refused(Refusal),
    Fault(Box<Fault>),
}

impl From<Refusal> for Interrupt {
    fn from(refusal: Refusal) -> Interrupt {
        Interrupt::Refused(refusal)
    }
}

/// An error in the document.
#[derive(Debug)]
pub(crate) struct Fault {
    pub kind: ErrorKind,
    pub reason: Cow<'static, str>,
    /// Index in the text being scanned.
    pub at: usize,
    /// The place, when it is not in that text.
    pub position: Option<Position>,
    pub limit: Option<ExceededLimit>,
}

/// The document is not well-formed at `at`.
#[cold]
pub(crate) fn malformed<T>(
    at: usize,
    reason: impl Into<Cow<'static, str>>,
) -> Result<T, Interrupt> {
    fault(ErrorKind::Malformed, at, reason)
}

#[cold]
pub(crate) fn fault<T>(
    kind: ErrorKind,
    at: usize,
    reason: impl Into<Cow<'static, str>>,
) -> Result<T, Interrupt> {
    Err(Interrupt::Fault(Box::new(Fault {
        kind,
        reason: reason.into(),
        at,
        position: None,
        limit: None,
    })))
}

/// The same at a place that the text being scanned no longer has.
#[cold]
pub(crate) fn malformed_at<T>(
    position: Option<Position>,
    reason: impl Into<Cow<'static, str>>,
) -> Result<T, Interrupt> {
    Err(Interrupt::Fault(Box::new(Fault {
        kind: ErrorKind::Malformed,
        reason: reason.into(),
        at: 0,
        position,
        limit: None,
    })))
}

/// A limit was exceeded at `at`: it allows `value`, and at least `seen` was there.
#[cold]
pub(crate) fn exceeded<T>(
    at: usize,
    name: &'static str,
    value: u64,
    seen: u64,
) -> Result<T, Interrupt> {
    beyond(at, ExceededLimit { name, value, seen })
}

#[cold]
pub(crate) fn beyond<T>(at: usize, limit: ExceededLimit) -> Result<T, Interrupt> {
    Err(Interrupt::Fault(Box::new(Fault {
        kind: ErrorKind::Limit,
        reason: limit_reason(limit.name, limit.value, limit.seen).into(),
        at,
        position: None,
        limit: Some(limit),
    })))
}

/// Bytes of a name that a message shows.
pub(crate) const SHOWN: usize = 64;

/// A name from the document, short enough for a message.
#[cold]
pub(crate) fn shown(name: &[u8]) -> String {
    match name.len() {
        0..=SHOWN => String::from_utf8_lossy(name).into_owned(),
        _ => {
            let end = crate::xml::syntax::utf8::floor(name, SHOWN);
            format!("{}...", String::from_utf8_lossy(&name[..end]))
        }
    }
}

pub(crate) fn limit_reason(name: &str, value: u64, seen: u64) -> String {
    format!("{name} is {value}, and the document has {seen} or more")
}
