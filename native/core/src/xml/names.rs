//! Names: their numbers, namespaces, and the stack of open elements.

pub mod duplicates;
pub mod element_stack;
pub mod hash_stack;
pub mod namespaces;
pub mod table;
