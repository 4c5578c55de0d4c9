//! Bytes that grow by a little at a time, however many they are.
//!
//! A vector of megabytes that grows moves, all of it at once: too much for one NIF call. Here a larger block
//! is made while there is still room in the smaller one, and filled along with what is added.
//!
//! ```text
//! bytes:  | all that there is .............. | room |
//! next:   | moved ...... |                                |
//! ```

use crate::arena::account::{Account, Refusal};
use crate::arena::charged_vec::ChargedVec;
use crate::sync::Arc;
use std::ops::Deref;

/// A block of this many bytes, or of fewer, moves at once.
const SMALL: usize = 256 * 1024;

/// Blocks grow by a quarter, and begin to move when a fifth of them is free: just full, the next one
/// begins to move in its turn.
const GROWTH_DIVISOR: usize = 4;

/// If growing by a quarter is refused, less is tried: an eighth, then a sixteenth.
const LESS: [usize; 3] = [GROWTH_DIVISOR, 2 * GROWTH_DIVISOR, 4 * GROWTH_DIVISOR];

/// The content moves in steps, each after at least this many bytes were added.
const STEP: usize = 4096;

/// Bytes, all in a row.
#[derive(Debug)]
pub struct IncrementalBuf {
    bytes: ChargedVec<u8>,
    /// Holds nothing, or the first of `bytes`.
    next: ChargedVec<u8>,
    /// Up to how many bytes there is nothing to do but add them; never beyond the capacity.
    calm: usize,
    /// No room is made beforehand for more bytes than this.
    most: usize,
}

impl IncrementalBuf {
    /// Nothing allocated, nothing charged; for about `most` bytes.
    pub fn new(account: &Arc<Account>, most: usize) -> IncrementalBuf {
        IncrementalBuf {
            bytes: ChargedVec::new(account),
            next: ChargedVec::new(account),
            calm: 0,
            most,
        }
    }

    /// The account that pays for it.
    pub fn account(&self) -> &Arc<Account> {
        self.bytes.account()
    }

    /// Makes room for `additional` bytes, so that adding them cannot be refused.
    ///
    /// Refused, it stays as it was.
    #[inline]
    pub fn reserve(&mut self, additional: usize) -> Result<(), Refusal> {
        if self.bytes.len() + additional <= self.calm {
            return Ok(());
        }
        self.prepare(additional)
    }

    /// Adds a copy of `bytes` at the end: all of them or, refused, none.
    #[inline]
    pub fn extend_from_slice(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.reserve(bytes.len())?;
        self.bytes.extend_from_slice(bytes)
    }

    /// Adds one byte at the end.
    #[inline]
    pub fn push(&mut self, byte: u8) -> Result<(), Refusal> {
        self.reserve(1)?;
        self.bytes.push(byte)
    }

    /// Takes the last byte off.
    #[inline]
    pub fn pop(&mut self) -> Option<u8> {
        let byte = self.bytes.pop();
        self.next.truncate(self.bytes.len());
        byte
    }

    /// Keeps the first `len` bytes.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
        self.next.truncate(len);
    }

    /// Removes every byte; keeps the capacity.
    #[inline]
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.settle();
    }

    /// Nothing more is to come: gives back what was made for more.
    #[inline]
    pub fn settle(&mut self) {
        if self.is_moving() {
            self.stay();
        }
    }

    #[cold]
    fn stay(&mut self) {
        self.next = ChargedVec::new(self.bytes.account());
        self.calm = self.calm_of(self.bytes.capacity());
    }

    #[cold]
    fn prepare(&mut self, additional: usize) -> Result<(), Refusal> {
        let held = self.bytes.capacity();
        let needed = self.bytes.len().saturating_add(additional);
        if !self.is_moving() && needed > self.calm_of(held) && held > SMALL {
            // Refused all of them, it goes on where it is for as long as it can.
            let _ = LESS.iter().find(|&divisor| {
                let roomy = held.saturating_add(held / divisor);
                let target = needed.max(roomy.min(self.most));
                self.next.reserve(target).is_ok()
            });
        }
        if self.is_moving() {
            self.advance(additional)?;
        } else {
            self.bytes.reserve(additional)?;
            let capacity = self.bytes.capacity();
            let soon = capacity.min(needed.saturating_add(STEP));
            self.calm = self.calm_of(capacity).max(soon);
        }
        Ok(())
    }

    fn is_moving(&self) -> bool {
        self.next.capacity() > 0
    }

    /// Moves what must have moved once `additional` bytes were added, so that all has moved when the
    /// block is full.
    fn advance(&mut self, additional: usize) -> Result<(), Refusal> {
        let (len, moved) = (self.bytes.len(), self.next.len());
        let room = self.bytes.capacity() - len;
        let step = additional.max(STEP);
        // Bytes that are added until then have to move as well.
        let rest = len - moved;
        let count = match step < room {
            true => ((rest + room) as u64 * step as u64).div_ceil(room as u64) as usize,
            false => rest,
        };
        let count = count.min(rest);
        self.next
            .extend_from_slice(&self.bytes[moved..moved + count])?;
        if moved + count < len {
            self.calm = len + step;
            return Ok(());
        }
        let none = ChargedVec::new(self.bytes.account());
        self.bytes = std::mem::replace(&mut self.next, none);
        self.bytes.reserve(additional)?;
        self.calm = self.calm_of(self.bytes.capacity()).max(len + additional);
        Ok(())
    }

    /// Up to how many bytes a block of this capacity only takes more.
    fn calm_of(&self, capacity: usize) -> usize {
        match capacity <= SMALL || capacity >= self.most {
            true => capacity,
            false => capacity - capacity / (GROWTH_DIVISOR + 1),
        }
    }
}

