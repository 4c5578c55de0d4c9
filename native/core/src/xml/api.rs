//! The interface of the parser: options, limits, errors, and the sink that receives events.

pub mod attributes;
pub mod error;
pub mod limits;
pub mod options;
pub mod sink;
