//! Building the index of a window, sixty-four bytes at a time.
#![allow(unsafe_code)]

use crate::xml::simd::positions::{GROUP, Positions};
use crate::xml::simd::vector::{BLOCK, Vector};

/// Blocks of a window. Of one a quarter as large, moving it took a twentieth of the time of a text.
pub(in crate::xml::simd) const BLOCKS: usize = 4 * GROUP;

pub(in crate::xml::simd) type Words = [u64; BLOCKS];

type Block = [u8; BLOCK];

/// The findings of one block.
struct BlockMasks {
    /// `<`, `&`, and the `>` of `]>`.
    markup: u64,
    quotes: u64,
}

/// Given a block, and the one that begins one byte before.
///
/// # Safety
///
/// The processor has the instructions of `V`.
#[inline(always)]
unsafe fn find<V: Vector>(block: &Block, behind: &Block) -> BlockMasks {
    // SAFETY: a block has a whole number of vectors; and by this function's contract.
    unsafe {
        let load = |block: &Block, at: usize| V::load(block.as_ptr().add(at));
        BlockMasks {
            markup: V::word(|at| load(block, at).is_markup(load(behind, at))),
            quotes: V::word(|at| load(block, at).is(b'"')),
        }
    }
}

/// Indexes the window of `text` that begins at `start`. Returns where the window ends, which the room of the index decides.
///
/// # Safety
///
/// The processor has the instructions of `V`.
#[inline(always)]
pub(in crate::xml::simd) unsafe fn build<V: Vector>(
    text: &[u8],
    start: usize,
    positions: &mut Positions,
    quotes: &mut Words,
) -> usize {
    // SAFETY: by this function's contract.
    let find = |block: &Block, behind: &Block| unsafe { find::<V>(block, behind) };
    let text = &text[..text.len().min(start + BLOCKS * BLOCK)];
    let count = (text.len() - start).div_ceil(BLOCK);
    let mut markup = [0; BLOCKS];
    // Behind the first block of a text nothing stands, and the last of the window may be cut.
    let first = usize::from(start == 0);
    let begin = start + first * BLOCK;
    let (blocks, behind) = (whole_blocks(text, begin), whole_blocks(text, begin - 1));
    let words = markup.iter_mut().zip(&mut *quotes);
    for ((markup, quotes), (block, behind)) in words.skip(first).zip(blocks.iter().zip(behind)) {
        let found = find(block, behind);
        (*markup, *quotes) = (found.markup, found.quotes);
    }
    for number in (0..first).chain(first + blocks.len()..count) {
        let [block, behind] = cut_blocks(text, start + number * BLOCK);
        let found = find(&block, &behind);
        (markup[number], quotes[number]) = (found.markup, found.quotes);
    }
    positions.clear();
    let mut indexed = 0;
    for group in markup.as_chunks().0 {
        // SAFETY: by this function's contract.
        let added = unsafe { positions.add::<V>(group, indexed * BLOCK) };
        indexed += added;
        if added < GROUP {
            break;
        }
    }
    text.len().min(start + indexed * BLOCK)
}

/// Those from `at` on.
#[inline(always)]
fn whole_blocks(text: &[u8], at: usize) -> &[Block] {
    text.get(at..).unwrap_or_default().as_chunks().0
}

/// The block at `at` and the one that begins a byte before, with zeros where there is no text.
fn cut_blocks(text: &[u8], at: usize) -> [Block; 2] {
    let mut padded = [0; BLOCK + 1];
    let from = at.saturating_sub(1);
    let text = &text[from..text.len().min(at + BLOCK)];
    padded[1 + from - at..][..text.len()].copy_from_slice(text);
    let [mut block, mut behind] = [[0; BLOCK]; 2];
    block.copy_from_slice(&padded[1..]);
    behind.copy_from_slice(&padded[..BLOCK]);
    [block, behind]
}
