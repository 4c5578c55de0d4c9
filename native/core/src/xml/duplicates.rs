//! Attributes of the same name in one tag.

use super::attributes::{AttributeSpan, Sources};
use crate::charged::ChargedVec;
use crate::quota::{Account, Refusal};
use crate::sync::Arc;
use std::hash::{BuildHasher, Hash, RandomState};

/// Up to this many attributes are compared one by one: faster than hashing.
const FEW: usize = 16;

const FREE: u32 = u32::MAX;

/// Finds attributes by name, with random keys once there are more than a few: no choice of names makes
/// a tag slow.
#[derive(Debug)]
pub(crate) struct Duplicates {
    slots: ChargedVec<u32>,
    /// How many attributes are in the table.
    filled: usize,
    keys: RandomState,
}

impl Duplicates {
    pub fn new(account: &Arc<Account>) -> Duplicates {
        Duplicates {
            slots: ChargedVec::new(account),
            filled: 0,
            keys: RandomState::new(),
        }
    }

    /// Begins a new tag.
    #[inline]
    pub fn clear(&mut self) {
        self.filled = 0;
    }

    /// Whether one of `attributes` has this name.
    #[inline]
    pub fn contains(
        &mut self,
        name: &[u8],
        attributes: &[AttributeSpan],
        sources: Sources<'_>,
    ) -> Result<bool, Refusal> {
        if attributes.len() <= FEW {
            return Ok(attributes.iter().any(|attribute| {
                attribute.name.len() == name.len() && sources.bytes(&attribute.name) == name
            }));
        }
        self.find(name, attributes, sources)
    }

    fn find(
        &mut self,
        name: &[u8],
        attributes: &[AttributeSpan],
        sources: Sources<'_>,
    ) -> Result<bool, Refusal> {
        self.make_room(attributes.len())?;
        while self.filled < attributes.len() {
            let new = sources.bytes(&attributes[self.filled].name);
            let mut place = self.place(new);
            while self.slots[place] != FREE {
                place = (place + 1) & (self.slots.len() - 1);
            }
            self.slots[place] = self.filled as u32;
            self.filled += 1;
        }
        let mut place = self.place(name);
        while let Some(attribute) = attributes.get(self.slots[place] as usize) {
            if sources.bytes(&attribute.name) == name {
                return Ok(true);
            }
            place = (place + 1) & (self.slots.len() - 1);
        }
        Ok(false)
    }

    /// At least half of the slots stay free.
    fn make_room(&mut self, count: usize) -> Result<(), Refusal> {
        if count * 2 > self.slots.len() {
            let size = (count * 4).next_power_of_two();
            self.slots.reserve(size - self.slots.len())?;
            while self.slots.len() < size {
                self.slots.push(FREE)?;
            }
            self.filled = 0;
        }
        if self.filled == 0 {
            self.slots.fill(FREE);
        }
        Ok(())
    }

    fn place(&self, name: &[u8]) -> usize {
        self.keys.hash_one(name) as usize & (self.slots.len() - 1)
    }
}

/// Finds two attributes that come to the same name once prefixes are resolved.
#[derive(Debug)]
pub(crate) struct Expanded {
    slots: ChargedVec<u32>,
    keys: RandomState,
}

impl Expanded {
    pub fn new(account: &Arc<Account>) -> Expanded {
        Expanded {
            slots: ChargedVec::new(account),
            keys: RandomState::new(),
        }
    }

    /// The first key that two of `attributes` share.
    pub fn first<'a, K: Copy + Eq + Hash>(
        &mut self,
        attributes: &'a [AttributeSpan],
        key: impl Fn(&'a AttributeSpan) -> Option<K>,
    ) -> Result<Option<K>, Refusal> {
        if attributes.len() <= FEW {
            let keys = attributes.iter().enumerate();
            let mut keys = keys.filter_map(|(index, attribute)| Some((index, key(attribute)?)));
            let twice = keys.find(|(index, new)| {
                let earlier = attributes[..*index].iter();
                earlier.filter_map(&key).any(|earlier| earlier == *new)
            });
            return Ok(twice.map(|(_, key)| key));
        }
        let size = (attributes.len() * 2).next_power_of_two();
        self.slots.clear();
        self.slots.reserve(size)?;
        while self.slots.len() < size {
            self.slots.push(FREE)?;
        }
        for (index, attribute) in attributes.iter().enumerate() {
            let Some(new) = key(attribute) else { continue };
            let mut place = self.keys.hash_one(new) as usize & (size - 1);
            while let Some(earlier) = attributes.get(self.slots[place] as usize) {
                if key(earlier) == Some(new) {
                    return Ok(Some(new));
                }
                place = (place + 1) & (size - 1);
            }
            self.slots[place] = index as u32;
        }
        Ok(None)
    }
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::xml::attributes::{Source, Span};
    use crate::xml::namespaces::Namespaces;

    #[test]
    fn finds_duplicates_among_few_and_many() {
        let text: Vec<u8> = (0..999)
            .flat_map(|n: u32| format!("{n:03}").into_bytes())
            .collect();
        let sources = Sources([&text, &[], &[], &[]]);
        let mut duplicates = Duplicates::new(&Account::root());
        for _tag in 0..2 {
            duplicates.clear();
            let mut attributes = Vec::new();
            for n in 0..999 {
                let span = Span::new(Source::Scanned, n * 3, n * 3 + 3);
                let name = sources.bytes(&span);
                assert!(!duplicates.contains(name, &attributes, sources).unwrap());
                attributes.push(AttributeSpan {
                    name: span,
                    value: Span::EMPTY,
                    id: None,
                    prefix: 0,
                    namespace: Namespaces::NONE,
                });
                let earlier = sources.bytes(&attributes[n / 2].name);
                assert!(duplicates.contains(earlier, &attributes, sources).unwrap());
            }
        }
    }

    #[test]
    fn finds_equal_keys_among_few_and_many() {
        let attribute = |n: usize| AttributeSpan {
            name: Span::new(Source::Scanned, n, n),
            value: Span::EMPTY,
            id: None,
            prefix: 0,
            namespace: Namespaces::NONE,
        };
        let mut expanded = Expanded::new(&Account::root());
        for count in [2, 16, 17, 500] {
            let attributes: Vec<AttributeSpan> = (0..count).map(attribute).collect();
            let different = |attribute: &AttributeSpan| Some(attribute.name.start);
            assert_eq!(expanded.first(&attributes, different).unwrap(), None);
            let last_is_first =
                |attribute: &AttributeSpan| Some(attribute.name.start as usize % (count - 1));
            let found = expanded.first(&attributes, last_is_first).unwrap();
            assert_eq!(found, (count > 1).then_some(0));
            assert_eq!(expanded.first(&attributes, |_| None::<u32>).unwrap(), None);
        }
    }
}
