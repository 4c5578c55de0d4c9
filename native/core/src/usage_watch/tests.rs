#![allow(clippy::unwrap_used)]

use super::*;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::{Receiver, Sender, channel};

const PAUSE: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(20);
const STEP: u64 = 10;

/// What a test and the thread share.
#[derive(Default)]
struct World {
    used: AtomicU64,
    unreadable: AtomicBool,
    panics: AtomicBool,
    dead: AtomicBool,
    reads: AtomicUsize,
}

struct Fake {
    world: Arc<World>,
    woken: Sender<Report>,
}

impl Task for Fake {
    fn begin(&mut self) {}

    fn read(&mut self, total: u64) -> Option<u64> {
        assert!(!self.world.panics.load(Ordering::SeqCst), "as asked for");
        self.world.reads.fetch_add(1, Ordering::SeqCst);
        let used = self.world.used.load(Ordering::SeqCst) + total;
        (!self.world.unreadable.load(Ordering::SeqCst)).then_some(used)
    }

    fn wake(&mut self, report: &Report) -> bool {
        self.woken.send(report.clone()).is_ok() && !self.world.dead.load(Ordering::SeqCst)
    }
}

fn start(used: u64) -> (UsageWatch, Arc<World>, Receiver<Report>) {
    let world = Arc::new(World::default());
    world.used.store(used, Ordering::SeqCst);
    let (woken, reports) = channel();
    let fake = Fake {
        world: world.clone(),
        woken,
    };
    (UsageWatch::start(fake).unwrap(), world, reports)
}

/// Nothing wakes but a usage of 110 and more.
fn order() -> Order {
    Order {
        now: 1_000,
        total: 0,
        lowest: 100,
        step: STEP,
        line: u64::MAX,
        floor: 0,
        pause: PAUSE,
        longest: LONGEST,
    }
}

fn wait_for(condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "it does not happen");
        thread::sleep(Duration::from_millis(1));
    }
}

/// The thread has read the file `count` times more.
fn reads(world: &World, count: usize) {
    let before = world.reads.load(Ordering::SeqCst);
    wait_for(|| world.reads.load(Ordering::SeqCst) >= before + count);
}

fn ends(watch: &UsageWatch) {
    wait_for(|| watch.has_ended());
}

#[test]
fn a_usage_that_stays_wakes_nobody_until_the_time_is_over() {
    let (watch, world, reports) = start(109);
    assert!(watch.order(&order()));
    reads(&world, 20);
    assert!(reports.try_recv().is_err());

    let longest = Duration::from_millis(20);
    watch.order(&Order { longest, ..order() });
    let report = reports.recv_timeout(PATIENCE).unwrap();
    assert_eq!(report.lowest, 100);
    assert!(report.readings().iter().all(|it| it.used == 109));
}

#[test]
fn a_step_up_from_the_smallest_usage_wakes() {
    let (watch, world, reports) = start(100);
    watch.order(&order());
    world.used.store(80, Ordering::SeqCst);
    reads(&world, 2);
    world.used.store(89, Ordering::SeqCst);
    reads(&world, 2);
    assert!(reports.try_recv().is_err());
    world.used.store(90, Ordering::SeqCst);
    let report = reports.recv_timeout(PATIENCE).unwrap();
    assert_eq!(report.lowest, 80);
    assert_eq!(report.readings().last().unwrap().used, 90);
}

#[test]
fn the_line_and_the_floor_wake() {
    for (line, floor) in [(105, 0), (u64::MAX, 105)] {
        let (watch, _world, reports) = start(105);
        watch.order(&Order {
            line,
            floor,
            ..order()
        });
        assert!(reports.recv_timeout(PATIENCE).is_ok());
    }
}

#[test]
fn an_order_is_carried_out_once() {
    let (watch, world, reports) = start(200);
    watch.order(&order());
    assert!(reports.recv_timeout(PATIENCE).is_ok());
    let before = world.reads.load(Ordering::SeqCst);
    assert!(reports.recv_timeout(10 * PAUSE).is_err());
    assert_eq!(world.reads.load(Ordering::SeqCst), before);
    watch.order(&order());
    assert!(reports.recv_timeout(PATIENCE).is_ok());
}

