//! A stack with look-up by hash: among equal keys, the last one pushed is found.

use crate::arena::account::{Account, Refusal};
use crate::arena::charged_vec::ChargedVec;
use crate::sync::Arc;

const NONE: u32 = u32::MAX;
const FEWEST_HEADS: usize = 16;

/// An index of a stack that the caller keeps: number `n` is its item `n`. It finds the latest items with a hash, in chains, and stores
/// no keys: the caller compares them.
#[derive(Debug)]
pub(super) struct HashStack {
    /// The last number of each chain; a power of two of them, at least one for each number.
    heads: ChargedVec<u32>,
    /// Of each number, the one before it in its chain.
    before: ChargedVec<u32>,
}

impl HashStack {
    pub fn new(account: &Arc<Account>) -> HashStack {
        HashStack {
            heads: ChargedVec::new(account),
            before: ChargedVec::new(account),
        }
    }

    /// Makes room for one more, so that pushing it is not refused. `hash_of(n)` is the hash of item `n`, needed when the table
    /// grows.
    pub fn reserve(&mut self, hash_of: impl Fn(usize) -> u64) -> Result<(), Refusal> {
        let count = self.before.len();
        self.before.reserve(1)?;
        if count < self.heads.len() {
            return Ok(());
        }
        let size = (2 * count).max(FEWEST_HEADS).next_power_of_two();
        self.heads.reserve(size - self.heads.len())?;
        self.heads.fill(NONE);
        while self.heads.len() < size {
            self.heads.push(NONE)?;
        }
        self.before.clear();
        for number in 0..count {
            self.push(hash_of(number))?;
        }
        Ok(())
    }

    /// Adds the next number.
    pub fn push(&mut self, hash: u64) -> Result<(), Refusal> {
        let number = self.before.len() as u32;
        let head = self.head(hash);
        self.before.push(self.heads[head])?;
        self.heads[head] = number;
        Ok(())
    }

    /// Removes the last number, whose hash this is.
    pub fn pop(&mut self, hash: u64) {
        if let Some(before) = self.before.pop() {
            let head = self.head(hash);
            self.heads[head] = before;
        }
    }

    /// The last number in the chain of `hash` for which `is` holds.
    pub fn find(&self, hash: u64, is: impl Fn(usize) -> bool) -> Option<usize> {
        if self.before.is_empty() {
            return None;
        }
        let mut number = self.heads[self.head(hash)];
        while let Some(&before) = self.before.get(number as usize) {
            if is(number as usize) {
                return Some(number as usize);
            }
            number = before;
        }
        None
    }

    fn head(&self, hash: u64) -> usize {
        hash as usize & (self.heads.len() - 1)
    }
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_a_kind_is_found_until_it_is_gone() {
        let mut stack = HashStack::new(&Account::root());
        assert_eq!(stack.find(3, |_| true), None);
        // Hashes come again after ten numbers, in other chains as the table grows.
        let hash = |number: usize| (number % 10) as u64 * 7;
        for number in 0..1000 {
            stack.reserve(hash).unwrap();
            stack.push(hash(number)).unwrap();
            assert_eq!(stack.find(hash(number), |_| true), Some(number));
            let same = |at: usize| hash(at) == hash(number / 2);
            let last = (0..=number).rev().find(|&at| same(at));
            assert_eq!(stack.find(hash(number / 2), same), last);
        }
        for number in (0..1000).rev() {
            let same = |at: usize| hash(at) == hash(number);
            assert_eq!(stack.find(hash(number), same), Some(number));
            stack.pop(hash(number));
        }
        assert_eq!(stack.find(0, |_| true), None);
    }
}
