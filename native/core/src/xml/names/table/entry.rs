//! The entry of one name: its spelling, and the names that came after it.

use crate::xml::names::table::{NameId, Role};
use crate::xml::simd::byte_search::{BLOCK, common};

/// Bytes around an attribute's name as it is mostly written: a space, an equals sign and a quote.
const AROUND_ATTRIBUTE: usize = 3;

/// The names that came last, the latest first.
pub(super) type Candidates = [Option<NameId>; 3];

pub(super) const NO_CANDIDATES: [Candidates; 2] = [[None; _]; 2];

/// One cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(super) struct NameEntry {
    /// Its first bytes, and zeros.
    head: [u8; BLOCK],
    /// How an attribute of this name is mostly written, up to its value, and zeros: see [`introduction`].
    introduction: [u8; BLOCK],
    len: u16,
    /// The names that came next, by [`Role`].
    pub next: [Candidates; 2],
    /// Where it lies in `bytes` if it is longer than its head.
    start: u32,
    /// The last tag that had an attribute of this name.
    pub tag: u32,
}

const _: () = assert!(size_of::<NameEntry>() == 64);

impl NameEntry {
    /// Stands where no name has its number.
    pub const NONE: NameEntry = NameEntry {
        head: [0; BLOCK],
        introduction: [0; BLOCK],
        len: 0,
        next: NO_CANDIDATES,
        start: 0,
        tag: 0,
    };

    /// The entry of a new name, which lies at `start` if it is longer than its head, and was in no tag since `tag`.
    pub fn new(name: &[u8], start: u32, tag: u32) -> NameEntry {
        let len = name.len().min(BLOCK);
        let mut head = [0; BLOCK];
        head[..len].copy_from_slice(&name[..len]);
        NameEntry {
            head,
            introduction: introduction(name),
            len: name.len() as u16,
            start,
            tag,
            ..NameEntry::NONE
        }
    }

    /// The name, given the bytes of those that are longer than a block.
    #[inline(always)]
    pub fn name<'n>(&'n self, bytes: &'n [u8]) -> &'n [u8] {
        let len = usize::from(self.len);
        match self.head.get(..len) {
            Some(name) => name,
            None => &bytes[self.start as usize..][..len],
        }
    }

    /// Where the name ends if it is what is at `from`, given the same bytes.
    #[inline(always)]
    pub fn end(&self, text: &[u8], from: usize, bytes: &[u8]) -> Option<usize> {
        let len = usize::from(self.len);
        let end = from + len;
        let is_same = match text.get(from..).and_then(|rest| rest.first_chunk()) {
            Some(block) if len <= BLOCK => common(block, &self.head) >= len,
            _ => text.get(from..end) == Some(self.name(bytes)),
        };
        is_same.then_some(end)
    }

    /// The candidate at `index`, or another one behind the last, comes first from now on.
    #[inline(always)]
    pub fn put_first(&mut self, role: Role, index: usize, id: NameId) {
        let candidates = &mut self.next[role as usize];
        let [first, second, third] = *candidates;
        *candidates = match index {
            0 => *candidates,
            1 => [Some(id), first, third],
            _ => [Some(id), first, second],
        };
    }

    /// How many bytes introduce the value of this attribute, if they are what `block` begins with.
    #[inline(always)]
    pub fn match_prefix(&self, block: &[u8; BLOCK]) -> Option<usize> {
        let len = usize::from(self.len) + AROUND_ATTRIBUTE;
        (common(block, &self.introduction) >= len).then_some(len)
    }
}

/// ` name="` and zeros; nothing but zeros if that is longer than a block.
fn introduction(name: &[u8]) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    if let Some([space, rest @ ..]) = block.get_mut(..name.len() + AROUND_ATTRIBUTE)
        && let Some((middle, end)) = rest.split_at_mut_checked(name.len())
    {
        *space = b' ';
        middle.copy_from_slice(name);
        end.copy_from_slice(b"=\"");
    }
    block
}
