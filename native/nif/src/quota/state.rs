//! The parts of a [`crate::quota::handle::Quota`]: data and what is computed from it. No file here knows the whole.

pub mod alarm;
pub mod children;
pub mod collections;
pub mod enforcement;
pub mod guard;
pub mod process;
pub mod segment_cache;
pub mod turns;
pub mod vm_limit;
