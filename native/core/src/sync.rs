//! Atomics, `Arc`, `Mutex` and `OnceLock`, which loom replaces in its own test builds (`RUSTFLAGS="--cfg loom"`).

#[cfg(loom)]
pub use loom::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

#[cfg(not(loom))]
pub use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

/// Loom orders sequentially consistent accesses only as acquire and release do, but knows fences. Without loom they are ordered already.
#[inline]
pub fn sequential() {
    #[cfg(loom)]
    loom::sync::atomic::fence(Ordering::SeqCst);
}

/// Loom has none: the standard library's, with the ordering that its documentation guarantees made visible to loom.
#[cfg(loom)]
#[derive(Debug)]
pub struct OnceLock<T> {
    set: AtomicBool,
    cell: std::sync::OnceLock<T>,
}

#[cfg(loom)]
impl<T> OnceLock<T> {
    pub fn new() -> OnceLock<T> {
        OnceLock {
            set: AtomicBool::new(false),
            cell: std::sync::OnceLock::new(),
        }
    }

    pub fn get(&self) -> Option<&T> {
        self.set
            .load(Ordering::Acquire)
            .then(|| self.cell.get())
            .flatten()
    }

    pub fn set(&self, value: T) -> Result<(), T> {
        self.cell.set(value)?;
        self.set.store(true, Ordering::Release);
        Ok(())
    }
}
