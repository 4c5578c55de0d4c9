//! Collections of one process, as far as it is traced, and what was read of it since the last one.
//!
//! A process gives memory back only when it is collected or ends. So a figure that was read after its last collection is what it holds at
//! least, whenever that is asked, and figures of several processes that are all of this kind may be added up.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// The collections of one process.
#[derive(Default)]
pub struct Collections {
    ended: AtomicU64,
    /// The number that had ended before the reading that was reported last.
    read: Mutex<u64>,
}

impl Collections {
    /// One has ended.
    pub fn end(&self) {
        self.ended.fetch_add(1, Ordering::AcqRel);
    }

    /// The number that have ended. To be asked before a reading.
    pub fn ended(&self) -> u64 {
        self.ended.load(Ordering::Acquire)
    }

    /// Reports a reading before which `ended` collections had ended, unless a later one was reported.
    pub fn report(&self, ended: u64, report: impl FnOnce()) {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if ended >= *read {
            *read = ended;
            report();
        }
    }

    /// Whether one has ended since the reading that was reported last.
    pub fn is_newer(&self) -> bool {
        self.ended() != self.reading(|| ()).0
    }

    /// The number that had ended before the reading that was reported last, and what `figure` gives of that reading.
    pub fn reading<T>(&self, figure: impl FnOnce() -> T) -> (u64, T) {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        (*read, figure())
    }
}
