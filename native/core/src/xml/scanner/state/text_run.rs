//! A run of text that is not an event yet: the content of its current piece.

use crate::arena::account::Account;
use crate::arena::charged_vec::ChargedVec;
use crate::arena::incremental_buf::IncrementalBuf;
use crate::sync::Arc;
use crate::xml::input::position::Position;

/// Text between two events. Comments and processing instructions that are not emitted do not end it,
/// nor do the borders of entities.
#[derive(Debug)]
pub(crate) struct TextRun {
    /// The current piece. As long as white space is dropped and nothing else came, all of the run: whether it is
    /// white space is known at its end.
    pub text: IncrementalBuf,
    /// Bytes at its front that were emitted: pieces that turned out to be text.
    pub front: usize,
    /// Only white space came so far, all of it written as itself.
    pub only_space: bool,
    /// A piece of the CDATA section being scanned was emitted.
    pub told: bool,
    /// Where the current piece begins, when positions are asked for.
    pub position: Position,
    /// Where those begin that follow it in `text`.
    pub later: ChargedVec<Position>,
}

impl TextRun {
    /// For pieces of at most `most` bytes.
    pub fn new(account: &Arc<Account>, most: usize) -> TextRun {
        TextRun {
            text: IncrementalBuf::new(account, most),
            front: 0,
            only_space: true,
            told: false,
            position: Position::START,
            later: ChargedVec::new(account),
        }
    }

    /// Bytes of it that are not emitted yet.
    #[inline]
    pub fn len(&self) -> usize {
        self.text.len() - self.front
    }

    /// The piece was emitted, or dropped.
    pub fn clear(&mut self) {
        self.text.clear();
        self.later.clear();
        self.front = 0;
    }
}
