//! Short strings that come again: the same term for the same text, within a call.
//!
//! Values and texts repeat as names do, but not all of them: what never comes again must cost next to
//! nothing. So each kind of string is looked up as long as enough of its strings are found.

use crate::xml::terms::RawTerm;
use bounded_core::arena::account::Account;
use bounded_core::arena::charged_vec::ChargedVec;
use std::sync::Arc;

/// Slots by what is in a string, a power of two of them: one string takes the slot of another.
const HASHED: usize = 128;

/// And behind them one for white space of each length, which tells more about it than what is in it.
const SLOTS: usize = HASHED + MAX_BYTES + 1;

/// The kind of strings that begin with white space. Other kinds are whatever the caller likes.
pub const SPACE: u16 = u16::MAX;

/// Strings up to this length are looked up.
const MAX_BYTES: usize = 32;

const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// A string of one kind, as two words and what tells it from others with the same words.
///
/// No array of words: two of those are compared in memory, where the processor waits for what was just stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The call, the kind and the length.
    tag: u64,
    first: u128,
    last: u128,
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
        let (first, last) = words(text);
        let tag = call << 24 | u64::from(kind) << 8 | text.len() as u64;
        let key = Key { tag, first, last };
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
        let Key { tag, first, last } = *self;
        if (tag >> 8) as u16 == SPACE {
            return HASHED + usize::from(tag as u8);
        }
        let folded = first ^ last.rotate_left(64) ^ first >> 64 ^ last;
        let mixed = (folded as u64 ^ tag).wrapping_mul(MIX);
        (mixed >> 32) as usize % HASHED
    }
}

/// The first and the last bytes: all there are, up to thirty-two, for a given length.
#[inline(always)]
fn words(text: &[u8]) -> (u128, u128) {
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        return (u128::from_le_bytes(*first), u128::from_le_bytes(*last));
    }
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        return (
            u64::from_le_bytes(*first).into(),
            u64::from_le_bytes(*last).into(),
        );
    }
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        return (
            u32::from_le_bytes(*first).into(),
            u32::from_le_bytes(*last).into(),
        );
    }
    match *text {
        [] => (0, 0),
        [only] => (only.into(), 0),
        [first, .., last] => (first.into(), u128::from(last) << 8 | u128::from(text[1])),
    }
}