impl Deref for IncrementalBuf {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Bytes whose values depend on their index.
    fn pattern(range: std::ops::Range<usize>) -> Vec<u8> {
        range.map(|at| (at % 251) as u8).collect()
    }

    #[test]
    fn holds_what_was_added_while_it_moves() {
        let root = Account::root();
        for piece in [100, 65_536, 700_000] {
            let mut growing = IncrementalBuf::new(&root, usize::MAX);
            while growing.len() < 2_000_000 {
                let len = growing.len();
                growing
                    .extend_from_slice(&pattern(len..len + piece))
                    .unwrap();
                if piece > 100 || len.is_multiple_of(100_000) {
                    assert!(growing[len / 2..] == pattern(len / 2..len + piece));
                }
            }
            assert!(growing[..] == pattern(0..growing.len()));
        }
        assert_eq!(root.reserved(), 0);
    }

    /// One addition moves a number of bytes in proportion to those that it adds.
    #[test]
    fn never_moves_much_at_once() {
        let mut growing = IncrementalBuf::new(&Account::root(), usize::MAX);
        growing.extend_from_slice(&vec![0; SMALL + 1]).unwrap();
        let piece = 16 * 1024;
        for _ in 0..1000 {
            let (block, moved) = (growing.as_ptr(), growing.next.len());
            growing.extend_from_slice(&vec![1; piece]).unwrap();
            let moves = match growing.as_ptr() == block {
                true => growing.next.len() - moved,
                false => growing.len() - piece - moved,
            };
            // A block without any room, as the first one is, moves at once.
            let len = growing.len();
            assert!(moves <= 7 * piece || len < 2 * SMALL, "{moves} at {len}");
        }
    }

    #[test]
    fn takes_little_more_than_it_may_come_to_hold() {
        let root = Account::root();
        let most = 8_000_000;
        let mut growing = IncrementalBuf::new(&root, most);
        while growing.len() < most {
            growing.extend_from_slice(&[7; 50_000]).unwrap();
            let held = root.reserved() as usize;
            assert!(
                held <= growing.len() * 3 + SMALL && held <= 2 * most,
                "{held}"
            );
        }
        assert_eq!(root.reserved(), most as u64);
        // Room for more is made when more comes.
        growing.push(7).unwrap();
        assert_eq!(growing.len(), most + 1);
    }

    #[test]
    fn what_is_taken_off_while_it_moves_is_gone() {
        let mut growing = IncrementalBuf::new(&Account::root(), usize::MAX);
        while growing.next.is_empty() {
            growing.extend_from_slice(&pattern(0..10_000)).unwrap();
        }
        growing.truncate(5);
        growing.pop();
        growing.push(9).unwrap();
        assert_eq!(growing[..], [0, 1, 2, 3, 9]);
        for _ in 0..300 {
            growing.extend_from_slice(&[3; 10_000]).unwrap();
        }
        assert_eq!(growing[..6], [0, 1, 2, 3, 9, 3]);
        growing.clear();
        assert!(growing.is_empty());
    }

    /// Both blocks of a move are charged: so the most that it comes to hold is half of what there is.
    #[test]
    fn where_two_blocks_do_not_fit_it_is_refused() {
        let account = Account::child(&Account::root(), 1_000_000);
        let mut growing = IncrementalBuf::new(&account, usize::MAX);
        let refused = loop {
            if let Err(refusal) = growing.extend_from_slice(&pattern(0..10_000)) {
                break refusal;
            }
        };
        assert_eq!(refused.limit, 1_000_000);
        assert!(growing.len() > 450_000, "{}", growing.len());
        assert!(account.usage().peak <= 1_000_000);
        assert!(growing[growing.len() - 10_000..] == pattern(0..10_000));
    }
}
