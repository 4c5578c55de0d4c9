//! Reading on from name to name, as long as each is one that is expected.

use crate::xml::names::table::{Known, KnownNames, NameId, Role};
use crate::xml::simd::byte_search::BLOCK;

/// Borrowed from the known names for one stretch: nothing is learned meanwhile.
pub(crate) struct ExpectedNames<'k> {
    names: &'k mut [Known],
    bytes: &'k [u8],
    /// The number of the name read last, or 0.
    last: usize,
    tag: u32,
}

impl KnownNames {
    /// The names that are expected behind the one read last.
    #[inline(always)]
    pub fn expected_names(&mut self) -> ExpectedNames<'_> {
        ExpectedNames {
            last: self.last.map_or(0, NameId::index),
            tag: self.tag,
            names: &mut self.names,
            bytes: &self.bytes,
        }
    }

    /// Goes on behind what was read of them: their [`ExpectedNames::place`].
    #[inline(always)]
    pub fn go_on(&mut self, (last, tag): (Option<NameId>, u32)) {
        self.tag = tag;
        self.move_to(last);
    }
}

impl ExpectedNames<'_> {
    /// What to go on with.
    #[inline(always)]
    pub fn place(&self) -> (Option<NameId>, u32) {
        (NameId::of(self.last), self.tag)
    }

    #[inline(always)]
    pub fn go_back(&mut self, place: Option<NameId>) {
        self.last = place.map_or(0, NameId::index);
    }

    /// Reads the element's name at `from`, behind which the tag ends or goes on; says where it ends.
    #[inline(always)]
    pub fn element(&mut self, text: &[u8], from: usize) -> Option<(NameId, usize)> {
        let last = self.last;
        let candidates = self.names.get(last)?.next[Role::Element as usize];
        for (index, id) in candidates.iter().enumerate() {
            let id = (*id)?;
            if let Some(end) = self.whole(text, from, id) {
                if index > 0 {
                    let known = self.names.get_mut(last)?;
                    known.put_first(Role::Element, index, id);
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

    /// Reads what introduces the value of an attribute the tag has not yet; says where that begins.
    #[inline(always)]
    pub fn attribute(&mut self, text: &[u8], from: usize) -> Option<usize> {
        let last = self.last;
        let block = text.get(from..)?.first_chunk()?;
        let candidates = self.names.get(last)?.next[Role::Attribute as usize];
        for (index, id) in candidates.iter().enumerate() {
            let id = (*id)?;
            if let Some(value) = self.introduced(block, from, id) {
                if index > 0 {
                    let known = self.names.get_mut(last)?;
                    known.put_first(Role::Attribute, index, id);
                }
                return Some(value);
            }
            // Mostly it is the tag's end.
            if block[0] != b' ' {
                return None;
            }
        }
        None
    }

    #[inline(always)]
    fn introduced(&mut self, block: &[u8; BLOCK], from: usize, id: NameId) -> Option<usize> {
        let known = self.names.get_mut(id.index())?;
        let len = known.introduced(block)?;
        if known.tag == self.tag {
            return None;
        }
        known.tag = self.tag;
        self.last = id.index();
        Some(from + len)
    }
}

/// Whether this is what stands behind the name in a start tag.
#[inline(always)]
pub(crate) fn ends_name(byte: u8) -> bool {
    matches!(byte, b'>' | b' ' | b'/' | b'\t' | b'\n' | b'\r')
}
