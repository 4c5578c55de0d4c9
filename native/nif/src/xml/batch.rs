//! The events of one call: a bounded number of terms, which become a list when the call ends.

use crate::xml::large::Wait;
use crate::xml::terms::{RawTerm, Terms};
use arrayvec::ArrayVec;
use bounded_core::arena::account::Refusal;

/// Events, attributes, and the parts of records of one call.
const MAX_WORK: usize = 3072;

/// The number of bytes of strings that are copied in the time of one event.
const WORK_BYTES: usize = 128;

/// The events of one call, on the stack: nothing to allocate, nothing to charge.
pub struct Batch {
    events: ArrayVec<RawTerm, MAX_WORK>,
    /// The work that the call may still do, in bytes copied.
    ///
    /// One counter: with two that lie side by side, the compiler updates both with one wide load right after two narrow stores,
    /// which is a store-forwarding stall.
    room: usize,
    refusal: Option<Refusal>,
}

impl Batch {
    #[inline(always)]
    pub fn new() -> Batch {
        Batch {
            events: ArrayVec::new_const(),
            room: MAX_WORK * WORK_BYTES,
            refusal: None,
        }
    }

    /// Whether the call has done its share, or must wait.
    #[inline(always)]
    pub fn is_full(&self) -> bool {
        self.room == 0
    }

    /// Counts work: the event itself, each of its parts, and bytes copied.
    #[inline(always)]
    pub fn count(&mut self, work: usize, bytes: usize) {
        self.room = self.room.saturating_sub(work * WORK_BYTES + bytes);
    }

    /// Adds an event; there is room whenever the batch is not full.
    #[inline(always)]
    pub fn push(&mut self, event: RawTerm) {
        self.count(1, 0);
        let _ = self.events.try_push(event);
    }

    /// Nothing more in this call.
    #[cold]
    pub fn wait(&mut self, wait: Wait) {
        self.room = 0;
        if let Wait::Refused(refusal) = wait {
            self.refusal = Some(refusal);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    pub fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    pub fn list(&self, terms: &Terms) -> RawTerm {
        terms.list(&self.events)
    }
}
