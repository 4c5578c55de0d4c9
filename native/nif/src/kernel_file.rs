//! Files in which the kernel reports memory in use. `Bounded.KernelFile` reads other files by the VM.
//!
//! The VM reads files on a thread of its own, which on a busy machine waited 20 to 70 ms for a processor. Such a file here is opened
//! once, and a read of it is one system call of some microseconds, on the scheduler of the process that reads, or on a thread of this
//! library ([`watch`]).

mod watch;

use crate::atoms::{error, ok};
use crate::timing;
use rustler::{Atom, Binary, Encoder, Env, NewBinary, Resource, ResourceArc, Term};
use std::sync::Arc;

mod atoms {
    rustler::atoms! { enoent, eacces, einval, enotsup, eio }
}

/// Longer paths are refused.
const LONGEST_PATH: usize = 4_095;
/// The kernel fills one page at most for one read.
const PAGE: usize = 4_096;

/// An open file that reports memory in use. A thread that reads it has a reference of its own.
pub struct KernelFile(Arc<system::File>);

#[rustler::resource_impl]
impl Resource for KernelFile {}

/// Opens a file whose reads never wait: `memory.current`, `memory.usage_in_bytes` or `meminfo` on a file system of the kernel's.
/// `{:ok, file}` or `{:error, reason}`, with `enotsup` for every other file.
///
/// On a thread for input and output: the path may lead through a file system that waits.
#[rustler::nif(schedule = "DirtyIo")]
fn kernel_file_open<'a>(env: Env<'a>, path: Binary<'a>) -> Term<'a> {
    let _measuring = timing::measure();
    if path.is_empty() || path.len() > LONGEST_PATH {
        return (error(), atoms::einval()).encode(env);
    }
    match system::open(path.as_slice()) {
        Ok(file) => (ok(), ResourceArc::new(KernelFile(Arc::new(file)))).encode(env),
        Err(reason) => (error(), reason).encode(env),
    }
}

/// The first page of the file as it is now: `{:ok, text}` or `{:error, reason}`, such as when its control group is gone.
#[rustler::nif]
fn kernel_file_read(env: Env, file: ResourceArc<KernelFile>) -> Term {
    let mut page = [0; PAGE];
    let read = timing::timed(env, || file.0.read(&mut page));
    match read {
        Ok(text) => {
            let mut binary = NewBinary::new(env, text.len());
            binary.as_mut_slice().copy_from_slice(text);
            (ok(), Binary::from(binary)).encode(env)
        }
        Err(reason) => (error(), reason).encode(env),
    }
}

#[cfg(target_os = "linux")]
mod system {
    use super::{Atom, atoms};
    use std::ffi::OsStr;
    use std::fs::OpenOptions;
    use std::io::{Error, ErrorKind};
    use std::mem::MaybeUninit;
    use std::os::fd::{AsRawFd, RawFd};
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{FileExt, OpenOptionsExt};
    use std::path::Path;

    /// Reads of other files of these file systems may wait, or change something: `/proc/kmsg`.
    const NAMES: [&str; 3] = ["memory.current", "memory.usage_in_bytes", "meminfo"];
    /// Types of file systems by statfs(2): cgroup, cgroup2, proc and sysfs.
    const FILE_SYSTEMS: [u64; 4] = [0x0027_e0eb, 0x6367_7270, 0x9fa0, 0x6265_6572];

    pub struct File(std::fs::File);

    impl File {
        pub fn read<'a>(&self, page: &'a mut [u8]) -> Result<&'a [u8], Atom> {
            let length = self.0.read_at(page, 0).map_err(reason)?;
            Ok(page.get(..length).unwrap_or_default())
        }
    }

    /// First without access to its content, which has no effect on any kind of file; then again, once it is known to be one of those
    /// above.
    pub fn open(path: &[u8]) -> Result<File, Atom> {
        let path = Path::new(OsStr::from_bytes(path));
        let named = path.file_name().and_then(OsStr::to_str);
        if !named.is_some_and(|name| NAMES.contains(&name)) {
            return Err(atoms::enotsup());
        }
        let mut options = OpenOptions::new();
        let found = options
            .read(true)
            .custom_flags(libc::O_PATH | libc::O_NOFOLLOW)
            .open(path)
            .map_err(reason)?;
        let regular = found.metadata().map_err(reason)?.is_file();
        if !regular || !FILE_SYSTEMS.contains(&file_system(found.as_raw_fd())?) {
            return Err(atoms::enotsup());
        }
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(format!("/proc/self/fd/{}", found.as_raw_fd()))
            .map_err(reason)?;
        Ok(File(file))
    }

    fn file_system(descriptor: RawFd) -> Result<u64, Atom> {
        let mut status = MaybeUninit::<libc::statfs>::zeroed();
        // SAFETY: `status` is ours to write, and of the type that the call writes.
        if unsafe { libc::fstatfs(descriptor, status.as_mut_ptr()) } != 0 {
            return Err(reason(Error::last_os_error()));
        }
        // SAFETY: zeroed is a valid value of this struct of integers, and the call has written to it.
        let status = unsafe { status.assume_init() };
        // Its type is another one on each processor and C library.
        #[allow(clippy::unnecessary_cast)]
        Ok(status.f_type as u64)
    }

    fn reason(error: Error) -> Atom {
        match error.kind() {
            ErrorKind::NotFound => atoms::enoent(),
            ErrorKind::PermissionDenied => atoms::eacces(),
            ErrorKind::InvalidInput => atoms::einval(),
            _ => atoms::eio(),
        }
    }
}

/// Other systems have no such files.
#[cfg(not(target_os = "linux"))]
mod system {
    use super::{Atom, atoms};

    pub enum File {}

    impl File {
        pub fn read<'a>(&self, _page: &'a mut [u8]) -> Result<&'a [u8], Atom> {
            match *self {}
        }
    }

    pub fn open(_path: &[u8]) -> Result<File, Atom> {
        Err(atoms::enotsup())
    }
}
