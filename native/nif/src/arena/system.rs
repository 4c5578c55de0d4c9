//! Whether the system has memory for a large binary. The VM ends the node when the system refuses it.
//!
//! Asking takes microseconds, so it is asked for more than is needed now, and not again until that was used up. Where
//! it has no more than is needed, every binary is asked for.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What is asked for beyond a binary's own bytes, where there is that much.
const AHEAD: usize = 64 << 20;

/// What has to be left beside a binary: the VM rounds up, and needs memory of its own.
const BESIDE: usize = 4 << 20;

/// Bytes that the system had when it was last asked, and that no binary was allocated from since.
static LEFT: AtomicUsize = AtomicUsize::new(0);

/// Whether `bytes` can be allocated now. Others allocate at the same time: it is what can be known beforehand.
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
