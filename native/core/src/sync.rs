//! Atomics and `Arc`, which loom replaces in its own test builds (`RUSTFLAGS="--cfg loom"`).

#[cfg(loom)]
pub use loom::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

#[cfg(not(loom))]
pub use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};
