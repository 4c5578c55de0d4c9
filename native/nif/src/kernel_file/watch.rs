//! The thread that reads the usage while the watchdog's process sleeps. `bounded_core::usage_watch` has its loop.
//!
//! It ends when the process that started it dies, when the handle is collected, or when a message cannot be delivered: whatever
//! comes first. It holds neither a term nor an environment while it sleeps, and the library stays mapped (`stay_loaded`), so neither
//! a purge nor an upgrade takes anything from under it.

use super::{KernelFile, PAGE, system};
use crate::atoms::{error, ok};
use crate::{fault_injection, timing};
use bounded_core::usage_watch::{Order, Report, Task, UsageWatch, bytes_in_use};
use rustler::{Encoder, Env, LocalPid, Monitor, OwnedEnv, Resource, ResourceArc, Term};
use std::sync::Arc;
use std::time::Duration;

mod atoms {
    rustler::atoms! { usage_watch, system_limit, noproc }
}

/// The handle of a thread.
pub struct Watch(UsageWatch);

#[rustler::resource_impl]
impl Resource for Watch {
    /// The process that started it has died.
    fn down<'a>(&'a self, _env: Env<'a>, _pid: LocalPid, _monitor: Monitor) {
        self.0.stop();
    }
}

/// Starts a thread that reads `file` and wakes the calling process: `{:ok, watch}` or `{:error, reason}`. It waits for
/// [`usage_watch_order`].
///
/// On a thread for input and output: the system makes a thread.
#[rustler::nif(schedule = "DirtyIo")]
fn usage_watch_start<'a>(env: Env<'a>, file: ResourceArc<KernelFile>) -> Term<'a> {
    let _measuring = timing::measure();
    let process = env.pid();
    let reader = Reader {
        file: file.0.clone(),
        process,
    };
    let Ok(watch) = UsageWatch::start(reader) else {
        return (error(), atoms::system_limit()).encode(env);
    };
    // Dropped, where the process has died meanwhile, which ends the thread.
    let watch = ResourceArc::new(Watch(watch));
    match env.monitor(&watch, &process) {
        Some(_) => (ok(), watch).encode(env),
        None => (error(), atoms::noproc()).encode(env),
    }
}

/// Makes the thread read the usage until one reading of it concerns the process, which is then sent
/// `{:usage_watch, [{at, bytes, late}], lowest}` once. Replaces the order before. Returns whether the thread is there.
///
/// `marks` are bytes, `{lowest, step, line, floor}`; `times` are the microseconds between two readings and the milliseconds after
/// which it sends the message in any case. `now` and `at` are milliseconds of one clock.
#[rustler::nif]
fn usage_watch_order(
    watch: ResourceArc<Watch>,
    now: i64,
    total: u64,
    (lowest, step, line, floor): (u64, u64, u64, u64),
    (pause, longest): (u64, u64),
) -> bool {
    let _measuring = timing::measure();
    watch.0.order(&Order {
        now,
        total,
        lowest,
        step,
        line,
        floor,
        pause: Duration::from_micros(pause),
        longest: Duration::from_millis(longest),
    })
}

/// What the thread has.
struct Reader {
    file: Arc<system::File>,
    process: LocalPid,
}

impl Task for Reader {
    fn begin(&mut self) {
        block_signals();
    }

    fn read(&mut self, total: u64) -> Option<u64> {
        fault_injection::point("usage_watch");
        let mut page = [0; PAGE];
        bytes_in_use(self.file.read(&mut page).ok()?, total)
    }

    fn wake(&mut self, report: &Report) -> bool {
        // Made for this message alone, and given up with it.
        OwnedEnv::new()
            .send_and_clear(&self.process, |env| {
                let readings: Vec<_> = report
                    .readings()
                    .iter()
                    .map(|it| (it.at, it.used, it.late))
                    .collect();
                (atoms::usage_watch(), readings, report.lowest).encode(env)
            })
            .is_ok()
    }
}

/// Signals are for the VM's threads.
#[cfg(unix)]
fn block_signals() {
    let mut all = std::mem::MaybeUninit::uninit();
    // SAFETY: `sigfillset` writes the whole set, which `pthread_sigmask` then reads. It changes the calling thread alone.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), std::ptr::null_mut());
    }
}

#[cfg(not(unix))]
fn block_signals() {}
