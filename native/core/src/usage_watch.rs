//! A thread that reads the memory in use, so that the process that judges it can sleep.
//!
//! To wake a process of the VM costs some hundred microseconds, because schedulers look for more work before they sleep again; a
//! reading here costs ten. The process gives an [`Order`]: how often to read, and from where on it wants to be woken. The thread carries
//! it out once, then waits for the next one. It takes no lock, and is never waited for: orders are atomics, and it is woken by
//! `unpark`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread::{self, Builder, Thread};
use std::time::{Duration, Instant};

/// The readings that a report has, the latest. Growth is measured over the last 40 ms, and pauses are 2 ms at the shortest.
const KEPT: usize = 24;
/// Bounds of an order's times.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(60);
/// Enough for a panic's backtrace.
const STACK: usize = 256 * 1024;

/// What the thread does.
pub trait Task: Send + 'static {
    /// Called once, on the thread, before anything else.
    fn begin(&mut self);
    /// Bytes in use, or nothing if they cannot be read. `total` is the order's.
    fn read(&mut self, total: u64) -> Option<u64>;
    /// Wakes the process that gave the order. Returns whether that is alive.
    fn wake(&mut self, report: &Report) -> bool;
}

/// When to read, and when to wake the process that gives this order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Order {
    /// Milliseconds by the clock of the process.
    pub now: i64,
    /// Bytes of the machine, where the file tells what is available.
    pub total: u64,
    /// Wakes at `step` bytes above the smallest usage since, which is `lowest` at the start.
    pub lowest: u64,
    pub step: u64,
    /// Wakes at this usage and above.
    pub line: u64,
    /// Wakes at this usage and below.
    pub floor: u64,
    pub pause: Duration,
    /// Wakes when this has passed, in any case.
    pub longest: Duration,
}

/// One reading.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// Milliseconds by the clock of the process.
    pub at: i64,
    pub used: u64,
    /// Milliseconds that it came after it was due.
    pub late: i64,
}

/// What the process is woken with.
#[derive(Clone, Debug)]
pub struct Report {
    pub lowest: u64,
    kept: [Reading; KEPT],
    count: usize,
}

impl Report {
    fn new(lowest: u64) -> Report {
        Report {
            lowest,
            kept: [Reading::default(); KEPT],
            count: 0,
        }
    }

    fn add(&mut self, reading: Reading) {
        if self.count == KEPT {
            self.kept.rotate_left(1);
            self.count -= 1;
        }
        if let Some(slot) = self.kept.get_mut(self.count) {
            *slot = reading;
            self.count += 1;
        }
        self.lowest = self.lowest.min(reading.used);
    }

    /// The latest readings, the oldest first.
    pub fn readings(&self) -> &[Reading] {
        self.kept.get(..self.count).unwrap_or_default()
    }
}

/// The thread's side and the process's side share this.
///
/// The fields of an order may be read while the next one is written. The number, which is written last, tells that: then the
/// thread begins anew. At worst it has woken the process once too often.
#[derive(Debug)]
struct Shared {
    epoch: Instant,
    number: AtomicU64,
    stopped: AtomicBool,
    ended: AtomicBool,
    now: AtomicI64,
    /// Microseconds since the epoch at which the order was given.
    given: AtomicU64,
    total: AtomicU64,
    lowest: AtomicU64,
    step: AtomicU64,
    line: AtomicU64,
    floor: AtomicU64,
    pause: AtomicU64,
    longest: AtomicU64,
}

impl Shared {
    fn micros(&self) -> u64 {
        self.epoch.elapsed().as_micros() as u64
    }

    fn write(&self, order: &Order) {
        let pause = order.pause.clamp(SHORTEST_PAUSE, LONGEST);
        let longest = order.longest.clamp(SHORTEST_PAUSE, LONGEST);
        self.now.store(order.now, Ordering::Relaxed);
        self.given.store(self.micros(), Ordering::Relaxed);
        self.total.store(order.total, Ordering::Relaxed);
        self.lowest.store(order.lowest, Ordering::Relaxed);
        self.step.store(order.step, Ordering::Relaxed);
        self.line.store(order.line, Ordering::Relaxed);
        self.floor.store(order.floor, Ordering::Relaxed);
        self.pause
            .store(pause.as_micros() as u64, Ordering::Relaxed);
        self.longest
            .store(longest.as_micros() as u64, Ordering::Relaxed);
        self.number.fetch_add(1, Ordering::Release);
    }

    fn read(&self) -> Order {
        Order {
            now: self.now.load(Ordering::Relaxed),
            total: self.total.load(Ordering::Relaxed),
            lowest: self.lowest.load(Ordering::Relaxed),
            step: self.step.load(Ordering::Relaxed),
            line: self.line.load(Ordering::Relaxed),
            floor: self.floor.load(Ordering::Relaxed),
            pause: Duration::from_micros(self.pause.load(Ordering::Relaxed)),
            longest: Duration::from_micros(self.longest.load(Ordering::Relaxed)),
        }
    }

