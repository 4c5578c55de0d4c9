//! The part of Bounded that knows nothing of the BEAM: accounts of memory, the XML scanner, slicing, a thread that reads usage.
//!
//! Everything here is plain Rust, so that `cargo test`, Miri, loom and the fuzzers can run it. The
//! crate `bounded_nif` turns it into terms.

#![deny(unsafe_code)]

pub mod arena;
pub mod external_term;
pub mod slice;
mod sync;
pub mod usage_watch;
pub mod xml;
