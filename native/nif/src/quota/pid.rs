//! Process identifiers as numbers, which atomics and maps can hold.

use rustler::sys::ErlNifPid;

/// The number of a process. A local pid is an immediate term: equal pids are equal words.
pub fn key(pid: ErlNifPid) -> usize {
    // SAFETY: `ErlNifPid` is `repr(C)` around one term, which is one word of plain data.
    unsafe { std::mem::transmute::<ErlNifPid, usize>(pid) }
}

/// Where the process with this number belongs among `places`, a power of two. The low bits of a pid are its tag.
pub fn place(key: usize, places: usize) -> usize {
    key >> 4 & (places - 1)
}

/// The process that has this number.
pub fn pid(key: usize) -> ErlNifPid {
    // SAFETY: as above; `key` came from a pid.
    unsafe { std::mem::transmute::<usize, ErlNifPid>(key) }
}
