//! The terms that the guard enforces on a quota, and its findings so far.

use bounded_core::arena::account::{BatchPoll, PollLoad};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The terms that the guard enforces.
#[derive(Clone, Copy)]
pub struct Terms {
    /// Bytes. Where this limit is only observed, that of the account is larger.
    pub limit: u64,
    /// Bytes: usage above them causes one collection and one event. `u64::MAX` for none.
    pub soft_limit: u64,
    /// Maximum length of the process's message queue.
    pub max_queue: u64,
}

/// The terms of one quota, and the guard's findings.
#[derive(Default)]
pub struct Enforcement {
    /// Without terms the guard enforces the account's limit.
    terms: OnceLock<Terms>,
    /// The stack of the process when it was last near or over its limit, in the external term format.
    stack: Mutex<Vec<u8>>,
    /// The intervals at which all processes that count towards the quota are polled in one go.
    batch_poll: Mutex<Option<BatchPoll>>,
    /// Another tracer is attached to the process: no event will say why it dies.
    untraced: AtomicBool,
    /// At the guard's last poll, usage was above the limit.
    seen_over: AtomicBool,
    /// The event of the breach has been sent.
    reported: AtomicBool,
    /// Usage has passed the soft limit, and has not fallen below half of it since.
    softly_over: AtomicBool,
}

impl Enforcement {
    /// Sets the terms, once, before the work begins.
    pub fn set_terms(&self, terms: Terms) {
        let _ = self.terms.set(terms);
    }

    /// The terms, if any were set.
    pub fn terms(&self) -> Option<Terms> {
        self.terms.get().copied()
    }

    /// Replaces the stack, which is in the external term format.
    pub fn set_stack(&self, stack: &[u8]) {
        *self.stack.lock().unwrap_or_else(PoisonError::into_inner) = stack.to_vec();
    }

    /// Calls `work` with the stack, which is in the external term format.
    pub fn with_stack<T>(&self, work: impl FnOnce(&[u8]) -> T) -> T {
        work(&self.stack.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Calls `work` with the batch polls of this quota, which began at `begun_us` and count in `load` from now on.
    pub fn with_batch_poll<T>(
        &self,
        load: &'static PollLoad,
        begun_us: u64,
        work: impl FnOnce(&mut BatchPoll) -> T,
    ) -> T {
        let mut batch_poll = self
            .batch_poll
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        work(batch_poll.get_or_insert_with(|| BatchPoll::new(load, begun_us)))
    }

    /// The quota has ended: its batch polls count in no load any more.
    pub fn end(&self) {
        *self
            .batch_poll
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// No event will say why the process dies.
    pub fn set_untraced(&self) {
        self.untraced.store(true, Ordering::Release);
    }

    /// Records whether usage is above the limit now.
    pub fn set_over(&self, over: bool) {
        self.seen_over.store(over, Ordering::Release);
    }

    /// Whether the process may have been killed for its memory although no event said so.
    pub fn is_cause_unknown(&self) -> bool {
        self.untraced.load(Ordering::Acquire) && self.seen_over.load(Ordering::Acquire)
    }

    /// Records that the event of the breach is sent; returns whether it was not sent before.
    pub fn report(&self) -> bool {
        !self.reported.swap(true, Ordering::AcqRel)
    }

    /// Whether `total` has just passed the soft limit. Once it has fallen below half of that, it can pass it again.
    pub fn passes_softly(&self, total: u64, soft_limit: u64) -> bool {
        if total > soft_limit {
            return !self.softly_over.swap(true, Ordering::AcqRel);
        }
        if total < soft_limit / 2 {
            self.softly_over.store(false, Ordering::Release);
        }
        false
    }
}
