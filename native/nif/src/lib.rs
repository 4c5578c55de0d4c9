//! The NIF library: turns the core's results into terms. One file per Elixir module, plus:
//!
//! - `registry`: which account the calling process charges;
//! - `sweeper`: quotas that have begun and are not watched yet;
//! - `tracer`: how a quota learns that the VM killed its process for its heap;
//! - `arena`: binaries whose payload is charged to an account until the last reference goes.

mod arena;
mod binary;
mod guard;
mod pool;
mod quota;
mod registry;
mod sweeper;
mod tracer;
mod xml;

use rustler::{Env, Term};

/// 5 ns for a small allocation; rustler's own allocator, which asks the VM, takes 100 ns.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod atoms {
    rustler::atoms! {
        ok, error, refused,
        large, more, limit, truncated, malformed, forbidden, term,
    }
}

fn load(env: Env, _info: Term) -> bool {
    arena::open_resource_type(env)
}

rustler::init!("Elixir.Bounded.Native", load = load);
