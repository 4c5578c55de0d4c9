//! When to look at a process again: by deadline, so that it costs little and still sees a balloon.
//!
//! Work that runs is looked at when it could have filled half of what is left, growing as fast as it
//! was ever seen to grow. Work that does nothing is looked at more and more rarely. The more
//! processes are watched on the node, the rarer each look, so that all looks together take a bounded
//! share of one core.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Assumed until faster growth is seen: bytes per millisecond.
const GROWTH: u64 = 8 << 20;
/// Running work waits at most this many milliseconds for the next look.
const BUSY_MS: u64 = 10;
/// Idle work waits this long in the end, unless so many are idle that it must be longer.
const IDLE_MS: u64 = 100;
/// Long waits end together, at multiples of this many milliseconds: waking a scheduler that sleeps costs
/// several times what a look does.
const TOGETHER_MS: u64 = 64;
/// What one look costs all in all, in nanoseconds: asking, answering, both being scheduled.
const LOOK_NS: u64 = 15_000;
/// Looks at running work take at most 1 / 8 of a core, at idle work at most 1 / 25.
const BUSY_SHARE: u64 = 8;
const IDLE_SHARE: u64 = 25;
/// Answering a look costs the process itself a few reductions: fewer than this is idle.
const IDLE_WORK: u64 = 100;

/// How many processes of the node are watched closely and rarely.
#[derive(Debug, Default)]
pub struct Crowd {
    busy: AtomicUsize,
    idle: AtomicUsize,
}

impl Crowd {
    pub const fn new() -> Crowd {
        Crowd {
            busy: AtomicUsize::new(0),
            idle: AtomicUsize::new(0),
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
    pub fn new(crowd: &'static Crowd) -> Pace {
        crowd.counter(false).fetch_add(1, Ordering::Relaxed);
        Pace {
            crowd,
            last: None,
            growth: GROWTH,
            idle: false,
            wait_ms: 1,
        }
    }

    /// Whether `total` bytes are more than the last look saw.
    pub fn grows_to(&self, total: u64) -> bool {
        self.last.is_none_or(|last| total > last.total)
    }

    /// Milliseconds until the next look.
    pub fn next(&mut self, look: Look) -> u64 {
        let idle = self.last.is_some_and(|last| {
            look.work.saturating_sub(last.work) < IDLE_WORK && look.total <= last.total
        });
        if let Some(last) = self.last {
            let grown = look.total.saturating_sub(last.total);
            let elapsed = look.at_us.saturating_sub(last.at_us).max(100);
            self.growth = self.growth.max(grown * 1_000 / elapsed);
        }
        self.last = Some(look);
        self.become_idle(idle);
        let wanted = if idle {
            (self.wait_ms * 2).min(IDLE_MS)
        } else {
            (look.headroom / 2 / self.growth).min(BUSY_MS)
        };
        self.wait_ms = wanted.max(self.crowd.shortest_ms(idle)).max(1);
        if idle && self.wait_ms >= TOGETHER_MS {
            let now_ms = look.at_us / 1_000;
            (now_ms + self.wait_ms).next_multiple_of(TOGETHER_MS) - now_ms
        } else {
            self.wait_ms
        }
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
        assert_eq!(pace.next(look(0, 0, 0)), 4);
        // It grew by 16 MiB a millisecond: twice as fast as assumed.
        assert_eq!(pace.next(look(2, 32 * MIB, 1_000_000)), 1);
        assert_eq!(pace.next(look(3, 0, 2_000_000)), 2);
    }

    #[test]
    fn idle_work_is_looked_at_rarely_until_it_runs_again() {
        static CROWD: Crowd = Crowd::new();
        let mut pace = Pace::new(&CROWD);
        let waits: Vec<u64> = (0..9).map(|n| pace.next(look(n * 10, MIB, n))).collect();
        assert_eq!(waits[..5], [3, 6, 12, 24, 48]);
        for (n, wait) in waits.iter().enumerate().skip(5) {
            // All that wait long are woken together.
            assert!((96..=164).contains(wait) && (n as u64 * 10 + wait).is_multiple_of(64));
        }
        assert_eq!(pace.next(look(200, MIB, 1_000_000)), 3);
    }

    #[test]
    fn a_crowd_is_looked_at_more_slowly_and_is_forgotten_with_its_last() {
        static CROWD: Crowd = Crowd::new();
        let mut paces: Vec<Pace> = (0..1_000).map(|_| Pace::new(&CROWD)).collect();
        assert_eq!(paces[0].next(look(0, 63 * MIB, 0)), 120);
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
