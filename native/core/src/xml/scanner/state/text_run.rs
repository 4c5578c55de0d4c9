//! A run of text that is not yet told: what has come of its current piece.

use crate::arena::account::Account;
use crate::arena::charged_vec::ChargedVec;
use crate::arena::incremental_buf::Growing;
use crate::sync::Arc;
use crate::xml::input::position::Position;

/// Text between two events. Comments and processing instructions that nobody asked for do not end it,
/// nor do the borders of entities.
#[derive(Debug)]
pub(crate) struct Run {
    /// The current piece. As long as white space is dropped and nothing else came, all of the run: whether it is
    /// white space is known at its end.
    pub text: Growing,
    /// Bytes at its front that were told: pieces that turned out to be text.
    pub front: usize,
    /// Only white space came so far, all of it written as itself.
    pub only_space: bool,
    /// A piece of the CDATA section being scanned was told.
    pub told: bool,
    /// Where the current piece begins, when positions are asked for.
    pub position: Position,
    /// Where those begin that follow it in `text`.
    pub later: ChargedVec<Position>,
}

impl Run {
    /// For pieces of at most `most` bytes.
    pub fn new(account: &Arc<Account>, most: usize) -> Run {
        Run {
            text: Growing::new(account, most),
            front: 0,
            only_space: true,
            told: false,
            position: Position::START,
            later: ChargedVec::new(account),
        }
    }

    /// Bytes of it that are not yet told.
    #[inline]
    pub fn len(&self) -> usize {
        self.text.len() - self.front
    }

    /// The piece was told, or dropped.
    pub fn clear(&mut self) {
        self.text.clear();
        self.later.clear();
        self.front = 0;
    }
}
