//! The fast path: runs of plain tokens that lie in the buffer whole. Everything else is left to `scanner`.

pub mod asked_tag;
mod leaf;
pub mod reference_end;
pub mod skip;
pub mod skip_attributes;
pub mod skip_loop;
pub mod tokens;