#[test]
fn a_report_has_the_latest_readings_by_the_clock_of_who_asked() {
    let (watch, world, reports) = start(100);
    watch.order(&Order {
        total: 1,
        ..order()
    });
    reads(&world, KEPT + 3);
    world.used.store(500, Ordering::SeqCst);
    let report = reports.recv_timeout(PATIENCE).unwrap();
    let readings = report.readings();
    assert_eq!(readings.len(), KEPT);
    assert_eq!(readings[KEPT - 1].used, 501);
    assert_eq!(readings[0].used, 101);
    assert!(readings.is_sorted_by_key(|it| it.at));
    // More pauses than that are between the order and the last of them.
    assert!(readings[KEPT - 1].at >= 1_000 + 2 * KEPT as i64);
    assert!(readings.iter().all(|it| it.late >= 0));
}

#[test]
fn a_file_that_cannot_be_read_wakes() {
    let (watch, world, reports) = start(100);
    world.unreadable.store(true, Ordering::SeqCst);
    watch.order(&order());
    let report = reports.recv_timeout(PATIENCE).unwrap();
    assert_eq!((report.lowest, report.readings().len()), (100, 0));
}

#[test]
fn the_thread_ends_with_its_handle_in_whatever_it_does() {
    let (watch, world, reports) = start(100);
    drop(watch);
    // The thread has dropped its task.
    assert!(reports.recv_timeout(PATIENCE).is_err());
    wait_for(|| Arc::strong_count(&world) == 1);

    let (watch, world, _reports) = start(100);
    let pause = Duration::from_secs(60);
    watch.order(&Order { pause, ..order() });
    drop(watch);
    wait_for(|| Arc::strong_count(&world) == 1);
}

#[test]
fn the_thread_ends_when_nobody_is_there_to_be_woken() {
    let (watch, world, reports) = start(200);
    world.dead.store(true, Ordering::SeqCst);
    watch.order(&order());
    assert!(reports.recv_timeout(PATIENCE).is_ok());
    ends(&watch);
    assert!(!watch.order(&order()));
}

#[test]
fn a_panic_wakes_and_ends_only_the_thread() {
    let (watch, world, reports) = start(100);
    world.panics.store(true, Ordering::SeqCst);
    watch.order(&order());
    let report = reports.recv_timeout(PATIENCE).unwrap();
    assert!(report.readings().is_empty());
    ends(&watch);
    assert!(!watch.order(&order()));
}

#[test]
fn times_that_make_no_sense_are_bounded() {
    let (watch, world, reports) = start(100);
    let (pause, longest) = (Duration::ZERO, Duration::MAX);
    watch.order(&Order {
        now: i64::MAX,
        step: u64::MAX,
        pause,
        longest,
        ..order()
    });
    let started = Instant::now();
    reads(&world, 10);
    assert!(started.elapsed() >= 8 * SHORTEST_PAUSE);
    assert!(reports.try_recv().is_err());
}

#[test]
fn usage_is_read_from_each_of_the_files() {
    assert_eq!(bytes_in_use(b"268435456\n", 7), Some(268_435_456));
    let meminfo = b"MemTotal:       2000 kB\nMemFree:  1 kB\nMemAvailable:   1500 kB\n";
    assert_eq!(bytes_in_use(meminfo, 2_000 * 1_024), Some(500 * 1_024));
    assert_eq!(bytes_in_use(meminfo, 0), Some(0));
    for text in [
        &b""[..],
        b"max\n",
        b"MemAvailable:",
        b"MemAvailable: x kB",
        b"99999999999999999999999\n",
        b"MemAvailable: 18446744073709551615 kB",
    ] {
        assert_eq!(bytes_in_use(text, 1), None);
    }
}
