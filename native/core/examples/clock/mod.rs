//! The clock of the programs beside it.

/// The CPU time of this process, on the systems where this is measured: Linux and macOS.
pub fn cpu_nanoseconds() -> u128 {
    #[repr(C)]
    struct Timespec {
        seconds: i64,
        nanoseconds: i64,
    }
    unsafe extern "C" {
        fn clock_gettime(clock: i32, time: *mut Timespec) -> i32;
    }
    const PROCESS_CPUTIME: i32 = if cfg!(target_os = "macos") { 12 } else { 2 };
    let mut time = Timespec {
        seconds: 0,
        nanoseconds: 0,
    };
    // SAFETY: the structure is laid out as 64-bit systems have it, and lives through the call.
    unsafe { clock_gettime(PROCESS_CPUTIME, &mut time) };
    time.seconds as u128 * 1_000_000_000 + time.nanoseconds as u128
}
