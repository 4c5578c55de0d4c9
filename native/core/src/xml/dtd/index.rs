//! Finds declarations by name, at a cost that does not depend on the names an attacker chooses.

use crate::arena::account::{Account, Refusal};
use crate::arena::charged_vec::ChargedVec;
use crate::sync::Arc;
use std::hash::{BuildHasher, Hash, RandomState};

const FREE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u32,
    id: u32,
}

/// A hash table with random keys from names to the numbers of declarations. It does not hold the
/// names: the caller compares.
#[derive(Debug)]
pub(super) struct NameIndex {
    slots: ChargedVec<Slot>,
    len: usize,
    keys: RandomState,
}

impl NameIndex {
    pub fn new(account: &Arc<Account>) -> NameIndex {
        NameIndex {
            slots: ChargedVec::new(account),
            len: 0,
            keys: RandomState::new(),
        }
    }

    /// The number of a declaration for which `is` holds among those inserted under `key`.
    #[inline]
    pub fn find(&self, key: impl Hash, is: impl Fn(u32) -> bool) -> Option<u32> {
        if self.len == 0 {
            return None;
        }
        let hash = self.hash(key);
        let mask = self.slots.len() - 1;
        let mut place = hash as usize & mask;
        loop {
            let slot = self.slots[place];
            if slot.id == FREE {
                return None;
            }
            if slot.hash == hash && is(slot.id) {
                return Some(slot.id);
            }
            place = (place + 1) & mask;
        }
    }

    /// Makes room for another declaration, so that inserting it is not refused.
    pub fn reserve(&mut self) -> Result<(), Refusal> {
        if (self.len + 1) * 2 > self.slots.len() {
            self.grow()?;
        }
        Ok(())
    }

    /// Notes the number of a declaration under a key that has none that equals it.
    pub fn insert(&mut self, key: impl Hash, id: u32) -> Result<(), Refusal> {
        self.reserve()?;
        let hash = self.hash(key);
        place(&mut self.slots, Slot { hash, id });
        self.len += 1;
        Ok(())
    }

    fn grow(&mut self) -> Result<(), Refusal> {
        let size = (self.slots.len() * 2).max(16);
        let mut slots = ChargedVec::new(self.slots.account());
        slots.reserve(size)?;
        for _ in 0..size {
            slots.push(Slot { hash: 0, id: FREE })?;
        }
        for slot in self.slots.iter().filter(|slot| slot.id != FREE) {
            place(&mut slots, *slot);
        }
        self.slots = slots;
        Ok(())
    }

    fn hash(&self, key: impl Hash) -> u32 {
        self.keys.hash_one(key) as u32
    }
}

fn place(slots: &mut [Slot], slot: Slot) {
    let mask = slots.len() - 1;
    let mut at = slot.hash as usize & mask;
    while slots[at].id != FREE {
        at = (at + 1) & mask;
    }
    slots[at] = slot;
}
