//! When to look at a process again: by deadline, so that it costs little and still sees a balloon.
//!
//! Work that runs is looked at when it could have filled half of what is left, growing as fast as it
//! was ever seen to grow, and often enough for growth out of the blue. No more often: a look wakes
//! schedulers, an awake scheduler takes over work, and a binary that is appended to is then copied to
//! be moved there. Work that does nothing is looked at more and more rarely. The more
//! processes are watched on the node, the rarer each look, so that all looks together take a bounded
//! share of one core.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Growth out of the blue, as fast as memory is written for the first time: bytes per millisecond.
const GROWTH: u64 = 8 << 20;
/// It may pass the limit by 1 / 4 of it.
const BURST: u64 = 4;
/// Running work waits at most this many milliseconds for the next look.
pub(super) const BUSY_MS: u64 = 10;
/// Idle work waits this long in the end, unless so many are idle that it must be longer.
const IDLE_MS: u64 = 100;
/// Long waits end together, at multiples of this many milliseconds: waking a scheduler that sleeps costs
/// several times what a look does.
const TOGETHER_MS: u64 = 64;
/// What one look costs all in all, in nanoseconds: asking, answering, both being scheduled.
const LOOK_NS: u64 = 15_000;
/// Looks at running work take at most 1 / 12 of a core, at idle work at most 1 / 25.
const BUSY_SHARE: u64 = 12;
const IDLE_SHARE: u64 = 25;
/// Answering a look costs the process itself a few reductions: fewer than this is idle.
const IDLE_WORK: u64 = 100;

/// How many processes of the node are watched closely, rarely, and together with others.
#[derive(Debug, Default)]
pub struct Crowd {
    busy: AtomicUsize,
    idle: AtomicUsize,
    pub(super) surveyed: AtomicUsize,
}

impl Crowd {
    pub const fn new() -> Crowd {
        Crowd {
            busy: AtomicUsize::new(0),
            idle: AtomicUsize::new(0),
            surveyed: AtomicUsize::new(0),
        }
    }

    fn counter(&self, idle: bool) -> &AtomicUsize {
        if idle { &self.idle } else { &self.busy }
    }

    /// The shortest wait that keeps all looks of one kind within their share of a core.
    fn shortest_ms(&self, idle: bool) -> u64 {
        let share = if idle { IDLE_SHARE } else { BUSY_SHARE };
        let watched = self.counter(idle).load(Ordering::Relaxed) as u64;
        watched * LOOK_NS * share / 1_000_000
    }
}

/// What one look saw.
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

/// The watching of one process. Counts in its crowd as long as it lives.
#[derive(Debug)]
pub struct Pace {
    crowd: &'static Crowd,
    last: Option<Look>,
    growth: u64,
    idle: bool,
    wait_ms: u64,
}

impl Pace {
    /// Running work waits at most this many milliseconds for the next look.
    pub const BUSY_MS: u64 = BUSY_MS;

    pub fn new(crowd: &'static Crowd) -> Pace {
        crowd.counter(false).fetch_add(1, Ordering::Relaxed);
        Pace {
            crowd,
            last: None,
            growth: 1,
            idle: false,
            wait_ms: 1,
        }
    }

    /// Whether `total` bytes are over `mark`, and were not when last looked at.
    pub fn passes(&self, mark: u64, total: u64) -> bool {
        total > mark && self.last.is_none_or(|last| last.total <= mark)
    }

