//! How long calls take: for their share of the timeslice, and, when asked for, by CPU time.

use rustler::Env;
use rustler::schedule::consume_timeslice;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A timeslice is about a millisecond, counted in hundredths.
const HUNDREDTH_MICROS: u128 = 10;

static MEASURING: AtomicBool = AtomicBool::new(false);
static MEASURED: Mutex<Measured> = Mutex::new(Measured::nothing(u64::MAX));

/// So many long calls are kept; those that follow only count.
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

/// Runs one call's work and tells the scheduler how long it took.
pub fn timed<'env, T>(env: Env<'env>, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = {
        let _measuring = measure();
        work()
    };
    let hundredths = started.elapsed().as_micros() / HUNDREDTH_MICROS;
    if hundredths > 0 {
        consume_timeslice(env, hundredths.min(100) as i32);
    }
    result
}

/// Measures one call, from here to where this goes out of scope, when that was asked for.
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

/// From now on every call is measured, which costs it some hundred nanoseconds. Gives what came since
/// the call before, in nanoseconds of the threads' CPU time: `{calls, longest, [{number, time}]}`, the
/// list of the first 1,024 calls that took at least that call's `threshold`.
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
