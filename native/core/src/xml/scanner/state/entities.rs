//! The entities being expanded.

use crate::arena::account::Account;
use crate::arena::charged_vec::ChargedVec;
use crate::sync::Arc;
use crate::xml::dtd::EntityId;
use crate::xml::input::position::Position;

/// An entity whose text is being scanned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenEntity {
    pub entity: EntityId,
    /// The offset of the next byte in the entity's text.
    pub at: usize,
    /// The number of elements that were open before it, which it must not close.
    pub floor: usize,
}

#[derive(Debug)]
pub(crate) struct Entities {
    pub open: ChargedVec<OpenEntity>,
    /// Where the outermost reference being expanded is.
    pub position: Position,
}

impl Entities {
    pub fn new(account: &Arc<Account>) -> Entities {
        Entities {
            open: ChargedVec::new(account),
            position: Position::START,
        }
    }

    /// Elements that were open before the innermost entity: it must not close them.
    #[inline]
    pub fn floor(&self) -> usize {
        self.open.last().map_or(0, |entity| entity.floor)
    }
}
