//! The CPU time of each call, for the tests that hold calls to a millisecond: only in builds with the feature `measure`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

static MEASURING: AtomicBool = AtomicBool::new(false);
static MEASURED: Mutex<Measured> = Mutex::new(Measured::nothing(u64::MAX));

/// The number of long calls that are kept; later ones are only counted.
const KEPT: usize = 1024;

/// The calls since measuring began.
struct Measured {
    /// Nanoseconds from which a call is a long one.
    threshold: u64,
    calls: u64,
    longest: u64,
    /// The number of each long call, and its nanoseconds.
    long: [(u64, u64); KEPT],
    long_calls: usize,
}

impl Measured {
    const fn nothing(threshold: u64) -> Measured {
        Measured {
            threshold,
            calls: 0,
            longest: 0,
            long: [(0, 0); KEPT],
            long_calls: 0,
        }
    }

    fn add(&mut self, nanoseconds: u64) {
        if nanoseconds >= self.threshold {
            if let Some(slot) = self.long.get_mut(self.long_calls) {
                *slot = (self.calls, nanoseconds);
            }
            self.long_calls += 1;
        }
        self.calls += 1;
        self.longest = self.longest.max(nanoseconds);
    }
}

/// Measures one call, from here until the value is dropped, while measuring is on.
pub fn measure() -> Measuring {
    Measuring(MEASURING.load(Ordering::Relaxed).then(thread_cpu))
}

/// A call that is being measured, and the CPU time of its thread before it.
pub struct Measuring(Option<Duration>);

impl Drop for Measuring {
    fn drop(&mut self) {
        if let Some(before) = self.0 {
            let took = thread_cpu().saturating_sub(before);
            let mut measured = MEASURED.lock().unwrap_or_else(PoisonError::into_inner);
            measured.add(took.as_nanos() as u64);
        }
    }
}

/// Turns measuring on, which costs each call some hundred nanoseconds. Returns the calls since the last call of this function,
/// in nanoseconds of the threads' CPU time: `{calls, longest, [{number, time}]}`, where the list has the first 1,024 calls that
/// took at least the `threshold` of that last call.
#[rustler::nif]
fn measured_calls(threshold: u64) -> (u64, u64, Vec<(u64, u64)>) {
    MEASURING.store(true, Ordering::Relaxed);
    let mut measured = MEASURED.lock().unwrap_or_else(PoisonError::into_inner);
    let long = &measured.long[..measured.long_calls.min(KEPT)];
    let result = (measured.calls, measured.longest, long.to_vec());
    *measured = Measured::nothing(threshold);
    result
}

#[cfg(unix)]
fn thread_cpu() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the clock exists on every Unix we build for, and `time` is ours to write.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(not(unix))]
fn thread_cpu() -> Duration {
    use std::sync::LazyLock;
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}
