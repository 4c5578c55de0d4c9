//! Which breaches are logged: one line of each kind in a while, so that what breaches again and again does not fill the log.

use crate::timing;
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two lines of one kind.
const PERIOD: Duration = Duration::from_secs(10);
/// More kinds than that share their lines.
const KINDS: usize = 1024;
const REST: u64 = u64::MAX;

/// When the last line of each kind was logged, and how many have been left out since.
#[derive(Default)]
struct Turns(HashMap<u64, (Instant, u64)>);

impl Turns {
    /// How many of this kind have been left out before this one, or none when it is left out too.
    fn next(&mut self, kind: u64, now: Instant) -> Option<u64> {
        if self.0.len() >= KINDS && !self.0.contains_key(&kind) {
            self.0
                .retain(|_, (last, _)| now.duration_since(*last) < PERIOD);
        }
        let kind = if self.0.len() < KINDS || self.0.contains_key(&kind) {
            kind
        } else {
            REST
        };
        let Some((last, left_out)) = self.0.get_mut(&kind) else {
            self.0.insert(kind, (now, 0));
            return Some(0);
        };
        if now.duration_since(*last) < PERIOD {
            *left_out += 1;
            return None;
        }
        *last = now;
        Some(std::mem::take(left_out))
    }
}

static TURNS: LazyLock<Mutex<Turns>> = LazyLock::new(Mutex::default);

/// Whether a breach of this kind is logged: how many have been left out since the last that was, or nil when it is not.
#[rustler::nif]
fn breach_log_turn(kind: u64) -> Option<u64> {
    let _measuring = timing::measure();
    let mut turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
    turns.next(kind, Instant::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_kind_has_its_turn_in_a_while() {
        let (mut turns, start) = (Turns::default(), Instant::now());
        assert_eq!(turns.next(1, start), Some(0));
        assert_eq!(turns.next(2, start), Some(0));
        assert_eq!(turns.next(1, start + PERIOD / 2), None);
        assert_eq!(turns.next(1, start + PERIOD / 2), None);
        assert_eq!(turns.next(1, start + PERIOD), Some(2));
        assert_eq!(turns.next(1, start + PERIOD * 2), Some(0));
    }

    #[test]
    fn more_kinds_than_are_kept_share_their_turns() {
        let (mut turns, start) = (Turns::default(), Instant::now());
        for kind in 0..KINDS as u64 + 100 {
            turns.next(kind, start);
        }
        assert!(turns.0.len() <= KINDS + 1);
        assert_eq!(turns.next(u64::MAX - 1, start), None);
        assert_eq!(turns.next(0, start + PERIOD * 2), Some(0));
        assert!(turns.next(u64::MAX - 1, start + PERIOD * 2).is_some());
    }
}
