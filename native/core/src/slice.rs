//! When to copy and when to share: which bytes become a binary of their own.
//!
//! ```text
//! bytes       0 .. PLAIN_MAX       a plain binary, which the VM counts by itself
//! PLAIN_MAX+1 .. STEP              one charged binary, copied in one call
//! more                             one charged binary, filled in steps of at most STEP
//! ```

/// A binary of at most this many bytes is made by the VM, which counts its own in the process that holds
/// them. A charged one costs 0.3 us more, mostly for its destructor, which the VM runs as scheduler work:
/// 3 times `:binary.copy/1` at 1 KiB, 1.9 times at 4 KiB, 1.5 times at 16 KiB (`bench/binary.exs`).
pub const PLAIN_MAX: usize = 64 * 1024;

/// Bytes copied in one call at most: some tens of microseconds.
pub const STEP: usize = 256 * 1024;

/// The share of a process's timeslice that copying `bytes` uses up, in percent; 0 is not worth telling.
///
/// A process that copies has to yield, or destructors wait and a loop of large copies was measured to
/// cost 5 times as much. Once per MiB is enough for that; more often costs more.
pub fn timeslice_percent(bytes: usize) -> i32 {
    (bytes.min(STEP) * STEP_PERCENT / STEP) as i32
}

const STEP_PERCENT: usize = 25;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copying_a_mebibyte_uses_up_the_timeslice_and_a_small_copy_nothing() {
        assert_eq!(timeslice_percent(0), 0);
        assert_eq!(timeslice_percent(4 * 1024), 0);
        assert_eq!(timeslice_percent(STEP) as usize * (1 << 20) / STEP, 100);
        assert_eq!(timeslice_percent(usize::MAX), timeslice_percent(STEP));
    }
}
