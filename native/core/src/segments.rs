//! A sequence that grows without moving: charged memory in blocks of at most 64 KiB.
//!
//! A vector of 16 MiB copies megabytes when it grows, which is too much for one NIF call.

use crate::charged::ChargedVec;
use crate::quota::{Account, Refusal};
use crate::sync::Arc;

const BLOCK_BYTES: usize = 65_536;

/// Items in blocks; all but the last block are full.
#[derive(Debug)]
pub struct Segments<T> {
    blocks: ChargedVec<ChargedVec<T>>,
    len: usize,
}

impl<T: Copy> Segments<T> {
    /// Items of one block.
    const BLOCK: usize = BLOCK_BYTES / size_of::<T>();

    /// Nothing allocated, nothing charged.
    pub fn new(account: &Arc<Account>) -> Segments<T> {
        Segments {
            blocks: ChargedVec::new(account),
            len: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The item at `index`, if there is one.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&T> {
        self.blocks
            .get(index / Self::BLOCK)?
            .get(index % Self::BLOCK)
    }

    /// The last item, if there is one.
    #[inline]
    pub fn last_mut(&mut self) -> Option<&mut T> {
        self.blocks[..]
            .iter_mut()
            .rev()
            .find_map(|block| block.last_mut())
    }

    /// Adds one item, or, refused, nothing.
    #[inline(always)]
    pub fn push(&mut self, item: T) -> Result<(), Refusal> {
        match self.blocks.last_mut() {
            Some(last) if last.len() < last.capacity() && last.len() < Self::BLOCK => {
                last.push(item)?;
                self.len += 1;
                Ok(())
            }
            _ => self.extend(&[item]).map(|_| ()),
        }
    }

    /// Adds all of `items` if there is room for them in the current block; says where they are.
    #[inline(always)]
    pub fn append(&mut self, items: &[T]) -> Option<usize> {
        let last = self.blocks.last_mut()?;
        let room = last.capacity().min(Self::BLOCK) - last.len();
        if items.len() > room {
            return None;
        }
        last.extend_from_slice(items).ok()?;
        let start = self.len;
        self.len += items.len();
        Some(start)
    }

    /// Adds as many of `items` as the current block has room for, at least one; says how many.
    #[inline]
    pub fn extend(&mut self, items: &[T]) -> Result<usize, Refusal> {
        let block = self.len / Self::BLOCK;
        if block == self.blocks.len() {
            let first = ChargedVec::new(self.blocks.account());
            self.blocks.push(first)?;
        }
        let count = items.len().min(Self::BLOCK - self.len % Self::BLOCK);
        let block = &mut self.blocks[block];
        let wanted = block.len() + count;
        if wanted > block.capacity() {
            // Small at first, then by doubling: a block never copies more than half of itself.
            let roomy = (2 * wanted).clamp(Self::BLOCK / 32, Self::BLOCK);
            block.reserve(roomy.max(wanted) - block.len())?;
        }
        block.extend_from_slice(&items[..count])?;
        self.len += count;
        Ok(count)
    }

    /// `len` items from `start` on, if they are all in one block.
    #[inline(always)]
    pub fn slice(&self, start: usize, len: usize) -> Option<&[T]> {
        let from = start % Self::BLOCK;
        self.blocks
            .get(start / Self::BLOCK)?
            .get(from..from.checked_add(len)?)
    }

    /// The items from `start` on, `len` of them at most, block by block.
    pub fn slices(&self, start: usize, len: usize) -> impl Iterator<Item = &[T]> {
        let end = start.saturating_add(len).min(self.len);
        let mut at = start.min(end);
        std::iter::from_fn(move || {
            let block = self.blocks.get(at / Self::BLOCK)?;
            let from = at % Self::BLOCK;
            let to = block.len().min(from + (end - at));
            at += to - from;
            (to > from).then(|| &block[from..to])
        })
    }

    /// Removes every item; keeps the first block's memory.
    pub fn clear(&mut self) {
        self.blocks.truncate(1);
        if let Some(first) = self.blocks.first_mut() {
            first.clear();
        }
        self.len = 0;
    }
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn collected(segments: &Segments<u8>, start: usize, len: usize) -> Vec<u8> {
        segments.slices(start, len).flatten().copied().collect()
    }

    #[test]
    fn reads_back_across_blocks_what_was_written() {
        let root = Account::root();
        let mut segments = Segments::new(&root);
        let bytes: Vec<u8> = (0..200_000u32).map(|n| (n % 251) as u8).collect();
        let mut written = 0;
        while written < bytes.len() {
            written += segments.extend(&bytes[written..]).unwrap();
        }
        assert_eq!(segments.len(), bytes.len());
        assert_eq!(collected(&segments, 0, bytes.len()), bytes);
        assert_eq!(collected(&segments, 65_530, 70_000), bytes[65_530..135_530]);
        assert_eq!(collected(&segments, 199_999, 10), bytes[199_999..]);
        assert_eq!(segments.slice(65_530, 6), Some(&bytes[65_530..65_536]));
        assert_eq!(segments.slice(65_530, 7), None);
        assert_eq!(segments.slice(65_536, 7), Some(&bytes[65_536..65_543]));
        assert_eq!(segments.slice(199_999, 2), None);
        assert_eq!(segments.get(131_072), Some(&bytes[131_072]));
        assert_eq!(segments.get(200_000), None);
    }

    #[test]
    fn appends_where_there_is_room_for_all() {
        let root = Account::root();
        let mut segments = Segments::new(&root);
        assert_eq!(segments.append(b"abc"), None);
        let mut expected = Vec::new();
        for n in 0..100_000u32 {
            let part = n.to_le_bytes();
            match segments.append(&part) {
                Some(start) => assert_eq!(start, expected.len()),
                None => {
                    let count = segments.extend(&part).unwrap();
                    for &byte in &part[count..] {
                        segments.push(byte).unwrap();
                    }
                }
            }
            expected.extend(part);
        }
        assert_eq!(segments.len(), expected.len());
        assert_eq!(collected(&segments, 0, usize::MAX), expected);
    }

    #[test]
    fn clearing_keeps_one_block_and_dropping_refunds_everything() {
        let root = Account::root();
        let mut segments = Segments::new(&root);
        for n in 0..100_000u64 {
            segments.push(n).unwrap();
        }
        assert!(root.reserved() >= 800_000);
        segments.clear();
        assert!(segments.is_empty());
        assert!(root.reserved() < 70_000);
        segments.push(7).unwrap();
        *segments.last_mut().unwrap() += 1;
        assert_eq!(segments.get(0), Some(&8));
        drop(segments);
        assert_eq!(root.reserved(), 0);
    }

    #[test]
    fn refused_it_keeps_what_it_had() {
        let account = Account::child(&Account::root(), 100_000);
        let mut segments = Segments::<u8>::new(&account);
        let mut written = 0;
        let refused = loop {
            match segments.extend(&[1; 10_000]) {
                Ok(count) => written += count,
                Err(refusal) => break refusal,
            }
        };
        assert_eq!(refused.limit, 100_000);
        assert_eq!(segments.len(), written);
        assert_eq!(collected(&segments, 0, usize::MAX), vec![1; written]);
    }
}