    /// Milliseconds until the next look.
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
        self.wait_ms = wanted.max(self.crowd.shortest_ms(idle)).max(1);
        if idle && self.wait_ms >= TOGETHER_MS {
            let now_ms = look.at_us / 1_000;
            (now_ms + self.wait_ms).next_multiple_of(TOGETHER_MS) - now_ms
        } else {
            self.wait_ms
        }
    }

    /// Milliseconds from the last look on after which work that is seen to do something is looked at, though it did
    /// nothing before: as if it had been at work, but for the share that all looks at idle work may take.
    pub fn overdue_ms(&self) -> u64 {
        if self.idle {
            self.wait_ms.min(self.crowd.shortest_ms(true).max(BUSY_MS))
        } else {
            self.wait_ms
        }
    }

    /// When it has filled half of what is left, growing as it was seen to; and early enough that it passes its
    /// limit by no more than a part of it should it begin to grow as fast as memory can be written.
    fn deadline_ms(&self, look: Look) -> u64 {
        let limit = look.headroom + look.total;
        let seen = look.headroom / 2 / self.growth;
        seen.min((look.headroom + limit / BURST) / GROWTH)
    }

    fn become_idle(&mut self, idle: bool) {
        if idle != self.idle {
            self.crowd
                .counter(self.idle)
                .fetch_sub(1, Ordering::Relaxed);
            self.crowd.counter(idle).fetch_add(1, Ordering::Relaxed);
            self.idle = idle;
        }
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        self.crowd
            .counter(self.idle)
            .fetch_sub(1, Ordering::Relaxed);
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
        static CROWD: Crowd = Crowd::new();
        let mut pace = Pace::new(&CROWD);
        assert_eq!(pace.next(look(0, 0, 0)), 10);
        // It grew by 16 MiB a millisecond.
        assert_eq!(pace.next(look(2, 32 * MIB, 1_000_000)), 1);
        assert_eq!(pace.next(look(3, 0, 2_000_000)), 2);
    }

    #[test]
    fn growth_out_of_the_blue_passes_the_limit_by_no_more_than_a_part_of_it() {
        for total in (0..64).map(|n| n * MIB) {
            static CROWD: Crowd = Crowd::new();
            let wait = Pace::new(&CROWD).next(look(0, total, 0));
            assert!(total + wait * GROWTH <= 64 * MIB + 64 * MIB / BURST);
        }
    }

    #[test]
    fn half_of_the_limit_is_passed_once() {
        static CROWD: Crowd = Crowd::new();
        let mut pace = Pace::new(&CROWD);
        assert!(!pace.passes(32 * MIB, 32 * MIB));
        assert!(pace.passes(32 * MIB, 33 * MIB));
        pace.next(look(0, 33 * MIB, 0));
        assert!(!pace.passes(32 * MIB, 34 * MIB));
        pace.next(look(1, 10 * MIB, 0));
        assert!(pace.passes(32 * MIB, 34 * MIB));
    }

    #[test]
    fn idle_work_is_looked_at_rarely_until_it_runs_again() {
        static CROWD: Crowd = Crowd::new();
        let mut pace = Pace::new(&CROWD);
        let waits: Vec<u64> = (0..9).map(|n| pace.next(look(n * 10, MIB, n))).collect();
        assert_eq!(waits[..3], [9, 18, 36]);
        for (n, wait) in waits.iter().enumerate().skip(3) {
            // All that wait long are woken together.
            assert!((72..=164).contains(wait) && (n as u64 * 10 + wait).is_multiple_of(64));
        }
        assert_eq!(pace.next(look(200, MIB, 1_000_000)), 9);
    }

    #[test]
    fn idle_work_that_is_seen_to_run_is_overdue_sooner_but_not_in_a_crowd() {
        static CROWD: Crowd = Crowd::new();
        let mut paces: Vec<Pace> = (0..1_000).map(|_| Pace::new(&CROWD)).collect();
        assert_eq!(paces[0].next(look(0, MIB, 0)), paces[0].overdue_ms());
        for n in 1..9 {
            paces[0].next(look(n, MIB, 0));
        }
        assert_eq!(paces[0].overdue_ms(), BUSY_MS);
        for pace in &mut paces {
            pace.next(look(10, MIB, 0));
            pace.next(look(11, MIB, 0));
        }
        paces[0].next(look(12, MIB, 0));
        assert_eq!(paces[0].overdue_ms(), 375);
    }

    #[test]
    fn a_crowd_is_looked_at_more_slowly_and_is_forgotten_with_its_last() {
        static CROWD: Crowd = Crowd::new();
        let mut paces: Vec<Pace> = (0..1_000).map(|_| Pace::new(&CROWD)).collect();
        assert_eq!(paces[0].next(look(0, 63 * MIB, 0)), 180);
        for pace in &mut paces {
            pace.next(look(1, MIB, 0));
            pace.next(look(2, MIB, 0));
        }
        assert_eq!(CROWD.idle.load(Ordering::Relaxed), 1_000);
        assert_eq!(CROWD.busy.load(Ordering::Relaxed), 0);
        assert_eq!(
            (0..9).map(|_| paces[0].next(look(3, MIB, 0))).max(),
            Some(381)
        );
        drop(paces);
        assert_eq!(CROWD.idle.load(Ordering::Relaxed), 0);
    }
}
