//! A vector whose memory is charged to an account before it is allocated.

use crate::arena::account::{Account, Kind, Refusal, Reservation, UNLIMITED};
use crate::sync::Arc;
use std::ops::{Deref, DerefMut};

/// Growing by a quarter keeps appending linear without ever holding twice what is needed.
const GROWTH_DIVISOR: usize = 4;

/// A `Vec` that asks its account for every byte of its capacity.
///
/// While a growing vector moves, its old block exists beside the new one for the time of one copy: both are charged
/// until the old one is freed. So the most that a vector comes to is half of what its account has left, and its owner
/// never holds more than was granted.
#[derive(Debug)]
pub struct ChargedVec<T> {
    items: Vec<T>,
    reservation: Reservation,
}

impl<T> ChargedVec<T> {
    /// An empty vector: nothing allocated, nothing charged.
    pub fn new(account: &Arc<Account>) -> ChargedVec<T> {
        ChargedVec {
            items: Vec::new(),
            reservation: Reservation::empty(account, Kind::Native),
        }
    }

    /// The account that pays for it.
    pub fn account(&self) -> &Arc<Account> {
        self.reservation.account()
    }

    /// How many items fit before it must grow.
    pub fn capacity(&self) -> usize {
        self.items.capacity()
    }

    /// Makes room for `additional` items, so that adding them cannot be refused.
    ///
    /// Refused, it stays as it was.
    #[inline]
    pub fn reserve(&mut self, additional: usize) -> Result<(), Refusal> {
        self.reserve_within(additional, usize::MAX)
    }

    /// The same, with no room for more than `most` items in all but where `additional` asks for it.
    #[inline]
    pub fn reserve_within(&mut self, additional: usize, most: usize) -> Result<(), Refusal> {
        if additional > self.items.capacity() - self.items.len() {
            self.grow(additional, most)?;
        }
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, additional: usize, most: usize) -> Result<(), Refusal> {
        let held = self.items.capacity();
        let needed = self.items.len().saturating_add(additional);
        let roomy = needed.max((held + held / GROWTH_DIVISOR).min(most));
        // Near the limit, what is needed may still fit where a quarter more does not.
        let target = match self.reservation.try_grow(bytes_of::<T>(roomy)) {
            Ok(()) => roomy,
            Err(_) => {
                self.reservation.try_grow(bytes_of::<T>(needed))?;
                needed
            }
        };
        let grown = self.items.try_reserve_exact(target - self.items.len());
        let charged = self.reservation.bytes();
        // One of the two blocks is gone, which is never refused.
        self.charge_capacity()?;
        grown.map_err(|_| Refusal {
            requested: charged,
            limit: UNLIMITED,
            used: self.account().reserved(),
        })
    }

    /// Adds one item at the end. Inlined, since an item that was just put together would stall the
    /// processor when it is copied by more bytes than it was written by.
    #[inline(always)]
    pub fn push(&mut self, item: T) -> Result<(), Refusal> {
        self.reserve(1)?;
        self.items.push(item);
        Ok(())
    }

    /// Takes the last item off.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        self.items.pop()
    }

    /// Keeps the first `len` items; keeps the capacity.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        self.items.truncate(len);
    }

    /// Removes every item; keeps the capacity.
    #[inline]
    pub fn clear(&mut self) {
        self.items.clear();
    }

    /// Removes the first `count` items, at most all of them; keeps the capacity.
    pub fn drain_front(&mut self, count: usize) {
        self.items.drain(..count.min(self.items.len()));
    }

    /// Gives memory back until room for `capacity` items, or for those it holds, is left.
    ///
    /// The smaller block is charged beside the one it replaces. Refused, the vector stays as it was.
    pub fn shrink_to(&mut self, capacity: usize) {
        let smaller = capacity.max(self.items.len());
        if self.items.capacity() > smaller
            && self.reservation.try_grow(bytes_of::<T>(smaller)).is_ok()
        {
            self.items.shrink_to(smaller);
            // Less than before is never refused.
            let _ = self.charge_capacity();
        }
    }

    fn charge_capacity(&mut self) -> Result<(), Refusal> {
        self.reservation
            .try_resize(bytes_of::<T>(self.items.capacity()))
    }
}

impl<T: Copy> ChargedVec<T> {
    /// Adds a copy of `items` at the end: all of them or, refused, none.
    #[inline]
    pub fn extend_from_slice(&mut self, items: &[T]) -> Result<(), Refusal> {
        self.reserve(items.len())?;
        self.items.extend_from_slice(items);
        Ok(())
    }
}

impl<T> Deref for ChargedVec<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        &self.items
    }
}

