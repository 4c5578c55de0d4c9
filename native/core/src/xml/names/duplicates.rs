//! Attributes of the same name in one tag.

use crate::arena::account::{Account, Refusal};
use crate::arena::charged_vec::ChargedVec;
use crate::sync::Arc;
use crate::xml::api::attributes::{AttributeSpan, SpanBuffers};
use std::hash::{BuildHasher, Hash, RandomState};

/// Up to this many attributes are compared one by one: faster than hashing.
const FEW: usize = 16;

const FREE: u32 = u32::MAX;

/// Finds attributes by name, with random keys once there are more than a few: no choice of names makes
/// a tag slow.
#[derive(Debug)]
pub(crate) struct Duplicates {
    /// Indices of attributes. A tag uses as many slots, from the first on, as its attributes ask for.
    slots: ChargedVec<u32>,
    /// How many slots this tag uses: a power of two, or none yet.
    used: usize,
    /// Of the attributes that are in the slots.
    hashes: ChargedVec<u32>,
    keys: RandomState,
}

impl Duplicates {
    pub fn new(account: &Arc<Account>) -> Duplicates {
        Duplicates {
            slots: ChargedVec::new(account),
            used: 0,
            hashes: ChargedVec::new(account),
            keys: RandomState::new(),
        }
    }

    /// Begins a new tag.
    #[inline]
    pub fn clear(&mut self) {
        self.used = 0;
        self.hashes.clear();
    }

    /// Whether one of `attributes` has this name; `None` when the `credit` does not suffice, and the call has to
    /// end before it is known.
    #[inline]
    pub fn contains(
        &mut self,
        name: &[u8],
        attributes: &[AttributeSpan],
        sources: SpanBuffers<'_>,
        credit: &mut usize,
    ) -> Result<Option<bool>, Refusal> {
        if attributes.len() <= FEW {
            return Ok(Some(attributes.iter().any(|attribute| {
                attribute.name.len() == name.len() && sources.bytes(&attribute.name) == name
            })));
        }
        self.find(name, attributes, sources, credit)
    }

    fn find(
        &mut self,
        name: &[u8],
        attributes: &[AttributeSpan],
        sources: SpanBuffers<'_>,
        credit: &mut usize,
    ) -> Result<Option<bool>, Refusal> {
        self.make_room(attributes.len())?;
        while let Some(new) = attributes.get(self.hashes.len()) {
            // A unit a byte. Sixteen long names are hashed when there is a seventeenth.
            if *credit == 0 {
                return Ok(None);
            }
            *credit = credit.saturating_sub(new.name.len());
            let hash = self.keys.hash_one(sources.bytes(&new.name)) as u32;
            self.hashes.push(hash)?;
            self.insert(self.hashes.len() - 1);
        }
        let hash = self.keys.hash_one(name) as u32;
        let mut place = self.place(hash);
        while let Some(attribute) = attributes.get(self.slots[place] as usize) {
            let same_hash = self.hashes[self.slots[place] as usize] == hash;
            if same_hash && sources.bytes(&attribute.name) == name {
                return Ok(Some(true));
            }
            place = (place + 1) & (self.used - 1);
        }
        Ok(Some(false))
    }

    /// At least half of the slots stay free.
    fn make_room(&mut self, count: usize) -> Result<(), Refusal> {
        if count * 2 <= self.used {
            return Ok(());
        }
        let size = (count * 4).next_power_of_two();
        if size > self.slots.len() {
            self.slots.reserve(size - self.slots.len())?;
            while self.slots.len() < size {
                self.slots.push(FREE)?;
            }
        }
        self.slots[..size].fill(FREE);
        self.used = size;
        for index in 0..self.hashes.len() {
            self.insert(index);
        }
        Ok(())
    }

    /// Puts an attribute whose hash is known in a slot.
    fn insert(&mut self, index: usize) {
        let mut place = self.place(self.hashes[index]);
        while self.slots[place] != FREE {
            place = (place + 1) & (self.used - 1);
        }
        self.slots[place] = index as u32;
    }

    fn place(&self, hash: u32) -> usize {
        hash as usize & (self.used - 1)
    }
}

