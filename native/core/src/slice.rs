//! When to copy and when to share: which bytes become a binary of their own.
//!
//! ```text
//! bytes       0 .. PLAIN_MAX       a plain binary, which the VM counts by itself
//! PLAIN_MAX+1 .. COPY_MAX          one charged binary, copied in one call
//! more                             one charged binary, filled in steps of at most STEP
//! ```

/// A binary of at most this many bytes is made by the VM, which counts its own in the process that holds
/// them. A charged one costs 0.3 us more, mostly for its destructor, which the VM runs as scheduler work:
/// 3 times `:binary.copy/1` at 1 KiB, 1.5 times at 16 KiB, 1.3 times at 140 KB, 1.1 to 1.25 times at 256 KiB, as
/// its bytes leave the cache while they wait, 1.12 times at 400 KB and 1.03 times at 1 MiB.
pub const PLAIN_MAX: usize = 512 * 1024;

/// A copy of at most this many bytes is made in one call, of 0.04 to 0.3 ms. In four, with the handle that carries it from
/// one to the next, a copy of 1 MiB took 1.13 times as long as `:binary.copy/1`.
pub const COPY_MAX: usize = 1024 * 1024;

/// Bytes of larger copies, and of everything else, that one call works on: some tens of microseconds.
pub const STEP: usize = 256 * 1024;

/// The share of a process's timeslice that copying `bytes` uses up, in percent; 0 is not worth telling.
///
/// A process that copies has to yield, or destructors wait and a loop of large copies was measured to
/// cost 5 times as much. Once per MiB is enough for that; twice keeps more of what waits in the cache, which
/// made copies of 256 KiB a tenth faster.
pub fn timeslice_percent(bytes: usize) -> i32 {
    (bytes.min(2 * STEP) * STEP_PERCENT / STEP) as i32
}

const STEP_PERCENT: usize = 50;

/// Pieces cut in one call at most; each costs about as much as 1 KiB copied.
pub const PLAN_PIECES: usize = 1024;

/// Part of a binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    pub start: usize,
    pub len: usize,
}

impl Piece {
    /// The piece that `:binary.part/3` takes of a binary of `size` bytes: a negative `length` is the
    /// bytes before `position`.
    pub fn of(size: usize, position: i64, length: i64) -> Option<Piece> {
        let end = position.checked_add(length)?;
        let (start, end) = (position.min(end), position.max(end));
        let start = usize::try_from(start).ok()?;
        let end = usize::try_from(end).ok().filter(|end| *end <= size)?;
        Some(Piece {
            start,
            len: end - start,
        })
    }

    /// The piece as a range of indices.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start..self.start + self.len
    }
}

/// Pieces of one binary that are cut in one call.
#[derive(Debug, Default)]
pub struct Plan {
    pieces: Vec<Piece>,
    total: usize,
}

impl Plan {
    /// An empty plan with room for the usual number of fields.
    pub fn new() -> Plan {
        Plan {
            pieces: Vec::with_capacity(32),
            total: 0,
        }
    }

    /// Adds a piece; says whether the plan is still one call's work.
    pub fn push(&mut self, piece: Piece) -> bool {
        self.total = self.total.saturating_add(piece.len);
        self.pieces.push(piece);
        self.total <= STEP && self.pieces.len() <= PLAN_PIECES
    }

    /// The pieces in the order in which they were added.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Bytes of all pieces: what one block shared by all of them takes.
    pub fn total(&self) -> usize {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copying_a_mebibyte_uses_up_the_timeslice_and_a_small_copy_nothing() {
        assert_eq!(timeslice_percent(0), 0);
        assert_eq!(timeslice_percent(4 * 1024), 0);
        assert_eq!(timeslice_percent(STEP), 50);
        assert_eq!(timeslice_percent(1 << 20), 100);
        assert_eq!(timeslice_percent(usize::MAX), 100);
    }

    #[test]
    fn a_piece_is_what_binary_part_takes() {
        let piece = |start, len| Some(Piece { start, len });
        assert_eq!(Piece::of(10, 2, 3), piece(2, 3));
        assert_eq!(Piece::of(10, 5, -3), piece(2, 3));
        assert_eq!(Piece::of(10, 10, 0), piece(10, 0));
        assert_eq!(Piece::of(10, 10, -10), piece(0, 10));
        for (position, length) in [
            (-1, 1),
            (-1, 2),
            (11, -2),
            (11, 0),
            (5, 6),
            (5, -6),
            (i64::MAX, 1),
            (i64::MIN, -1),
            (1, i64::MIN),
        ] {
            assert_eq!(Piece::of(10, position, length), None);
        }
    }

    #[test]
    fn a_plan_ends_where_one_call_has_enough_to_do() {
        let mut plan = Plan::new();
        assert!(plan.push(Piece {
            start: 7,
            len: STEP
        }));
        assert!(!plan.push(Piece { start: 0, len: 1 }));
        assert_eq!(plan.total(), STEP + 1);

        let mut plan = Plan::new();
        let nothing = Piece { start: 0, len: 0 };
        assert!((0..PLAN_PIECES).all(|_| plan.push(nothing)));
        assert!(!plan.push(nothing));
    }

    proptest::proptest! {
        #[test]
        fn a_piece_lies_within_its_binary_or_is_none(size in 0..=STEP, position: i64, length: i64, small in 0i64..40) {
            for (position, length) in [(position, length), (position % 64, length % 64), (small, -small)] {
                let one = i128::from(position);
                let other = one + i128::from(length);
                let (start, end) = (one.min(other), one.max(other));
                let within = start >= 0 && end <= size as i128;
                let piece = Piece::of(size, position, length);
                proptest::prop_assert_eq!(piece.is_some(), within);
                if let Some(piece) = piece {
                    proptest::prop_assert_eq!(piece.start as i128, start);
                    proptest::prop_assert_eq!(piece.range().end as i128, end);
                }
            }
        }
    }
}
