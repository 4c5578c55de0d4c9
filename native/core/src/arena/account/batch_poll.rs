//! When to poll all processes of a quota again, where one watcher polls all of them in one go.
//!
//! A thousand watchers that share a part of a core (`poll_interval.rs`) each poll every tenth of a second or less often. In that
//! time every process that they watch has been scheduled and has grown. One watcher that polls all of them in one go needs no
//! scheduling in between, which is most of the cost of a poll.

use crate::arena::account::poll_interval::{BUSY_MS, Look, PollLoad};
use std::sync::atomic::Ordering;

/// The cost of polling one process of a batch, in nanoseconds.
const LOOK_NS: u64 = 2_000;
/// All batch polls of the node take at most 1 / 8 of a core.
const SHARE: u64 = 8;
/// While the processes of a batch grow, polling may take up to 1 / 2 of a core.
const HURRY: u64 = 2;

/// The batch polls of one quota. The processes that they poll count in the node's load until this is dropped.
#[derive(Debug)]
pub struct BatchPoll {
    load: &'static PollLoad,
    last: Look,
    growth: u64,
    polled: usize,
}

impl BatchPoll {
    /// For a quota that began at `begun_us`, with no memory in use.
    pub fn new(load: &'static PollLoad, begun_us: u64) -> BatchPoll {
        let last = Look {
            at_us: begun_us,
            total: 0,
            headroom: 0,
            work: 0,
        };
        BatchPoll {
            load,
            last,
            growth: 0,
            polled: 0,
        }
    }

    /// Milliseconds until the next batch poll; this one polled `polled` processes and took `taken_us`.
    pub fn next(&mut self, look: Look, polled: usize, taken_us: u64) -> u64 {
        // Growth that has stopped is forgotten.
        self.growth = look.growth_since(&self.last).max(self.growth / 2);
        self.last = look;
        self.count(polled);
        let all = self.load.batch_polled.load(Ordering::Relaxed) as u64;
        let rest = (all.saturating_mul(LOOK_NS * SHARE) / 1_000_000).max(BUSY_MS);
        let deadline = look.headroom / 2 / self.growth.max(1);
        let hurry = taken_us.saturating_mul(HURRY - 1) / 1_000;
        deadline.min(rest).max(hurry).max(1)
    }

    fn count(&mut self, polled: usize) {
        let load = &self.load.batch_polled;
        load.fetch_add(polled, Ordering::Relaxed);
        load.fetch_sub(self.polled, Ordering::Relaxed);
        self.polled = polled;
    }
}

impl Drop for BatchPoll {
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
        static POLL_LOAD: PollLoad = PollLoad::new();
        let mut batch_poll = BatchPoll::new(&POLL_LOAD, 0);
        assert_eq!(batch_poll.next(look(1, MIB / 8), 1_000, 2_000), 16);
        // By a MiB a millisecond.
        assert_eq!(batch_poll.next(look(33, 33 * MIB), 1_000, 2_000), 15);
        assert_eq!(batch_poll.next(look(49, 49 * MIB), 1_000, 2_000), 7);
        assert_eq!(batch_poll.next(look(57, 62 * MIB), 1_000, 2_000), 2);
        // And then no more.
        let rests = (1..9).map(|n| batch_poll.next(look(60 + n, 40 * MIB), 1_000, 2_000));
        assert_eq!(rests.last(), Some(16));
    }

    #[test]
    fn all_batch_polls_of_the_node_share_what_they_may_take() {
        static POLL_LOAD: PollLoad = PollLoad::new();
        let (mut one, mut other) = (BatchPoll::new(&POLL_LOAD, 0), BatchPoll::new(&POLL_LOAD, 0));
        one.next(look(1, 0), 1_000, 2_000);
        assert_eq!(other.next(look(1, 0), 1_000, 2_000), 32);
        assert_eq!(other.next(look(64, 0), 10, 100), 16);
        drop(one);
        assert_eq!(other.next(look(96, 0), 10, 100), BUSY_MS);
    }
}