/// Finds two attributes that come to the same name once prefixes are resolved.
#[derive(Debug)]
pub(crate) struct ExpandedDuplicates {
    slots: ChargedVec<u32>,
    keys: RandomState,
}

impl ExpandedDuplicates {
    pub fn new(account: &Arc<Account>) -> ExpandedDuplicates {
        ExpandedDuplicates {
            slots: ChargedVec::new(account),
            keys: RandomState::new(),
        }
    }

    /// The key of the attribute at `index` if one before it has the same. To be asked of all of them, from
    /// the first on.
    #[inline]
    pub fn duplicate_of<'a, K: Copy + Eq + Hash>(
        &mut self,
        index: usize,
        attributes: &'a [AttributeSpan],
        key: impl Fn(&'a AttributeSpan) -> Option<K>,
    ) -> Result<Option<K>, Refusal> {
        let many = attributes.len() > FEW;
        if many && index == 0 {
            self.prepare((attributes.len() * 2).next_power_of_two())?;
        }
        let Some(new) = key(&attributes[index]) else {
            return Ok(None);
        };
        if !many {
            let mut earlier = attributes[..index].iter().filter_map(key);
            return Ok(earlier.any(|earlier| earlier == new).then_some(new));
        }
        let last = self.slots.len() - 1;
        let mut place = self.keys.hash_one(new) as usize & last;
        while let Some(earlier) = attributes.get(self.slots[place] as usize) {
            if key(earlier) == Some(new) {
                return Ok(Some(new));
            }
            place = (place + 1) & last;
        }
        self.slots[place] = index as u32;
        Ok(None)
    }

    /// Makes this number of free slots.
    fn prepare(&mut self, size: usize) -> Result<(), Refusal> {
        self.slots.clear();
        self.slots.reserve(size)?;
        while self.slots.len() < size {
            self.slots.push(FREE)?;
        }
        Ok(())
    }
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::xml::api::attributes::{Span, SpanBuffer};
    use crate::xml::names::namespaces::Namespaces;

    #[test]
    fn finds_duplicates_among_few_and_many() {
        let text: Vec<u8> = (0..999)
            .flat_map(|n: u32| format!("{n:03}").into_bytes())
            .collect();
        let sources = SpanBuffers([&text, &[], &[], &[]]);
        let mut duplicates = Duplicates::new(&Account::root());
        let contains = |duplicates: &mut Duplicates, name, attributes: &Vec<_>| {
            // An answer that is not known yet needs further calls.
            (0..20).find_map(|_call| {
                let found = duplicates.contains(name, attributes, sources, &mut 1);
                found.unwrap()
            })
        };
        for _tag in 0..2 {
            duplicates.clear();
            let mut attributes = Vec::new();
            for n in 0..999 {
                let span = Span::new(SpanBuffer::Scanned, n * 3, n * 3 + 3);
                let name = sources.bytes(&span);
                assert_eq!(contains(&mut duplicates, name, &attributes), Some(false));
                attributes.push(AttributeSpan {
                    name: span,
                    value: Span::EMPTY,
                    id: None,
                    prefix: 0,
                    namespace: Namespaces::NONE,
                });
                let earlier = sources.bytes(&attributes[n / 2].name);
                let found = contains(&mut duplicates, earlier, &attributes);
                assert_eq!(found, Some(true));
            }
        }
    }

    #[test]
    fn finds_equal_keys_among_few_and_many() {
        let attribute = |n: usize| AttributeSpan {
            name: Span::new(SpanBuffer::Scanned, n, n),
            value: Span::EMPTY,
            id: None,
            prefix: 0,
            namespace: Namespaces::NONE,
        };
        let mut expanded = ExpandedDuplicates::new(&Account::root());
        for count in [2, 16, 17, 500] {
            let attributes: Vec<AttributeSpan> = (0..count).map(attribute).collect();
            let mut first = |key: &dyn Fn(usize) -> Option<usize>| {
                let key = |attribute: &AttributeSpan| key(attribute.name.start as usize);
                (0..count).find_map(|index| expanded.duplicate_of(index, &attributes, key).unwrap())
            };
            assert_eq!(first(&Some), None);
            assert_eq!(first(&|at| Some(at % (count - 1))), Some(0));
            assert_eq!(first(&|_| None), None);
        }
    }
}
