//! A stack that grows without moving: charged memory in blocks of at most 64 KiB.
//!
//! A vector of megabytes copies them when it grows, which is too much for one NIF call.

use crate::arena::account::{Account, Refusal};
use crate::arena::charged_vec::ChargedVec;
use crate::sync::Arc;
use std::mem;

const BLOCK_BYTES: usize = 65_536;

/// The block on top, and the full ones below it. The one on top is empty only where the stack is, and no block has room for more
/// than `BLOCK` items.
#[derive(Debug)]
pub struct ChunkedStack<T> {
    top: ChargedVec<T>,
    full: ChargedVec<ChargedVec<T>>,
    /// Items in the full blocks.
    below: usize,
    /// An empty block for what comes on top of a full one.
    spare: Option<ChargedVec<T>>,
}

impl<T> ChunkedStack<T> {
    const BLOCK: usize = BLOCK_BYTES / size_of::<T>();

    /// Nothing allocated, nothing charged.
    pub fn new(account: &Arc<Account>) -> ChunkedStack<T> {
        ChunkedStack {
            top: ChargedVec::new(account),
            full: ChargedVec::new(account),
            below: 0,
            spare: None,
        }
    }

    #[inline(always)]
    pub fn len(&self) -> usize {
        self.below + self.top.len()
    }

    pub fn is_empty(&self) -> bool {
        self.top.is_empty()
    }

    /// Makes room for `additional` items, or what is left of the block on top, and for one item at least, so that adding
    /// them cannot be refused.
    #[inline(always)]
    pub fn reserve(&mut self, additional: usize) -> Result<(), Refusal> {
        // How many items can be added to the block on top.
        let room = self.top.capacity() - self.top.len();
        if additional > room {
            self.reserve_slowly(additional)?;
        }
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn reserve_slowly(&mut self, additional: usize) -> Result<(), Refusal> {
        let room = Self::BLOCK - self.top.len();
        if room > 0 {
            return self.top.reserve_within(additional.min(room), Self::BLOCK);
        }
        if self.spare.is_none() {
            let mut block = ChargedVec::new(self.top.account());
            block.reserve(1)?;
            self.spare = Some(block);
        }
        self.full.reserve(1)
    }

    /// Puts one item on top. Refused, the stack stays as it was.
    #[inline(always)]
    pub fn push(&mut self, item: T) -> Result<(), Refusal> {
        if self.top.len() == self.top.capacity() {
            self.begin_block()?;
        }
        self.top.push(item)
    }

    #[cold]
    #[inline(never)]
    fn begin_block(&mut self) -> Result<(), Refusal> {
        self.reserve_slowly(1)?;
        if self.top.len() < Self::BLOCK {
            return Ok(());
        }
        match self.spare.take() {
            Some(block) => {
                self.full.push(mem::replace(&mut self.top, block))?;
                self.below += Self::BLOCK;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Takes the topmost item off.
    #[inline(always)]
    pub fn pop(&mut self) -> Option<T> {
        let item = self.top.pop();
        if self.top.is_empty() {
            self.end_block();
        }
        item
    }

    #[cold]
    fn end_block(&mut self) {
        if let Some(block) = self.full.pop() {
            self.below -= Self::BLOCK;
            self.spare = Some(mem::replace(&mut self.top, block));
        }
    }

    /// The topmost item.
    #[inline(always)]
    pub fn last(&self) -> Option<&T> {
        self.top.last()
    }

    #[inline(always)]
    pub fn last_mut(&mut self) -> Option<&mut T> {
        self.top.last_mut()
    }

    /// The item with `index` others below it.
    pub fn get(&self, index: usize) -> Option<&T> {
        match self.full.get(index / Self::BLOCK) {
            Some(block) => block.get(index % Self::BLOCK),
            None => self.top.get(index - self.below),
        }
    }
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Three items a block.
    type Large = [u8; BLOCK_BYTES / 3];

    fn large(n: u8) -> Large {
        [n; BLOCK_BYTES / 3]
    }

    #[test]
    fn gives_back_in_reverse_what_was_pushed_over_all_blocks() {
        let root = Account::root();
        let mut stack = ChunkedStack::<u32>::new(&root);
        for n in 0..100_000 {
            stack.push(n).unwrap();
            assert_eq!(stack.last(), Some(&n));
        }
        assert_eq!(stack.len(), 100_000);
        for n in [0, 1, 16_383, 16_384, 16_385, 99_999] {
            assert_eq!(stack.get(n as usize), Some(&n));
        }
        assert_eq!(stack.get(100_000), None);
        for n in (0..100_000).rev() {
            assert_eq!(stack.pop(), Some(n));
            assert_eq!(stack.last().copied(), n.checked_sub(1));
        }
        assert!(stack.is_empty());
        assert_eq!((stack.pop(), stack.get(0)), (None, None));
        drop(stack);
        assert_eq!(root.reserved(), 0);
    }

    #[test]
    fn an_item_that_comes_and_goes_over_a_full_block_takes_no_new_memory() {
        let root = Account::root();
        let mut stack = ChunkedStack::<Large>::new(&root);
        for n in 0..4 {
            stack.push(large(n)).unwrap();
        }
        let held = root.reserved();
        for n in 0..10 {
            assert!(stack.pop().is_some());
            assert_eq!(stack.len(), 3);
            stack.push(large(n)).unwrap();
            assert_eq!(root.reserved(), held);
        }
    }

    #[test]
    fn what_was_reserved_is_not_refused_and_what_is_refused_changes_nothing() {
        let account = Account::child(&Account::root(), 200_000);
        let mut stack = ChunkedStack::<Large>::new(&account);
        let mut count = 0;
        while stack.reserve(1).is_ok() {
            let held = account.reserved();
            stack.push(large(count)).unwrap();
            assert_eq!(account.reserved(), held);
            count += 1;
        }
        assert!(count > 3, "{count}");
        assert!(stack.push(large(count)).is_err());
        assert_eq!(stack.len(), usize::from(count));
        for n in (0..count).rev() {
            assert_eq!(stack.pop().map(|item| item[0]), Some(n));
        }
    }
}
