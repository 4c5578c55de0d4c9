//! How long the calls of this module take, when asked for.

use crate::xml::timing::thread_cpu;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

static MEASURING: AtomicBool = AtomicBool::new(false);
static LONGEST: AtomicU64 = AtomicU64::new(0);

/// One call, from where it is made to where it goes out of scope.
pub struct Measured(Option<Duration>);

pub fn measure() -> Measured {
    Measured(MEASURING.load(Ordering::Relaxed).then(thread_cpu))
}

impl Drop for Measured {
    fn drop(&mut self) {
        if let Some(before) = self.0 {
            let took = thread_cpu().saturating_sub(before);
            LONGEST.fetch_max(took.as_nanos() as u64, Ordering::Relaxed);
        }
    }
}

/// From now on every call is measured, which costs it some hundred nanoseconds, or none is any more. Gives the
/// longest one since the call before, in nanoseconds of its thread's CPU time.
#[rustler::nif]
fn binary_longest_call(measuring: bool) -> u64 {
    MEASURING.store(measuring, Ordering::Relaxed);
    LONGEST.swap(0, Ordering::Relaxed)
}
