//! Which elements a selection wants.
#![forbid(unsafe_code)]

pub mod interest_stack;
pub mod path;
pub mod selector;