    fn number(&self) -> u64 {
        self.number.load(Ordering::Acquire)
    }

    fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }
}

/// The thread, which ends when this is dropped.
#[derive(Debug)]
pub struct UsageWatch {
    shared: Arc<Shared>,
    thread: Thread,
}

impl UsageWatch {
    /// Starts the thread, which waits for an order.
    pub fn start(task: impl Task) -> std::io::Result<UsageWatch> {
        let shared = Arc::new(Shared {
            epoch: Instant::now(),
            number: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            now: AtomicI64::new(0),
            given: AtomicU64::new(0),
            total: AtomicU64::new(0),
            lowest: AtomicU64::new(0),
            step: AtomicU64::new(0),
            line: AtomicU64::new(0),
            floor: AtomicU64::new(0),
            pause: AtomicU64::new(0),
            longest: AtomicU64::new(0),
        });
        let theirs = shared.clone();
        let thread = Builder::new()
            .name("bounded-usage".to_owned())
            .stack_size(STACK)
            .spawn(move || run(&theirs, task))?
            .thread()
            .clone();
        Ok(UsageWatch { shared, thread })
    }

    /// Replaces the order. Returns whether the thread is there to carry it out.
    pub fn order(&self, order: &Order) -> bool {
        if self.has_ended() {
            return false;
        }
        self.shared.write(order);
        self.thread.unpark();
        true
    }

    /// Ends the thread, without waiting for that.
    pub fn stop(&self) {
        self.shared.stopped.store(true, Ordering::Release);
        self.thread.unpark();
    }

    pub fn has_ended(&self) -> bool {
        self.shared.ended.load(Ordering::Acquire)
    }
}

impl Drop for UsageWatch {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The thread. After a panic it wakes the process, which then does without it.
fn run(shared: &Shared, mut task: impl Task) {
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        task.begin();
        carry_out_orders(shared, &mut task);
    }))
    .is_err();
    shared.ended.store(true, Ordering::Release);
    if panicked {
        let _ = catch_unwind(AssertUnwindSafe(|| task.wake(&Report::new(u64::MAX))));
    }
}

fn carry_out_orders(shared: &Shared, task: &mut impl Task) {
    let mut done = 0;
    while !shared.stopped() {
        let number = shared.number();
        if number == done {
            thread::park();
            continue;
        }
        match carry_out(shared, number, task) {
            Outcome::Woken => done = number,
            Outcome::Replaced => {}
            Outcome::Gone => return,
        }
    }
}

enum Outcome {
    /// The process was woken.
    Woken,
    /// There is another order, or none is to be carried out any more.
    Replaced,
    /// The process is dead.
    Gone,
}

fn carry_out(shared: &Shared, number: u64, task: &mut impl Task) -> Outcome {
    let order = shared.read();
    let given = shared.given.load(Ordering::Relaxed);
    let (pause, longest) = (
        order.pause.as_micros() as u64,
        order.longest.as_micros() as u64,
    );
    let mut report = Report::new(order.lowest);
    let mut due = given.saturating_add(pause);
    loop {
        loop {
            if shared.number() != number || shared.stopped() {
                return Outcome::Replaced;
            }
            match due.saturating_sub(shared.micros()) {
                0 => break,
                left => thread::park_timeout(Duration::from_micros(left)),
            }
        }
        let used = task.read(order.total);
        let now = shared.micros();
        if let Some(used) = used {
            report.add(Reading {
                at: order.now.saturating_add(millis(now.saturating_sub(given))),
                used,
                late: millis(now.saturating_sub(due)),
            });
        }
        due = now.saturating_add(pause);
        // The next reading would come too late.
        let over = due > given.saturating_add(longest);
        if over || used.is_none_or(|used| wakes(&order, &report, used)) {
            return match task.wake(&report) {
                true => Outcome::Woken,
                false => Outcome::Gone,
            };
        }
    }
}

fn wakes(order: &Order, report: &Report, used: u64) -> bool {
    used >= report.lowest.saturating_add(order.step) || used >= order.line || used <= order.floor
}

fn millis(micros: u64) -> i64 {
    (micros / 1_000) as i64
}

/// Bytes in use by the text of `memory.current`, `memory.usage_in_bytes` or `meminfo`, of a machine of `total` bytes.
pub fn bytes_in_use(text: &[u8], total: u64) -> Option<u64> {
    if let Some(bytes) = leading_number(text) {
        return Some(bytes);
    }
    let available = text
        .split(|&byte| byte == b'\n')
        .find_map(|line| line.strip_prefix(b"MemAvailable:"))?;
    let bytes = leading_number(available.trim_ascii_start())?.checked_mul(1_024)?;
    Some(total.saturating_sub(bytes))
}

fn leading_number(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let digits = text.get(..digits).filter(|digits| !digits.is_empty())?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(all(test, not(loom)))]
mod tests;