impl<T> DerefMut for ChargedVec<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.items
    }
}

fn bytes_of<T>(items: usize) -> u64 {
    (items as u64).saturating_mul(size_of::<T>() as u64)
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_capacity_is_charged_and_refunded() {
        let root = Account::root();
        let mut vec = ChargedVec::<u32>::new(&root);
        assert_eq!(root.reserved(), 0);
        for n in 0..1000 {
            vec.push(n).unwrap();
            assert_eq!(root.reserved(), vec.capacity() as u64 * 4);
        }
        vec.drain_front(990);
        vec.shrink_to(0);
        assert_eq!(vec[..], [990, 991, 992, 993, 994, 995, 996, 997, 998, 999]);
        assert_eq!(root.reserved(), vec.capacity() as u64 * 4);
        assert!(vec.capacity() < 1000);
        drop(vec);
        assert_eq!(root.reserved(), 0);
    }

    #[test]
    fn grows_by_at_most_a_quarter_beyond_what_is_needed() {
        let root = Account::root();
        let mut vec = ChargedVec::<u8>::new(&root);
        vec.extend_from_slice(&[0; 1000]).unwrap();
        assert_eq!(vec.capacity(), 1000);
        vec.push(0).unwrap();
        assert_eq!(vec.capacity(), 1250);
        vec.extend_from_slice(&[0; 1000]).unwrap();
        assert_eq!(vec.capacity(), 2001);
        // The block that it had, and the one that it moved to.
        assert_eq!(root.usage().peak, 1250 + 2001);
        assert_eq!(root.reserved(), 2001);
    }

    #[test]
    fn refused_it_stays_as_it_was() {
        let account = Account::child(&Account::root(), 100);
        let mut vec = ChargedVec::<u8>::new(&account);
        vec.extend_from_slice(&[7; 90]).unwrap();
        let refusal = vec.extend_from_slice(&[8; 11]).unwrap_err();
        assert_eq!(refusal.limit, 100);
        assert_eq!(vec[..], [7; 90]);
        assert_eq!(account.reserved(), 90);
        vec.drain_front(50);
        vec.extend_from_slice(&[8; 11]).unwrap();
        assert_eq!(vec.len(), 51);
    }

    #[test]
    fn a_quarter_too_much_does_not_refuse_what_would_fit() {
        // Of 100 and 110 bytes, but not of 100 and 125.
        let account = Account::child(&Account::root(), 210);
        let mut vec = ChargedVec::<u8>::new(&account);
        vec.extend_from_slice(&[7; 100]).unwrap();
        vec.extend_from_slice(&[8; 10]).unwrap();
        assert_eq!(account.reserved(), 110);
    }

    #[test]
    fn it_moves_only_where_both_blocks_fit() {
        let account = Account::child(&Account::root(), 209);
        let mut vec = ChargedVec::<u8>::new(&account);
        vec.extend_from_slice(&[7; 100]).unwrap();
        assert!(vec.extend_from_slice(&[8; 10]).is_err());
        assert_eq!((vec.len(), account.reserved()), (100, 100));
        vec.truncate(4);
        vec.shrink_to(0);
        assert_eq!(account.reserved(), vec.capacity() as u64);
        assert!(vec.capacity() < 100);
        assert_eq!(vec[..], [7; 4]);
    }

    #[test]
    fn where_the_smaller_block_does_not_fit_it_keeps_the_larger_one() {
        let account = Account::child(&Account::root(), 110);
        let mut vec = ChargedVec::<u8>::new(&account);
        vec.extend_from_slice(&[7; 100]).unwrap();
        vec.truncate(20);
        vec.shrink_to(0);
        assert_eq!((vec.capacity(), account.reserved()), (100, 100));
        assert_eq!(vec[..], [7; 20]);
    }

    #[test]
    fn absurd_sizes_are_refused_rather_than_tried() {
        let mut vec = ChargedVec::<u64>::new(&Account::root());
        assert!(vec.reserve(usize::MAX).is_err());
        assert!(vec.reserve(usize::MAX / 16).is_err());
        assert_eq!(vec.capacity(), 0);
    }

    #[test]
    fn reads_and_writes_like_a_slice() {
        let mut vec = ChargedVec::new(&Account::root());
        vec.extend_from_slice(b"abc").unwrap();
        vec[1] = b'x';
        assert_eq!(&vec[..], b"axc");
        assert_eq!(vec.pop(), Some(b'c'));
        vec.truncate(1);
        assert_eq!(&vec[..], b"a");
        vec.clear();
        assert_eq!(vec.pop(), None);
    }
}
