//! The ledger: accounts, what is charged to them, and the pools that admit them.

pub mod account;
pub mod charged_vec;
pub mod chunked_buf;
pub mod incremental_buf;
pub mod pool;
