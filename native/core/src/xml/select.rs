//! Which elements a selection wants.

pub mod interest_stack;
pub mod selector;
