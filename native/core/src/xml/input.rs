//! The bytes that were fed: validated, buffered, and counted in lines.
#![forbid(unsafe_code)]

pub mod buffer;
pub mod line_counter;
pub mod position;
pub mod repairs;
