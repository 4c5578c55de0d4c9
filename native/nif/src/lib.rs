//! The NIF library: turns the core's results into terms. One folder or file for each Elixir module:
//!
//! - `arena`: binaries whose payload is charged to an account until the last reference goes;
//! - `quota`: accounts at run time (`handle`), which of them a process charges (`registry`), their guards (`watch`), those
//!   without a guard (`orphan_monitor`), the VM's events (`tracer`), and pools;
//! - `binary`, `xml`: the NIFs of `BoundedBinary` and `BoundedXml`;
//! - `kernel_file`: figures of the kernel's, read without another thread of the VM, or on one of this library;
//! - `timing`, `fault_injection`: how long calls take, and deliberate faults in test builds.

mod arena;
mod binary;
mod fault_injection;
mod kernel_file;
mod quota;
mod timing;
mod xml;

use rustler::{Env, Term};
#[cfg(unix)]
use std::mem::MaybeUninit;

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
    #[cfg(unix)]
    stay_loaded();
    arena::charged_binary::open_resource_type(env)
}

/// Keeps this library loaded when the VM unloads it, after its module was deleted and purged: threads still run the destructors of
/// mimalloc when they end. Without this, that was a segmentation fault.
#[cfg(unix)]
fn stay_loaded() {
    let mut info = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: the address is one of this library, `info` is ours to write, and the name in it is that of a
    // loaded library, whose use is only counted. It is never given back.
    unsafe {
        if libc::dladdr(stay_loaded as *const libc::c_void, info.as_mut_ptr()) != 0 {
            let flags = libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE;
            libc::dlopen(info.assume_init().dli_fname, flags);
        }
    }
}

rustler::init!("Elixir.Bounded.Native", load = load);
