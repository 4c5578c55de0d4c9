//! NIFs of `Quota`: accounts at run time, who watches them, and pools.

pub mod alarm;
pub mod children;
pub mod handle;
pub mod log_turns;
pub mod orphan_monitor;
pub mod pool;
pub mod registry;
pub mod segment_cache;
pub mod tracer;
pub mod watch;
