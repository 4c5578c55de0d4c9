//! NIFs of `Quota`.
//!
//! - `handle`: a quota at run time, with its parts in `state`; `lifecycle`: processes that begin and cease to charge it;
//! - `registry`: which account a process charges;
//! - `account`, `watch`, `children`, `orphan_monitor`, `tracer`, `watchers`, `pool`, `log_turns`: the NIFs.

pub mod account;
pub mod children;
pub mod handle;
pub mod lifecycle;
pub mod log_turns;
pub mod orphan_monitor;
pub mod pid;
pub mod pool;
pub mod registry;
pub mod state;
pub mod tracer;
pub mod usage;
pub mod watch;
pub mod watchers;
