//! Short strings that come again: the same term for the same text, within a call.
//!
//! Values and texts repeat as names do, but not all of them: what never comes again must cost next to
//! nothing. So each kind of string is looked up as long as enough of its strings are found.

use super::terms::RawTerm;
use bounded_core::charged::ChargedVec;
use bounded_core::quota::Account;
use std::sync::Arc;

/// A power of two. A string takes the slot of another one.
const SLOTS: usize = 128;

/// Strings up to this length are looked up.
const MAX_BYTES: usize = 32;

const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// A string of one kind, as two words and what tells it from others with the same words.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The call, the kind and the length.
    tag: u64,
    words: [u128; 2],
}

#[derive(Clone, Copy)]
struct Slot {
    key: Key,
    term: RawTerm,
}

/// How often strings of one kind were found.
#[derive(Clone, Copy)]
pub struct Luck(i8);

impl Luck {
    pub const NEW: Luck = Luck(16);
    const MOST: i8 = 16;
    /// Making the terms costs about four times a look-up.
    const FOUND: i8 = 4;

    /// Each call tries again.
    const TRIES: i8 = 3;

    /// None is found at first in another call.
    pub fn another_call(self) -> Luck {
        Luck(self.0.max(Luck::TRIES))
    }

    #[inline]
    fn lasts(self) -> bool {
        self.0 > 0
    }
}

pub struct ShortStrings {
    slots: ChargedVec<Slot>,
}

impl ShortStrings {
    pub fn new(account: &Arc<Account>) -> ShortStrings {
        ShortStrings {
            slots: ChargedVec::new(account),
        }
    }

    /// What was made of `text`, or what it is to be kept by; neither if it is not worth looking up.
    #[inline(always)]
    pub fn get(&self, call: u64, kind: u16, text: &[u8], luck: &mut Luck) -> Found {
        if text.len() > MAX_BYTES || !luck.lasts() {
            return Found::No;
        }
        let key = Key {
            tag: call << 24 | u64::from(kind) << 8 | text.len() as u64,
            words: words(text),
        };
        match self.slots.get(key.slot()) {
            Some(slot) if slot.key == key => {
                luck.0 = (luck.0 + Luck::FOUND).min(Luck::MOST);
                Found::Term(slot.term)
            }
            _ => {
                luck.0 -= 1;
                Found::NotYet(key)
            }
        }
    }

    /// Keeps what was made of a string.
    #[inline]
    pub fn put(&mut self, key: Key, term: RawTerm) {
        match self.slots.get_mut(key.slot()) {
            Some(slot) => *slot = Slot { key, term },
            None => self.fill(Slot { key, term }),
        }
    }

    /// Memory for this is a convenience: refused, the document is read without.
    #[cold]
    fn fill(&mut self, slot: Slot) {
        if self.slots.reserve(SLOTS).is_ok() {
            while self.slots.len() < SLOTS && self.slots.push(slot).is_ok() {}
        }
    }
}

/// What a look-up came to.
pub enum Found {
    Term(RawTerm),
    NotYet(Key),
    No,
}

impl Key {
    #[inline(always)]
    fn slot(&self) -> usize {
        let [first, last] = self.words;
        let folded = first ^ last.rotate_left(64) ^ first >> 64 ^ last;
        let mixed = (folded as u64 ^ self.tag).wrapping_mul(MIX);
        (mixed >> 32) as usize % SLOTS
    }
}

/// The first and the last bytes: all there are, up to thirty-two, for a given length.
#[inline(always)]
fn words(text: &[u8]) -> [u128; 2] {
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        return [first, last].map(|half| u128::from_le_bytes(*half));
    }
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        return [first, last].map(|half| u64::from_le_bytes(*half).into());
    }
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        return [first, last].map(|half| u32::from_le_bytes(*half).into());
    }
    match *text {
        [] => [0, 0],
        [only] => [only.into(), 0],
        [first, .., last] => [first.into(), u128::from(last) << 8 | u128::from(text[1])],
    }
}
