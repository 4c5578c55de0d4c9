//! What one call makes: a bounded number of terms, turned into a list at its end.

use crate::xml::large::Wait;
use crate::xml::terms::{RawTerm, Terms};
use bounded_core::arena::account::Refusal;
use std::mem::MaybeUninit;

/// Events, attributes, and the parts of records of one call.
const MAX_WORK: usize = 3072;

/// As many bytes of strings are copied in the time that one of them takes.
const WORK_BYTES: usize = 128;

/// The events of one call, on the stack: nothing to allocate, nothing to charge.
pub struct Batch {
    events: [MaybeUninit<RawTerm>; MAX_WORK],
    len: usize,
    /// What the call may still do, in bytes copied.
    ///
    /// One counter: two of them that lie side by side, the compiler would add up together, and load
    /// together what was just stored apart, for which the processor waits.
    room: usize,
    refusal: Option<Refusal>,
}

impl Batch {
    #[inline(always)]
    pub fn new() -> Batch {
        Batch {
            events: [const { MaybeUninit::uninit() }; MAX_WORK],
            len: 0,
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
        if let Some(slot) = self.events.get_mut(self.len) {
            slot.write(event);
            self.len += 1;
        }
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
        self.len == 0
    }

    pub fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    pub fn list(&self, terms: &Terms) -> RawTerm {
        // SAFETY: the first `len` slots are written, and `MaybeUninit` has the layout of what it holds.
        let events = unsafe { self.events[..self.len].assume_init_ref() };
        terms.list(events)
    }
}
