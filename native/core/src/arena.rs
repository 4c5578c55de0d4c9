//! The arena: accounts, the buffers that are charged to them, and the pools that admit them.
#![forbid(unsafe_code)]

pub mod account;
pub mod charged_vec;
pub mod chunked_buf;
pub mod chunked_stack;
pub mod incremental_buf;
pub mod orphan_watch;
pub mod pool;
