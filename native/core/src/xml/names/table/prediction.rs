//! Prediction: reads names as long as each one is among those that came next before.

use crate::xml::names::table::{NameEntry, NameId, NameTable, Role};
use crate::xml::simd::byte_search::BLOCK;

/// Borrows the name table for one stretch of text: no name is added meanwhile.
pub(crate) struct Prediction<'k> {
    names: &'k mut [NameEntry],
    bytes: &'k [u8],
    /// The number of the name read last, or 0.
    last: usize,
    tag: u32,
}

impl NameTable {
    /// The names that are expected behind the one read last.
    #[inline(always)]
    pub fn prediction(&mut self) -> Prediction<'_> {
        Prediction {
            last: self.last.map_or(0, NameId::index),
            tag: self.tag,
            names: &mut self.names,
            bytes: &self.bytes,
        }
    }

    /// Continues where a prediction ended: from its [`Prediction::state`].
    #[inline(always)]
    pub fn resume(&mut self, (last, tag): (Option<NameId>, u32)) {
        self.tag = tag;
        self.move_to(last);
    }
}

impl Prediction<'_> {
    /// The state to continue with.
    #[inline(always)]
    pub fn state(&self) -> (Option<NameId>, u32) {
        (NameId::of(self.last), self.tag)
    }

    #[inline(always)]
    pub fn go_back(&mut self, place: Option<NameId>) {
        self.last = place.map_or(0, NameId::index);
    }

    /// Reads the element's name at `from`, behind which the tag ends or goes on; returns where it ends.
    #[inline(always)]
    pub fn element(&mut self, text: &[u8], from: usize) -> Option<(NameId, usize)> {
        let last = self.last;
        let candidates = self.names.get(last)?.next[Role::Element as usize];
        for (index, id) in candidates.iter().enumerate() {
            let id = (*id)?;
            if let Some(end) = self.whole(text, from, id) {
                if index > 0 {
                    let entry = self.names.get_mut(last)?;
                    entry.put_first(Role::Element, index, id);
                }
                self.last = id.index();
                return Some((id, end));
            }
        }
        None
    }

    #[inline(always)]
    fn whole(&self, text: &[u8], from: usize, id: NameId) -> Option<usize> {
        let end = self.end(text, from, id)?;
        ends_name(*text.get(end)?).then_some(end)
    }

    /// Where this name ends if it is what is at `from`.
    #[inline(always)]
    pub fn end(&self, text: &[u8], from: usize, id: NameId) -> Option<usize> {
        self.names.get(id.index())?.end(text, from, self.bytes)
    }

    /// A start tag begins to have attributes.
    #[inline(always)]
    pub fn begin_tag(&mut self) {
        self.tag = self.tag.wrapping_add(1);
    }

    /// Reads an attribute that the tag has not yet, up to its value; returns where the value begins.
    #[inline(always)]
    pub fn attribute(&mut self, text: &[u8], from: usize) -> Option<usize> {
        let last = self.last;
        let block = text.get(from..)?.first_chunk()?;
        let candidates = self.names.get(last)?.next[Role::Attribute as usize];
        for (index, id) in candidates.iter().enumerate() {
            let id = (*id)?;
            if let Some(value) = self.match_prefix(block, from, id) {
                if index > 0 {
                    let entry = self.names.get_mut(last)?;
                    entry.put_first(Role::Attribute, index, id);
                }
                return Some(value);
            }
            // Usually no attribute follows: the tag ends.
            if block[0] != b' ' {
                return None;
            }
        }
        None
    }

    #[inline(always)]
    fn match_prefix(&mut self, block: &[u8; BLOCK], from: usize, id: NameId) -> Option<usize> {
        let entry = self.names.get_mut(id.index())?;
        let len = entry.match_prefix(block)?;
        if entry.tag == self.tag {
            return None;
        }
        entry.tag = self.tag;
        self.last = id.index();
        Some(from + len)
    }
}

/// Whether this byte ends a name in a start tag.
#[inline(always)]
pub(crate) fn ends_name(byte: u8) -> bool {
    matches!(byte, b'>' | b' ' | b'/' | b'\t' | b'\n' | b'\r')
}
