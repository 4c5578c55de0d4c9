//! The largest figure seen of each kind: which of them a limit has to allow for.

use crate::arena::account::usage::Usage;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug)]
pub struct Peaks {
    heap: AtomicU64,
    binaries: AtomicU64,
    native: AtomicU64,
    ets: AtomicU64,
}

impl Peaks {
    pub fn new() -> Peaks {
        Peaks {
            heap: AtomicU64::new(0),
            binaries: AtomicU64::new(0),
            native: AtomicU64::new(0),
            ets: AtomicU64::new(0),
        }
    }

    pub fn note(&self, usage: Usage) {
        for (peak, now) in [
            (&self.heap, usage.heap),
            (&self.binaries, usage.binaries),
            (&self.native, usage.native),
            (&self.ets, usage.ets),
        ] {
            if now > peak.load(Ordering::Relaxed) {
                peak.fetch_max(now, Ordering::AcqRel);
            }
        }
    }

    /// `usage` with the peak of every kind in the place of its figure.
    pub fn of(&self, usage: Usage) -> Usage {
        self.note(usage);
        Usage {
            heap: self.heap.load(Ordering::Acquire),
            binaries: self.binaries.load(Ordering::Acquire),
            native: self.native.load(Ordering::Acquire),
            ets: self.ets.load(Ordering::Acquire),
            ..usage
        }
    }
}
