//! Errors in declarations, with their offsets.

use crate::arena::account::Refusal;
use crate::xml::api::error::ExceededLimit;

/// The first thing wrong with a text, and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Offset in bytes into the text that was read.
    pub offset: usize,
    /// The error.
    pub reason: Reason,
}

/// Why a text was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It breaks a rule of XML, said in one sentence without its full stop.
    Malformed(&'static str),
    /// A reference to a character of this number, or of a larger one, which XML does not allow.
    Forbidden(u32),
    /// It ends before the `]`.
    Truncated,
    /// It is more than a limit allows.
    Limit(ExceededLimit),
    /// The account that pays for the declarations refused.
    Refused(Refusal),
}

impl Reason {
    /// This reason, found at `offset`.
    pub(crate) fn at(self, offset: usize) -> Fault {
        Fault {
            offset,
            reason: self,
        }
    }
}

/// A broken rule found at `offset`.
pub(crate) fn malformed(offset: usize, rule: &'static str) -> Fault {
    Reason::Malformed(rule).at(offset)
}

impl From<Refusal> for Reason {
    fn from(refusal: Refusal) -> Reason {
        Reason::Refused(refusal)
    }
}

impl From<ExceededLimit> for Reason {
    fn from(hit: ExceededLimit) -> Reason {
        Reason::Limit(hit)
    }
}
