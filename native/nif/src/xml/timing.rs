//! How long calls take: for their share of the timeslice, and, when asked for, the longest by CPU time.

use rustler::Env;
use rustler::schedule::consume_timeslice;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A timeslice is about a millisecond, counted in hundredths.
const HUNDREDTH_MICROS: u128 = 10;

static MEASURING: AtomicBool = AtomicBool::new(false);
static LONGEST: AtomicU64 = AtomicU64::new(0);

/// Runs one call's work and tells the scheduler how long it took.
pub fn timed<'env, T>(env: Env<'env>, work: impl FnOnce() -> T) -> T {
    let measured = MEASURING.load(Ordering::Relaxed).then(thread_cpu);
    let started = Instant::now();
    let result = work();
    let hundredths = started.elapsed().as_micros() / HUNDREDTH_MICROS;
    if hundredths > 0 {
        consume_timeslice(env, hundredths.min(100) as i32);
    }
    if let Some(before) = measured {
        let took = thread_cpu().saturating_sub(before);
        LONGEST.fetch_max(took.as_nanos() as u64, Ordering::Relaxed);
    }
    result
}

/// From now on every call is measured, which costs it some hundred nanoseconds. Gives the longest one
/// since the call before, in nanoseconds of its thread's CPU time.
#[rustler::nif]
fn xml_longest_call() -> u64 {
    MEASURING.store(true, Ordering::Relaxed);
    LONGEST.swap(0, Ordering::Relaxed)
}

#[cfg(unix)]
pub fn thread_cpu() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the clock exists on every Unix we build for, and `time` is ours to write.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(not(unix))]
pub fn thread_cpu() -> Duration {
    use std::sync::LazyLock;
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}
