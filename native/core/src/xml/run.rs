//! A run of text that is not yet told: what has come of its current piece.

use super::position::Position;
use crate::charged::ChargedVec;
use crate::quota::Account;
use crate::sync::Arc;

/// Text between two events. Comments and processing instructions that nobody asked for do not end it,
/// nor do the borders of entities.
#[derive(Debug)]
pub(crate) struct Run {
    /// The current piece.
    pub text: ChargedVec<u8>,
    /// Only white space came so far, all of it written as itself.
    pub only_space: bool,
    /// A piece of the CDATA section being scanned was told.
    pub told: bool,
    /// Where the current piece begins, when positions are asked for.
    pub position: Position,
}

impl Run {
    pub fn new(account: &Arc<Account>) -> Run {
        Run {
            text: ChargedVec::new(account),
            only_space: true,
            told: false,
            position: Position::START,
        }
    }
}
