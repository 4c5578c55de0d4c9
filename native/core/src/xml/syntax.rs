//! The grammar below tokens: characters, names, references, and the bytes that make them up.

pub(crate) mod byte_class;
pub mod chars;
pub(crate) mod line_table;
pub mod names;
pub(crate) mod reference;
pub(crate) mod utf8;
