//! Searches with vectors, each of which finds the same on every processor.

pub(crate) mod byte_search;
mod positions;
pub(crate) mod structural_index;
pub(crate) mod utf8_scan;
