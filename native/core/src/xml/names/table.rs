//! The names of a document, each known by a number.
//!
//! A document repeats a few names in the same order. So the names that came after a name before are predicted to come
//! after it again: one comparison of sixteen bytes then shows that the text is a name, which one, and where it ends. A sink can
//! store its own data about names by their numbers.

pub mod entry;
pub mod prediction;
use crate::xml::names::table::entry::{Candidates, NO_CANDIDATES, NameEntry};

pub(crate) use crate::xml::names::table::prediction::{Prediction, ends_name};

use crate::arena::account::Account;
use crate::arena::charged_vec::ChargedVec;
use crate::sync::Arc;
use crate::xml::simd::byte_search::BLOCK;
use crate::xml::syntax::byte_class::{self, NAME};
use std::num::NonZeroU16;

/// Further names of a document, and longer ones, are read and made each time.
const MAX_NAMES: usize = 512;
pub(crate) const MAX_NAME_BYTES: usize = 128;

/// Twice as many slots as names; a name whose slots are taken this far gets no number, so that
/// colliding names cost no time.
const MAX_PROBES: usize = 8;
const FIRST_SLOTS: usize = 64;
const FIRST_NAMES: usize = 16;

const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// The number of a name: the same for the same name, as long as its parser lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameId(NonZeroU16);

impl NameId {
    /// Counts from 1 on; a document has few.
    #[inline]
    pub fn index(self) -> usize {
        usize::from(self.0.get())
    }

    #[inline]
    fn of(index: usize) -> Option<NameId> {
        NonZeroU16::new(index as u16).map(NameId)
    }
}

/// The use of a name. Each role has predictions of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Element,
    Attribute,
}

#[derive(Debug)]
pub(crate) struct NameTable {
    names: ChargedVec<NameEntry>,
    /// The bytes of names that are longer than a block.
    bytes: ChargedVec<u8>,
    /// A power of two of them.
    slots: ChargedVec<Option<NameId>>,
    /// The name read last, and what came next the times before.
    last: Option<NameId>,
    next: [Candidates; 2],
    tag: u32,
}

impl NameTable {
    pub fn new(account: &Arc<Account>) -> NameTable {
        NameTable {
            names: ChargedVec::new(account),
            bytes: ChargedVec::new(account),
            slots: ChargedVec::new(account),
            last: None,
            next: NO_CANDIDATES,
            tag: 0,
        }
    }

    #[inline(always)]
    pub fn bytes(&self, id: NameId) -> &[u8] {
        self.names[id.index()].name(&self.bytes)
    }

    /// Reads the name at `from` if it is an expected one and more follows it; returns where it ends.
    #[inline(always)]
    pub fn expected(&mut self, text: &[u8], from: usize, role: Role) -> Option<(NameId, usize)> {
        let first = self.next[role as usize][0]?;
        if let Some(end) = self.whole(text, from, first) {
            self.move_to(Some(first));
            return Some((first, end));
        }
        self.less_expected(text, from, role)
    }

    /// As `expected`, for the candidates after the first. Not inlined, so that the first is read fast.
    #[inline(never)]
    fn less_expected(&mut self, text: &[u8], from: usize, role: Role) -> Option<(NameId, usize)> {
        let [_, second, third] = self.next[role as usize];
        let second = second?;
        let (index, id, end) = match self.whole(text, from, second) {
            Some(end) => (1, second, end),
            None => {
                let third = third?;
                (2, third, self.whole(text, from, third)?)
            }
        };
        let last = self.last?;
        self.names[last.index()].put_first(role, index, id);
        self.move_to(Some(id));
        Some((id, end))
    }

    /// The element's name that is most expected, if it is at `from`. It is not read.
    #[inline(always)]
    pub fn peek_element(&self, text: &[u8], from: usize) -> Option<NameId> {
        let first = self.next[Role::Element as usize][0]?;
        self.whole(text, from, first).map(|_| first)
    }

    /// Where the name ends if it is what is at `from`, and something else follows it.
    #[inline(always)]
    fn whole(&self, text: &[u8], from: usize, id: NameId) -> Option<usize> {
        let end = self.end(text, from, id)?;
        (!byte_class::is(*text.get(end)?, NAME)).then_some(end)
    }

