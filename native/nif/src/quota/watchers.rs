//! The modules whose processes watch quotas. Such processes never count towards one.

use crate::timing;
use rustler::Atom;
use std::sync::OnceLock;

static MODULES: OnceLock<Vec<Atom>> = OnceLock::new();

/// Whether the processes that run `module` are watchers. The tracer calls this: it must not wait.
pub fn contains(module: Atom) -> bool {
    MODULES
        .get()
        .is_some_and(|modules| modules.contains(&module))
}

/// Registers the modules of all watchers, before the first quota begins. Only the first call of a node counts.
#[rustler::nif]
fn watchers_register(modules: Vec<Atom>) {
    let _measuring = timing::measure();
    let _ = MODULES.set(modules);
}

/// Whether the processes that run `module` are watchers.
#[rustler::nif]
fn watcher_module(module: Atom) -> bool {
    let _measuring = timing::measure();
    contains(module)
}
