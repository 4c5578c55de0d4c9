//! Whether the system has memory for a large binary. The VM ends the node when the system refuses it.
//!
//! Asking takes microseconds. So this asks for more than is needed now, and asks again once that is used up. If the system
//! has not that much more, it is asked for every binary.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that are asked for beyond a binary's own, if there are that many.
const AHEAD: usize = 64 << 20;

/// Bytes that must remain besides a binary's own: the VM rounds up, and needs memory of its own.
const BESIDE: usize = 4 << 20;

/// The bytes that the system had when it was last asked, less those allocated since.
static LEFT: AtomicUsize = AtomicUsize::new(0);

/// Whether `bytes` can be allocated now. Other threads allocate at the same time, so this is an estimate.
pub fn grants(bytes: usize) -> bool {
    let taken = LEFT.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| {
        left.checked_sub(bytes)
    });
    if taken.is_ok() {
        return true;
    }
    if has(bytes.saturating_add(BESIDE).saturating_add(AHEAD)) {
        LEFT.store(AHEAD, Ordering::Release);
        return true;
    }
    has(bytes.saturating_add(BESIDE))
}

#[cfg(unix)]
fn has(bytes: usize) -> bool {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping, wherever the system likes, which nothing ever refers to.
    unsafe {
        let address = libc::mmap(std::ptr::null_mut(), bytes, access, kind, -1, 0);
        address != libc::MAP_FAILED && libc::munmap(address, bytes) == 0
    }
}

#[cfg(not(unix))]
fn has(_bytes: usize) -> bool {
    true
}
