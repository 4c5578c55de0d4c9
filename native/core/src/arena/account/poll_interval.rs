//! When to poll a process again: by deadline, so that polling costs little and still detects a balloon.
//!
//! A running process is polled when it could have filled half of its headroom, if it grew as fast as it was ever seen to
//! grow, and often enough for a sudden burst. Not more often: a poll wakes schedulers, an awake scheduler takes over
//! processes, and a binary that such a process appends to is then copied. An idle process is polled more and more rarely.
//! The more processes are watched on the node, the longer each interval, so that all polls together take a bounded share of
//! one core.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A sudden burst is at most as fast as memory can be written for the first time: bytes per millisecond.
const GROWTH: u64 = 8 << 20;
/// A burst may pass the limit by 1 / 4 of it.
const BURST: u64 = 4;
/// The longest interval of a running process, in milliseconds.
pub(super) const BUSY_MS: u64 = 10;
/// The longest interval of an idle process, in milliseconds, unless the number of idle processes requires a longer one.
const IDLE_MS: u64 = 100;
/// Long intervals end together, at multiples of this many milliseconds: waking a sleeping scheduler costs several times as much
/// as a poll.
const TOGETHER_MS: u64 = 64;
/// The total cost of one poll in nanoseconds: question, answer, and scheduling both processes.
const LOOK_NS: u64 = 15_000;
/// Polls of running processes take at most 1 / 12 of a core, polls of idle ones at most 1 / 25.
const BUSY_SHARE: u64 = 12;
const IDLE_SHARE: u64 = 25;
/// A process that did fewer reductions than this since the last poll is idle: answering a poll costs a few itself.
const IDLE_WORK: u64 = 100;

/// The numbers of processes of the node that are polled as running, as idle, and in batches.
#[derive(Debug, Default)]
pub struct PollLoad {
    busy: AtomicUsize,
    idle: AtomicUsize,
    pub(super) batch_polled: AtomicUsize,
}

impl PollLoad {
    pub const fn new() -> PollLoad {
        PollLoad {
            busy: AtomicUsize::new(0),
            idle: AtomicUsize::new(0),
            batch_polled: AtomicUsize::new(0),
        }
    }

    fn counter(&self, idle: bool) -> &AtomicUsize {
        if idle { &self.idle } else { &self.busy }
    }

    /// The shortest interval that keeps all polls of one kind within their share of a core.
    fn shortest_ms(&self, idle: bool) -> u64 {
        let share = if idle { IDLE_SHARE } else { BUSY_SHARE };
        let watched = self.counter(idle).load(Ordering::Relaxed) as u64;
        watched * LOOK_NS * share / 1_000_000
    }
}

/// The findings of one poll.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Monotonic time in microseconds.
    pub at_us: u64,
    /// Bytes in use.
    pub total: u64,
    /// Bytes left below the limit.
    pub headroom: u64,
    /// Work done so far, in reductions.
    pub work: u64,
}

impl Look {
    /// Bytes per millisecond.
    pub(super) fn growth_since(&self, last: &Look) -> u64 {
        let grown = self.total.saturating_sub(last.total);
        let elapsed = self.at_us.saturating_sub(last.at_us).max(100);
        grown.saturating_mul(1_000) / elapsed
    }
}

/// The polling of one process, which counts in the node's load until this is dropped.
#[derive(Debug)]
pub struct PollInterval {
    load: &'static PollLoad,
    last: Option<Look>,
    growth: u64,
    idle: bool,
    wait_ms: u64,
}

impl PollInterval {
    /// The longest interval of a running process, in milliseconds.
    pub const BUSY_MS: u64 = BUSY_MS;

    pub fn new(load: &'static PollLoad) -> PollInterval {
        load.counter(false).fetch_add(1, Ordering::Relaxed);
        PollInterval {
            load,
            last: None,
            growth: 1,
            idle: false,
            wait_ms: 1,
        }
    }

    /// Whether `total` bytes are over `mark`, and were not at the last poll.
    pub fn passes(&self, mark: u64, total: u64) -> bool {
        total > mark && self.last.is_none_or(|last| last.total <= mark)
    }

    /// Milliseconds until the next poll.
    pub fn next(&mut self, look: Look) -> u64 {
        let idle = self.last.is_some_and(|last| {
            look.work.saturating_sub(last.work) < IDLE_WORK && look.total <= last.total
        });
        if let Some(last) = self.last {
            self.growth = self.growth.max(look.growth_since(&last));
        }
        self.last = Some(look);
        self.become_idle(idle);
        let wanted = if idle {
            (self.wait_ms * 2).min(IDLE_MS)
        } else {
            self.deadline_ms(look).min(BUSY_MS)
        };
        self.wait_ms = wanted.max(self.load.shortest_ms(idle)).max(1);
        if idle && self.wait_ms >= TOGETHER_MS {
            let now_ms = look.at_us / 1_000;
            (now_ms + self.wait_ms).next_multiple_of(TOGETHER_MS) - now_ms
        } else {
            self.wait_ms
        }
    }

    /// Milliseconds from the last poll on after which a process that was idle, and is seen to run, is polled: as if it had been
    /// running, within the share that all polls of idle processes may take.
    pub fn overdue_ms(&self) -> u64 {
        if self.idle {
            self.wait_ms.min(self.load.shortest_ms(true).max(BUSY_MS))
        } else {
            self.wait_ms
        }
    }

