//! Parsing while watching memory and time.

use bounded_core::arena::account::Account;
use bounded_core::xml::{
    Attributes, DocumentError, Error, Flow, Interest, Name, Options, Parser, Prolog, Sink, Status,
};

/// The time and memory of parsing.
pub struct Measured {
    pub error: Option<DocumentError>,
    /// Bytes that were fed.
    pub bytes: u64,
    /// Most native bytes charged at once.
    pub peak: u64,
    /// Thread CPU time of each call of `run`.
    pub calls_ns: Vec<u64>,
}

impl Measured {
    pub fn longest_call_ns(&self) -> u64 {
        self.calls_ns.iter().copied().max().unwrap_or(0)
    }

    pub fn total_ns(&self) -> u64 {
        self.calls_ns.iter().sum()
    }

    /// The same calls did the same work in `again`: what took longer was the machine.
    pub fn steady(&mut self, again: &Measured) {
        assert_eq!(self.calls_ns.len(), again.calls_ns.len());
        for (time, other) in self.calls_ns.iter_mut().zip(&again.calls_ns) {
            *time = (*time).min(*other);
        }
    }
}

/// Parses a document, event by event as a consumer would: in batches. Of the root element, this is wanted.
pub fn parse<C: AsRef<[u8]>>(
    options: &Options,
    interest: Interest,
    chunks: impl IntoIterator<Item = C>,
) -> Measured {
    let account = Account::child(&Account::root(), 1 << 30);
    let mut parser = Parser::new(options.clone(), &account);
    let mut measured = Measured {
        error: None,
        bytes: 0,
        peak: 0,
        calls_ns: Vec::new(),
    };
    let mut chunks = chunks.into_iter();
    let mut idle = 0;
    loop {
        let mut sink = Counter {
            interest,
            events: 0,
        };
        let start = thread_cpu_ns();
        let status = parser.run(&mut sink);
        measured.calls_ns.push(thread_cpu_ns() - start);
        let fed = match status {
            Ok(Status::Done) => break,
            Ok(Status::Full) => {
                idle = if sink.events == 0 { idle + 1 } else { 0 };
                assert!(
                    idle < PATIENCE,
                    "no progress after {} bytes",
                    measured.bytes
                );
                Ok(())
            }
            Ok(Status::NeedInput) => match chunks.next() {
                None => {
                    parser.finish();
                    Ok(())
                }
                Some(chunk) => {
                    measured.bytes += chunk.as_ref().len() as u64;
                    parser.feed(chunk.as_ref())
                }
            },
            Err(error) => Err(error),
        };
        match fed {
            Ok(()) => {}
            Err(Error::Document(error)) => {
                measured.error = Some(*error);
                break;
            }
            Err(Error::Refused(refusal)) => panic!("refused: {refusal:?}"),
        }
    }
    measured.peak = account.usage().peak;
    measured
}

/// Calls without an event or a wish for more input: more of them in a row than this is a hang. The
/// longest work in silence is that on declarations.
const PATIENCE: usize = 100_000;

/// Events in a batch.
const BATCH: usize = 2048;

struct Counter {
    interest: Interest,
    events: usize,
}

impl Counter {
    fn count(&mut self, events: usize) -> Flow {
        self.events += events;
        Flow::Accepted
    }
}

impl Sink for Counter {
    fn interest(&mut self, _name: &Name<'_>, _context: u64) -> Interest {
        self.interest
    }

    fn start_document(&mut self, _prolog: &Prolog<'_>) -> Flow {
        self.count(1)
    }

    fn start_element(&mut self, _name: Name<'_>, attributes: &Attributes<'_>) -> Flow {
        self.count(1 + attributes.iter().count())
    }

    fn end_element(&mut self, _name: Name<'_>) -> Flow {
        self.count(1)
    }

    fn characters(&mut self, _text: &str) -> Flow {
        self.count(1)
    }

    fn end_document(&mut self) -> Flow {
        self.count(1)
    }

    fn is_full(&self) -> bool {
        self.events >= BATCH
    }
}

/// CPU time of this thread: unlike the time of day it does not grow while others run.
#[cfg(target_os = "linux")]
fn thread_cpu_ns() -> u64 {
    #[repr(C)]
    struct Timespec {
        seconds: std::ffi::c_long,
        nanoseconds: std::ffi::c_long,
    }
    unsafe extern "C" {
        fn clock_gettime(clock: std::ffi::c_int, time: *mut Timespec) -> std::ffi::c_int;
    }
    const THREAD_CPUTIME: std::ffi::c_int = 3;
    let mut time = Timespec {
        seconds: 0,
        nanoseconds: 0,
    };
    // SAFETY: the function of the C library, which writes one timespec.
    let failed = unsafe { clock_gettime(THREAD_CPUTIME, &mut time) };
    assert_eq!(failed, 0);
    time.seconds as u64 * 1_000_000_000 + time.nanoseconds as u64
}

#[cfg(not(target_os = "linux"))]
fn thread_cpu_ns() -> u64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START
        .get_or_init(std::time::Instant::now)
        .elapsed()
        .as_nanos() as u64
}
