//! Selections: `plan` is what is asked for, `records` with `tree` make elements into trees, `fields` with `journal` into maps.

pub mod fields;
mod journal;
pub mod plan;
mod record_size;
pub mod records;
pub mod tree;