    /// Where the value begins if what is at `from` introduces the expected attribute: one space, its name,
    /// an equals sign and a double quote.
    #[inline(always)]
    pub fn match_prefix(&mut self, text: &[u8], from: usize) -> Option<(NameId, usize)> {
        let id = self.next[Role::Attribute as usize][0]?;
        let entry = &self.names[id.index()];
        let len = entry.match_prefix(text.get(from..)?.first_chunk()?)?;
        self.last = Some(id);
        self.next = entry.next;
        Some((id, from + len))
    }

    /// Where the name ends, if it stands at `from`. Any byte may follow.
    #[inline(always)]
    pub fn end(&self, text: &[u8], from: usize, id: NameId) -> Option<usize> {
        self.names[id.index()].end(text, from, &self.bytes)
    }

    /// The number of a name that was read, if there is room for it. It is expected here from now on.
    #[inline]
    pub fn learn(&mut self, name: &[u8], role: Role) -> Option<NameId> {
        let id = self.find(name);
        if let (Some(id), Some(last)) = (id, self.last) {
            let entry = &mut self.names[last.index()];
            let candidates = &entry.next[role as usize];
            let index = candidates.iter().position(|&it| it == Some(id));
            entry.put_first(role, index.unwrap_or(candidates.len()), id);
        }
        self.move_to(id);
        id
    }

    #[inline(always)]
    fn move_to(&mut self, id: Option<NameId>) {
        self.last = id;
        self.next = id.map_or(NO_CANDIDATES, |id| self.names[id.index()].next);
    }

    /// The name that came last, for `go_back`.
    #[inline(always)]
    pub fn place(&self) -> Option<NameId> {
        self.last
    }

    /// Names are read again from a place on.
    #[inline]
    pub fn go_back(&mut self, place: Option<NameId>) {
        self.move_to(place);
    }

    /// A start tag begins.
    #[inline]
    pub fn begin_tag(&mut self) {
        self.tag = self.tag.wrapping_add(1);
    }

    /// Records an attribute of the start tag; returns whether the tag may have had one of this name already.
    #[inline]
    pub fn record_attribute(&mut self, id: NameId) -> bool {
        let entry = &mut self.names[id.index()];
        std::mem::replace(&mut entry.tag, self.tag) == self.tag
    }

    fn find(&mut self, name: &[u8]) -> Option<NameId> {
        if name.len() > MAX_NAME_BYTES {
            return None;
        }
        let hash = hash(name);
        for slot in self.probes(hash) {
            match self.slots.get(slot) {
                Some(&Some(id)) if self.bytes(id) == name => return Some(id),
                Some(Some(_)) => {}
                Some(None) | None => break,
            }
        }
        self.add(hash, name)
    }

    #[cold]
    fn add(&mut self, hash: u32, name: &[u8]) -> Option<NameId> {
        if self.names.len() > MAX_NAMES {
            return None;
        }
        if self.names.is_empty() {
            self.names.reserve(FIRST_NAMES).ok()?;
            self.names.push(NameEntry::NONE).ok()?;
        }
        let count = self.names.len();
        // Knowing names is a convenience: refused the memory, the document is read without.
        if self.slots.len() < 2 * count {
            self.double()?;
        }
        let free = self.probes(hash).find(|&slot| self.slots[slot].is_none())?;
        if count == self.names.capacity() {
            self.names.reserve(count).ok()?;
        }
        let start = self.bytes.len() as u32;
        if name.len() > BLOCK {
            self.bytes.extend_from_slice(name).ok()?;
        }
        let tag = self.tag.wrapping_sub(1);
        self.names.push(NameEntry::new(name, start, tag)).ok()?;
        self.slots[free] = NameId::of(count);
        self.slots[free]
    }

    /// Twice as many slots, each name in one of its own again, or in none when too many collide.
    fn double(&mut self) -> Option<()> {
        let slots = (2 * self.slots.len()).max(FIRST_SLOTS);
        self.slots.clear();
        self.slots.reserve(slots).ok()?;
        for _ in 0..slots {
            self.slots.push(None).ok()?;
        }
        for index in 1..self.names.len() {
            let free = self
                .probes(hash(self.names[index].name(&self.bytes)))
                .find(|&slot| self.slots[slot].is_none());
            if let Some(free) = free {
                self.slots[free] = NameId::of(index);
            }
        }
        Some(())
    }

