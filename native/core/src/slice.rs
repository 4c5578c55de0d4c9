//! When to copy and when to share: which bytes become a binary of their own.
//!
//! ```text
//! bytes       0 .. PLAIN_MAX       a plain binary, which the VM counts by itself
//! PLAIN_MAX+1 .. COPY_MAX          one charged binary, copied in one call
//! more                             one charged binary, filled in steps of at most STEP
//! ```
#![forbid(unsafe_code)]

use smallvec::SmallVec;

/// The number of pieces that need no allocation: the fields of most rows.
pub const INLINE_PIECES: usize = 32;

/// A binary of at most this many bytes lives in the heap of its process.
pub const HEAP_MAX: usize = 64;

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

/// The share of a process's timeslice that copying `bytes` uses up, in percent; 0 is not worth reporting.
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    pub start: usize,
    pub len: usize,
}

impl Piece {
    /// The piece that `:binary.part/3` takes of a binary of `size` bytes: a negative `length` is the
    /// bytes before `position`.
    #[inline]
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
    #[inline]
    pub fn range(self) -> std::ops::Range<usize> {
        self.start..self.start + self.len
    }
}

/// Pieces of one binary that are cut in one call.
#[derive(Debug, Default)]
pub struct Plan {
    pieces: SmallVec<[Piece; INLINE_PIECES]>,
}

impl Plan {
    /// An empty plan.
    #[inline]
    pub fn new() -> Plan {
        Plan::default()
    }

    /// Adds a piece; returns whether the number of pieces still suits one call.
    #[inline]
    pub fn push(&mut self, piece: Piece) -> bool {
        self.pieces.push(piece);
        self.pieces.len() <= PLAN_PIECES
    }

    /// The pieces in the order in which they were added.
    #[inline]
    pub fn pieces(&self) -> &[Piece] {
        self.pieces.as_slice()
    }

    /// The extent of all pieces. Computed in one go, since it would slow down reading each piece.
    #[inline]
    pub fn extent(&self) -> Extent {
        let mut extent = Extent::default();
        let (mut start, mut end) = (usize::MAX, 0);
        for piece in self.pieces() {
            start = start.min(piece.start);
            end = end.max(piece.range().end);
            extent.total = extent.total.saturating_add(piece.len);
            if piece.len > HEAP_MAX {
                extent.block = extent.block.saturating_add(piece.len);
            }
        }
        extent.span = Piece {
            start: start.min(end),
            len: end.saturating_sub(start),
        };
        extent
    }
}

/// The extent of the pieces of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// From the first byte of any piece to the last.
    pub span: Piece,
    /// Bytes of all pieces.
    pub total: usize,
    /// Bytes of the pieces that are no heap binaries: what one block shared by all of them takes.
    pub block: usize,
}

impl Extent {
    /// Whether it is still one call's work.
    pub fn fits(&self) -> bool {
        self.total <= STEP
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

    fn plan(pieces: &[(usize, usize)]) -> Plan {
        let mut plan = Plan::new();
        for &(start, len) in pieces {
            plan.push(Piece { start, len });
        }
        plan
    }

    #[test]
    fn a_plan_ends_where_one_call_has_enough_to_do() {
        assert!(plan(&[(7, STEP)]).extent().fits());
        assert!(!plan(&[(7, STEP), (0, 1)]).extent().fits());
        assert!(!plan(&[(0, usize::MAX), (0, usize::MAX)]).extent().fits());

        let mut plan = Plan::new();
        let nothing = Piece::default();
        assert!((0..PLAN_PIECES).all(|_| plan.push(nothing)));
        assert!(!plan.push(nothing));
        assert!(plan.extent().fits());
    }

    #[test]
    fn the_extent_of_a_plan_spans_its_pieces_in_any_order() {
        let extent = plan(&[(500, 100), (20, 64), (30, 65), (590, 20)]).extent();
        assert_eq!(
            extent,
            Extent {
                span: Piece {
                    start: 20,
                    len: 590
                },
                total: 249,
                block: 165,
            }
        );
        assert_eq!(plan(&[]).extent(), Extent::default());
        let empty = Piece { start: 9, len: 0 };
        assert_eq!(plan(&[(9, 0)]).extent().span, empty);
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

        #[test]
        fn every_piece_lies_within_the_span(pieces in proptest::collection::vec((0..STEP, 0..STEP), 0..100)) {
            let plan = plan(&pieces);
            let extent = plan.extent();
            proptest::prop_assert_eq!(plan.pieces().len(), pieces.len());
            for piece in plan.pieces() {
                let (within, around) = (piece.range(), extent.span.range());
                proptest::prop_assert!(around.start <= within.start && within.end <= around.end);
            }
            proptest::prop_assert!(extent.block <= extent.total);
        }
    }
}
