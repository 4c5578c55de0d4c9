//! A sequence that grows without moving: charged memory in blocks of at most 64 KiB.
//!
//! A vector of 16 MiB copies megabytes when it grows, which is too much for one NIF call.

use crate::arena::account::{Account, Refusal};
use crate::arena::charged_vec::ChargedVec;
use crate::sync::Arc;

const BLOCK_BYTES: usize = 65_536;

/// Items in blocks; all but the last block are full.
#[derive(Debug)]
pub struct ChunkedBuf {
    blocks: ChargedVec<ChargedVec<u8>>,
    len: usize,
}

impl ChunkedBuf {
    /// Nothing allocated, nothing charged.
    pub fn new(account: &Arc<Account>) -> ChunkedBuf {
        ChunkedBuf {
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

    /// Adds as many of `items` as the current block has room for, at least one; returns how many.
    #[inline]
    pub fn extend(&mut self, items: &[u8]) -> Result<usize, Refusal> {
        // The usual case: all of them fit in the block that is being filled, and it need not grow.
        let end = self.len % BLOCK_BYTES + items.len();
        if let Some(last) = self.blocks.last_mut()
            && end <= last.capacity().min(BLOCK_BYTES)
            && last.len() + items.len() == end
        {
            last.extend_from_slice(items)?;
            self.len += items.len();
            return Ok(items.len());
        }
        self.extend_blocks(items)
    }

    #[inline(never)]
    fn extend_blocks(&mut self, items: &[u8]) -> Result<usize, Refusal> {
        let block = self.len / BLOCK_BYTES;
        if block == self.blocks.len() {
            let first = ChargedVec::new(self.blocks.account());
            self.blocks.push(first)?;
        }
        let count = items.len().min(BLOCK_BYTES - self.len % BLOCK_BYTES);
        let block = &mut self.blocks[block];
        let wanted = block.len() + count;
        if wanted > block.capacity() {
            // Small at first, then by doubling: a block never copies more than half of itself.
            let roomy = (2 * wanted).clamp(BLOCK_BYTES / 32, BLOCK_BYTES);
            block.reserve(roomy.max(wanted) - block.len())?;
        }
        block.extend_from_slice(&items[..count])?;
        self.len += count;
        Ok(count)
    }

    /// The items from `start` on, `len` of them at most, block by block.
    pub fn slices(&self, start: usize, len: usize) -> impl Iterator<Item = &[u8]> {
        let end = start.saturating_add(len).min(self.len);
        let mut at = start.min(end);
        std::iter::from_fn(move || {
            let block = self.blocks.get(at / BLOCK_BYTES)?;
            let from = at % BLOCK_BYTES;
            let to = block.len().min(from + (end - at));
            at += to - from;
            (to > from).then(|| &block[from..to])
        })
    }

    /// The `len` items from `start` on if one block has all of them.
    #[inline]
    pub fn slice(&self, start: usize, len: usize) -> Option<&[u8]> {
        let from = start % BLOCK_BYTES;
        self.blocks.get(start / BLOCK_BYTES)?.get(from..from + len)
    }

    /// Writes `items` over others, which are in one block.
    pub fn overwrite(&mut self, start: usize, items: &[u8]) {
        let from = start % BLOCK_BYTES;
        let target = self
            .blocks
            .get_mut(start / BLOCK_BYTES)
            .and_then(|block| block.get_mut(from..from + items.len()));
        debug_assert!(target.is_some());
        if let Some(target) = target {
            target.copy_from_slice(items);
        }
    }

    /// Removes the items from `len` on.
    pub fn truncate(&mut self, len: usize) {
        if len >= self.len {
            return;
        }
        self.blocks.truncate(len / BLOCK_BYTES + 1);
        if let Some(last) = self.blocks.last_mut() {
            last.truncate(len % BLOCK_BYTES);
        }
        self.len = len;
    }

    /// Removes every item; keeps the first block's memory.
    #[inline]
    pub fn clear(&mut self) {
        if self.len == 0 {
            return;
        }
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

    fn collected(segments: &ChunkedBuf, start: usize, len: usize) -> Vec<u8> {
        segments.slices(start, len).flatten().copied().collect()
    }

    #[test]
    fn reads_back_across_blocks_what_was_written() {
        let root = Account::root();
        let mut segments = ChunkedBuf::new(&root);
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
        assert_eq!(segments.slice(65_536, 9), Some(&bytes[65_536..65_545]));
        assert_eq!(segments.slice(65_530, 7), None);
        assert_eq!(segments.slice(199_999, 2), None);
        assert_eq!(segments.slice(300_000, 1), None);
    }

    #[test]
    fn clearing_keeps_one_block_and_dropping_refunds_everything() {
        let root = Account::root();
        let mut segments = ChunkedBuf::new(&root);
        let mut written = 0;
        while written < 800_000 {
            written += segments.extend(&[1; 1_000]).unwrap();
        }
        assert!(root.reserved() >= 800_000);
        segments.clear();
        assert!(segments.is_empty());
        assert!(root.reserved() < 2 * BLOCK_BYTES as u64);
        segments.extend(b"again").unwrap();
        assert_eq!(collected(&segments, 0, usize::MAX), b"again");
        drop(segments);
        assert_eq!(root.reserved(), 0);
    }

    #[test]
    fn parts_are_written_over_and_the_end_is_removed() {
        let root = Account::root();
        let mut segments = ChunkedBuf::new(&root);
        let mut written = 0;
        while written < 200_000 {
            written += segments.extend(&[1; 1_000]).unwrap();
        }
        segments.overwrite(65_536, &[2, 3]);
        assert_eq!(collected(&segments, 65_535, 4), [1, 2, 3, 1]);
        for len in [150_000, 131_072, 131_071, 65_537, 65_536, 1, 0] {
            segments.truncate(len);
            assert_eq!(segments.len(), len);
            assert_eq!(collected(&segments, 0, usize::MAX).len(), len);
            assert!(root.reserved() <= (len + 2 * BLOCK_BYTES + 1_000) as u64);
            segments.extend(b"x").unwrap();
            assert_eq!(collected(&segments, len, 9), b"x");
        }
    }

    #[test]
    fn refused_it_keeps_what_it_had() {
        let account = Account::child(&Account::root(), 100_000);
        let mut segments = ChunkedBuf::new(&account);
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