    fn probes(&self, hash: u32) -> impl Iterator<Item = usize> + use<> {
        let mask = self.slots.len().wrapping_sub(1);
        (0..MAX_PROBES).map(move |probe| (hash as usize + probe) & mask)
    }
}

#[inline]
fn hash(name: &[u8]) -> u32 {
    let (words, rest) = name.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let seed = MIX ^ name.len() as u64;
    let digest = words.iter().chain([&last]).fold(seed, |digest, word| {
        let product = u128::from(digest ^ u64::from_le_bytes(*word)) * u128::from(MIX);
        product as u64 ^ (product >> 64) as u64
    });
    digest as u32
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn table() -> NameTable {
        NameTable::new(&Account::root())
    }

    #[test]
    fn a_name_has_one_number_and_every_number_its_name() {
        let mut table = table();
        let names: Vec<String> = (0..MAX_NAMES)
            .map(|n| format!("{}{n}", "x".repeat(n % 120)))
            .collect();
        let ids: Vec<_> = names
            .iter()
            .map(|name| table.learn(name.as_bytes(), Role::Element))
            .collect();
        // Up to those whose slots were all taken.
        assert!(ids.iter().flatten().count() > MAX_NAMES - 16);
        for (name, id) in names.iter().zip(&ids) {
            if let Some(id) = id {
                assert_eq!(table.bytes(*id), name.as_bytes());
                assert_eq!(table.learn(name.as_bytes(), Role::Attribute), Some(*id));
            }
        }
    }

    #[test]
    fn there_is_no_number_for_names_that_are_too_many_or_too_long() {
        let mut table = table();
        assert_eq!(
            table.learn(&[b'x'; MAX_NAME_BYTES + 1], Role::Element),
            None
        );
        for n in 0..2 * MAX_NAMES {
            table.learn(n.to_string().as_bytes(), Role::Element);
        }
        // And the place of none.
        assert!(table.names.len() <= MAX_NAMES + 1);
        assert_eq!(table.learn(b"another", Role::Element), None);
    }

    #[test]
    fn what_came_next_is_expected_next() {
        let mut table = table();
        for name in ["row", "c", "row"] {
            table.learn(name.as_bytes(), Role::Element);
        }
        let (c, end) = table.expected(b"<c r='1'>", 1, Role::Element).unwrap();
        assert_eq!((table.bytes(c), end), (&b"c"[..], 2));
        // Behind "c" it is "row".
        assert_eq!(table.expected(b"c>", 0, Role::Element), None);
        assert!(table.expected(b"row>", 0, Role::Element).is_some());
        // Of attributes nothing is known.
        assert_eq!(table.expected(b"c='1'", 0, Role::Attribute), None);
    }

    #[test]
    fn a_longer_name_is_another_one_and_a_cut_one_is_not_read() {
        for name in ["c", "a-name-of-sixteen", "a-much-longer-name-than-a-block"] {
            let mut table = table();
            table.learn(name.as_bytes(), Role::Element);
            table.learn(name.as_bytes(), Role::Element);
            let mut read = |tail: &str| {
                let text = format!("{name}{tail}");
                table
                    .expected(text.as_bytes(), 0, Role::Element)
                    .map(|(_, end)| end)
            };
            for tail in ["", "x", "é", ".                ", "1>               "] {
                assert_eq!(read(tail), None, "{name}{tail}");
            }
            for tail in [">", " ", "=                  ", "/>"] {
                assert_eq!(read(tail), Some(name.len()), "{name}{tail}");
            }
        }
    }

    #[test]
    fn an_attribute_repeats_within_its_tag_only() {
        let mut table = table();
        table.begin_tag();
        let id = table.learn(b"r", Role::Attribute).unwrap();
        assert!(!table.record_attribute(id));
        assert!(table.record_attribute(id));
        table.begin_tag();
        assert!(!table.record_attribute(id));
    }

    #[test]
    fn refused_memory_means_no_numbers() {
        let mut table = NameTable::new(&Account::child(&Account::root(), 10));
        assert_eq!(table.learn(b"name", Role::Element), None);
        assert_eq!(table.learn(b"name", Role::Attribute), None);
    }
}
