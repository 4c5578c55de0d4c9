//! What one call makes: a bounded number of terms, turned into a list at its end.

use super::large::Wait;
use super::terms::{RawTerm, Terms};
use bounded_core::quota::Refusal;
use std::mem::MaybeUninit;

/// Events, attributes and steps of the tape of one call.
const MAX_WORK: usize = 1536;

/// Bytes of strings copied in one call.
const MAX_BYTES: usize = 192 * 1024;

/// The events of one call, on the stack: nothing to allocate, nothing to charge.
pub struct Batch {
    events: [MaybeUninit<RawTerm>; MAX_WORK],
    len: usize,
    work: usize,
    bytes: usize,
    paused: bool,
    refusal: Option<Refusal>,
}

impl Batch {
    #[inline]
    pub fn new() -> Batch {
        Batch {
            events: [const { MaybeUninit::uninit() }; MAX_WORK],
            len: 0,
            work: 0,
            bytes: 0,
            paused: false,
            refusal: None,
        }
    }

    /// Whether the call has done its share, or must wait.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.work >= MAX_WORK || self.bytes >= MAX_BYTES || self.paused
    }

    /// Counts work: the event itself, each of its parts, and bytes copied.
    #[inline]
    pub fn count(&mut self, work: usize, bytes: usize) {
        self.work += work;
        self.bytes += bytes;
    }

    /// Adds an event; there is room whenever the batch is not full.
    #[inline]
    pub fn push(&mut self, event: RawTerm) {
        self.work += 1;
        if let Some(slot) = self.events.get_mut(self.len) {
            slot.write(event);
            self.len += 1;
        }
    }

    /// Nothing more in this call.
    #[cold]
    pub fn wait(&mut self, wait: Wait) {
        self.paused = true;
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