    /// When the process will have filled half of its headroom at the fastest growth seen; and early enough that a sudden burst
    /// passes the limit by no more than `1 / BURST` of it.
    fn deadline_ms(&self, look: Look) -> u64 {
        let limit = look.headroom + look.total;
        let seen = look.headroom / 2 / self.growth;
        seen.min((look.headroom + limit / BURST) / GROWTH)
    }

    fn become_idle(&mut self, idle: bool) {
        if idle != self.idle {
            self.load.counter(self.idle).fetch_sub(1, Ordering::Relaxed);
            self.load.counter(idle).fetch_add(1, Ordering::Relaxed);
            self.idle = idle;
        }
    }
}

impl Drop for PollInterval {
    fn drop(&mut self) {
        self.load.counter(self.idle).fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn look(at_ms: u64, total: u64, work: u64) -> Look {
        Look {
            at_us: at_ms * 1_000,
            total,
            headroom: (64 * MIB).saturating_sub(total),
            work,
        }
    }

    #[test]
    fn running_work_is_looked_at_again_before_it_can_fill_what_is_left() {
        static POLL_LOAD: PollLoad = PollLoad::new();
        let mut interval = PollInterval::new(&POLL_LOAD);
        assert_eq!(interval.next(look(0, 0, 0)), 10);
        // It grew by 16 MiB a millisecond.
        assert_eq!(interval.next(look(2, 32 * MIB, 1_000_000)), 1);
        assert_eq!(interval.next(look(3, 0, 2_000_000)), 2);
    }

    #[test]
    fn growth_out_of_the_blue_passes_the_limit_by_no_more_than_a_part_of_it() {
        for total in (0..64).map(|n| n * MIB) {
            static POLL_LOAD: PollLoad = PollLoad::new();
            let wait = PollInterval::new(&POLL_LOAD).next(look(0, total, 0));
            assert!(total + wait * GROWTH <= 64 * MIB + 64 * MIB / BURST);
        }
    }

    #[test]
    fn half_of_the_limit_is_passed_once() {
        static POLL_LOAD: PollLoad = PollLoad::new();
        let mut interval = PollInterval::new(&POLL_LOAD);
        assert!(!interval.passes(32 * MIB, 32 * MIB));
        assert!(interval.passes(32 * MIB, 33 * MIB));
        interval.next(look(0, 33 * MIB, 0));
        assert!(!interval.passes(32 * MIB, 34 * MIB));
        interval.next(look(1, 10 * MIB, 0));
        assert!(interval.passes(32 * MIB, 34 * MIB));
    }

    #[test]
    fn idle_work_is_looked_at_rarely_until_it_runs_again() {
        static POLL_LOAD: PollLoad = PollLoad::new();
        let mut interval = PollInterval::new(&POLL_LOAD);
        let waits: Vec<u64> = (0..9)
            .map(|n| interval.next(look(n * 10, MIB, n)))
            .collect();
        assert_eq!(waits[..3], [9, 18, 36]);
        for (n, wait) in waits.iter().enumerate().skip(3) {
            // All that wait long are woken together.
            assert!((72..=164).contains(wait) && (n as u64 * 10 + wait).is_multiple_of(64));
        }
        assert_eq!(interval.next(look(200, MIB, 1_000_000)), 9);
    }

    #[test]
    fn idle_work_that_is_seen_to_run_is_overdue_sooner_but_not_under_load() {
        static POLL_LOAD: PollLoad = PollLoad::new();
        let mut intervals: Vec<PollInterval> =
            (0..1_000).map(|_| PollInterval::new(&POLL_LOAD)).collect();
        assert_eq!(
            intervals[0].next(look(0, MIB, 0)),
            intervals[0].overdue_ms()
        );
        for n in 1..9 {
            intervals[0].next(look(n, MIB, 0));
        }
        assert_eq!(intervals[0].overdue_ms(), BUSY_MS);
        for interval in &mut intervals {
            interval.next(look(10, MIB, 0));
            interval.next(look(11, MIB, 0));
        }
        intervals[0].next(look(12, MIB, 0));
        assert_eq!(intervals[0].overdue_ms(), 375);
    }

    #[test]
    fn a_large_load_is_polled_more_slowly_and_is_forgotten_with_its_last() {
        static POLL_LOAD: PollLoad = PollLoad::new();
        let mut intervals: Vec<PollInterval> =
            (0..1_000).map(|_| PollInterval::new(&POLL_LOAD)).collect();
        assert_eq!(intervals[0].next(look(0, 63 * MIB, 0)), 180);
        for interval in &mut intervals {
            interval.next(look(1, MIB, 0));
            interval.next(look(2, MIB, 0));
        }
        assert_eq!(POLL_LOAD.idle.load(Ordering::Relaxed), 1_000);
        assert_eq!(POLL_LOAD.busy.load(Ordering::Relaxed), 0);
        assert_eq!(
            (0..9).map(|_| intervals[0].next(look(3, MIB, 0))).max(),
            Some(381)
        );
        drop(intervals);
        assert_eq!(POLL_LOAD.idle.load(Ordering::Relaxed), 0);
    }
}
