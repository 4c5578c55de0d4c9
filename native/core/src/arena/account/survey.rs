//! When to look at all processes of a quota again, where one looks at all of them at once.
//!
//! A thousand watchers that share a part of a core (`pace.rs`) look every tenth of a second or less often, and in that time everyone
//! they watch has had a turn on a scheduler and has grown. One who looks at all in one go needs no scheduling in
//! between, which is most of what a look costs.

use crate::arena::account::pace::{BUSY_MS, Crowd, Look};
use std::sync::atomic::Ordering;

/// What it costs to look at one of many, in nanoseconds.
const LOOK_NS: u64 = 2_000;
/// All surveys of the node take at most 1 / 8 of a core.
const SHARE: u64 = 8;
/// As long as they grow, looking may take up to 1 / 2 of a core.
const HURRY: u64 = 2;

/// The surveys of one quota. What it looks at counts in its crowd as long as it lives.
#[derive(Debug)]
pub struct Survey {
    crowd: &'static Crowd,
    last: Look,
    growth: u64,
    surveyed: usize,
}

impl Survey {
    /// For work that began at `begun_us`, with nothing.
    pub fn new(crowd: &'static Crowd, begun_us: u64) -> Survey {
        let last = Look {
            at_us: begun_us,
            total: 0,
            headroom: 0,
            work: 0,
        };
        Survey {
            crowd,
            last,
            growth: 0,
            surveyed: 0,
        }
    }

    /// Milliseconds until the next survey, of which this one has looked at `surveyed` processes and taken `taken_us`.
    pub fn next(&mut self, look: Look, surveyed: usize, taken_us: u64) -> u64 {
        // What has stopped growing is forgiven.
        self.growth = look.growth_since(&self.last).max(self.growth / 2);
        self.last = look;
        self.count(surveyed);
        let all = self.crowd.surveyed.load(Ordering::Relaxed) as u64;
        let rest = (all.saturating_mul(LOOK_NS * SHARE) / 1_000_000).max(BUSY_MS);
        let deadline = look.headroom / 2 / self.growth.max(1);
        let hurry = taken_us.saturating_mul(HURRY - 1) / 1_000;
        deadline.min(rest).max(hurry).max(1)
    }

    fn count(&mut self, surveyed: usize) {
        let crowd = &self.crowd.surveyed;
        crowd.fetch_add(surveyed, Ordering::Relaxed);
        crowd.fetch_sub(self.surveyed, Ordering::Relaxed);
        self.surveyed = surveyed;
    }
}

impl Drop for Survey {
    fn drop(&mut self) {
        self.count(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn look(at_ms: u64, total: u64) -> Look {
        Look {
            at_us: at_ms * 1_000,
            total,
            headroom: (64 * MIB).saturating_sub(total),
            work: 0,
        }
    }

    #[test]
    fn rests_by_how_many_there_are_and_hurries_while_they_grow() {
        static CROWD: Crowd = Crowd::new();
        let mut survey = Survey::new(&CROWD, 0);
        assert_eq!(survey.next(look(1, MIB / 8), 1_000, 2_000), 16);
        // By a MiB a millisecond.
        assert_eq!(survey.next(look(33, 33 * MIB), 1_000, 2_000), 15);
        assert_eq!(survey.next(look(49, 49 * MIB), 1_000, 2_000), 7);
        assert_eq!(survey.next(look(57, 62 * MIB), 1_000, 2_000), 2);
        // And then no more.
        let rests = (1..9).map(|n| survey.next(look(60 + n, 40 * MIB), 1_000, 2_000));
        assert_eq!(rests.last(), Some(16));
    }

    #[test]
    fn all_surveys_of_the_node_share_what_they_may_take() {
        static CROWD: Crowd = Crowd::new();
        let (mut one, mut other) = (Survey::new(&CROWD, 0), Survey::new(&CROWD, 0));
        one.next(look(1, 0), 1_000, 2_000);
        assert_eq!(other.next(look(1, 0), 1_000, 2_000), 32);
        assert_eq!(other.next(look(64, 0), 10, 100), 16);
        drop(one);
        assert_eq!(other.next(look(96, 0), 10, 100), BUSY_MS);
    }
}
