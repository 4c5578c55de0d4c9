//! The names of one tag's attributes, to find the second of a name.

use crate::arena::account::{Account, Refusal};
use crate::arena::charged_vec::ChargedVec;
use crate::sync::Arc;
use std::hash::{BuildHasher, RandomState};

/// Up to this many are compared one by one: faster than hashing.
pub(crate) const FEW: usize = 16;

const FREE: u32 = u32::MAX;

/// With random keys once there are more than a few: no choice of names makes a tag slow.
pub(crate) struct Attributes {
    names: ChargedVec<u8>,
    ends: ChargedVec<usize>,
    /// Indices of names, none of a tag of few; a power of two, at least half of them free.
    slots: ChargedVec<u32>,
    keys: RandomState,
}

impl Attributes {
    pub fn new(account: &Arc<Account>) -> Attributes {
        Attributes {
            names: ChargedVec::new(account),
            ends: ChargedVec::new(account),
            slots: ChargedVec::new(account),
            keys: RandomState::new(),
        }
    }

    /// Begins another tag.
    #[inline(always)]
    pub fn clear(&mut self) {
        self.names.clear();
        self.ends.clear();
        self.slots.clear();
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Adds the name that `parts` make together, unless it is there, which this says.
    pub fn insert(&mut self, parts: [&[u8]; 3]) -> Result<bool, Refusal> {
        let len = parts.iter().map(|part| part.len()).sum();
        self.names.reserve(len)?;
        self.ends.reserve(1)?;
        if self.len() >= FEW {
            self.reserve_slots()?;
        }
        let start = self.names.len();
        for part in parts {
            self.names.extend_from_slice(part)?;
        }
        let found = match self.slots.is_empty() {
            true => (0..self.len()).any(|index| self.name(index) == &self.names[start..]),
            false => self.place(&self.names[start..]).1,
        };
        if found {
            self.names.truncate(start);
            return Ok(false);
        }
        self.ends.push(self.names.len())?;
        if !self.slots.is_empty() {
            self.fill(self.len() - 1);
        }
        Ok(true)
    }

    fn name(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.names[start..self.ends[index]]
    }

    /// The slot of a name, and whether the name is in it.
    fn place(&self, name: &[u8]) -> (usize, bool) {
        let last = self.slots.len() - 1;
        let mut place = self.keys.hash_one(name) as usize & last;
        loop {
            match self.slots[place] {
                FREE => return (place, false),
                index if self.name(index as usize) == name => return (place, true),
                _ => place = (place + 1) & last,
            }
        }
    }

    fn fill(&mut self, index: usize) {
        let (place, _) = self.place(self.name(index));
        self.slots[place] = index as u32;
    }

    /// Makes room for one more.
    fn reserve_slots(&mut self) -> Result<(), Refusal> {
        let needed = ((self.len() + 1) * 2).next_power_of_two();
        if self.slots.len() >= needed {
            return Ok(());
        }
        // Twice as many as needed, so that it does not happen at each.
        let size = needed * 2;
        self.slots.reserve(size - self.slots.len())?;
        self.slots.clear();
        while self.slots.len() < size {
            self.slots.push(FREE)?;
        }
        for index in 0..self.len() {
            self.fill(index);
        }
        Ok(())
    }
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_second_of_a_name_among_few_and_many() {
        let mut attributes = Attributes::new(&Account::root());
        for count in [1, 2, 16, 17, 18, 40, 1000, 3] {
            attributes.clear();
            for n in 0..count {
                let name = format!("name{n}");
                assert!(attributes.insert([name.as_bytes(), b"", b""]).unwrap());
                let earlier = format!("{}", n / 2);
                assert!(
                    !attributes
                        .insert([b"name", b"", earlier.as_bytes()])
                        .unwrap()
                );
                assert!(!attributes.insert([b"", name.as_bytes(), b""]).unwrap());
            }
            assert_eq!(attributes.len(), count);
        }
    }

    #[test]
    fn refused_it_stays_as_it_was() {
        let root = Account::root();
        for limit in 0..400 {
            let account = Account::child(&root, limit);
            let mut attributes = Attributes::new(&account);
            let mut n = 0;
            while n < 100 && attributes.insert([format!("{n}").as_bytes(), b"", b""]) == Ok(true) {
                n += 1;
            }
            assert_eq!(attributes.len(), n);
            for earlier in 0..n {
                let again = attributes.insert([format!("{earlier}").as_bytes(), b"", b""]);
                assert_ne!(again, Ok(true));
            }
        }
    }
}
