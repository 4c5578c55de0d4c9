//! Reports to the scheduler how much of a timeslice each call took.

#[cfg(feature = "measure")]
mod measuring;

#[cfg(feature = "measure")]
pub use measuring::measure;
use rustler::Env;
use rustler::schedule::consume_timeslice;
use std::time::Instant;

/// A timeslice is about a millisecond, counted in hundredths.
const HUNDREDTH_MICROS: u128 = 10;

/// Runs the work of one call and reports to the scheduler how long it took.
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

/// Measures one call in builds with the feature `measure`; here, it does nothing.
#[cfg(not(feature = "measure"))]
#[inline(always)]
pub fn measure() -> impl Sized {}
