//! A run of text that is not yet told: what has come of its current piece.

use crate::arena::account::Account;
use crate::arena::incremental_buf::Growing;
use crate::sync::Arc;
use crate::xml::input::position::Position;

/// Text between two events. Comments and processing instructions that nobody asked for do not end it,
/// nor do the borders of entities.
#[derive(Debug)]
pub(crate) struct Run {
    /// The current piece.
    pub text: Growing,
    /// Only white space came so far, all of it written as itself.
    pub only_space: bool,
    /// A piece of the CDATA section being scanned was told.
    pub told: bool,
    /// Where the current piece begins, when positions are asked for.
    pub position: Position,
}

impl Run {
    /// For pieces of at most `most` bytes.
    pub fn new(account: &Arc<Account>, most: usize) -> Run {
        Run {
            text: Growing::new(account, most),
            only_space: true,
            told: false,
            position: Position::START,
        }
    }
}
