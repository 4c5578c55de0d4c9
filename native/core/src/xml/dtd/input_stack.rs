//! Where the parser reads: the subset, or a parameter entity that it refers to.

use crate::arena::account::{Account, Refusal};
use crate::arena::charged_vec::ChargedVec;
use crate::sync::Arc;
use crate::xml::api::error::ExceededLimit;
use crate::xml::dtd::fault::{Fault, Reason, malformed};
use crate::xml::dtd::{Dtd, EntityId};

/// A parameter entity whose replacement text is being read.
#[derive(Clone, Copy, Debug)]
struct OpenEntity {
    entity: EntityId,
    at: usize,
}

/// The texts being read, one within the other.
#[derive(Debug)]
pub(super) struct InputStack {
    /// Place in the subset.
    at: usize,
    open: ChargedVec<OpenEntity>,
    /// Where the reference stands in the subset that the open entities come from.
    reference: usize,
}

impl InputStack {
    pub fn new(account: &Arc<Account>) -> InputStack {
        InputStack {
            at: 0,
            open: ChargedVec::new(account),
            reference: 0,
        }
    }

    /// The innermost text and the place in it.
    pub fn current<'a>(&self, dtd: &'a Dtd, subset: &'a [u8]) -> (&'a [u8], usize) {
        match self.open.last() {
            None => (subset, self.at),
            Some(open) => (dtd.replacement_text(open.entity), open.at),
        }
    }

    pub fn move_to(&mut self, at: usize) {
        match self.open.last_mut() {
            None => self.at = at,
            Some(open) => open.at = at,
        }
    }

    /// Whether it is the subset itself that is read.
    pub fn in_subset(&self) -> bool {
        self.open.is_empty()
    }

    /// The place in the subset: of what is read, or of the reference that led to it.
    pub fn offset(&self) -> usize {
        if self.in_subset() {
            self.at
        } else {
            self.reference
        }
    }

    /// Makes room for another text, so that entering it is not refused.
    pub fn reserve(&mut self) -> Result<(), Refusal> {
        self.open.reserve(1)
    }

    /// Continues with the replacement text of `entity`, referred to at `reference` in the current text.
    pub fn enter(
        &mut self,
        entity: EntityId,
        reference: usize,
        max_entity_depth: u64,
    ) -> Result<(), Fault> {
        if self.open.iter().any(|open| open.entity == entity) {
            return Err(malformed(reference, "a parameter entity refers to itself"));
        }
        let seen = self.open.len() as u64 + 1;
        if seen > max_entity_depth {
            let hit = ExceededLimit {
                name: "max_entity_depth",
                value: max_entity_depth,
                seen,
            };
            return Err(Reason::Limit(hit).at(reference));
        }
        if self.in_subset() {
            self.reference = reference;
        }
        self.open
            .push(OpenEntity { entity, at: 0 })
            .map_err(|refusal| Reason::Refused(refusal).at(reference))
    }

    /// Goes back to the text that referred here; `false` when this is the subset itself.
    pub fn leave(&mut self) -> bool {
        self.open.pop().is_some()
    }
}
