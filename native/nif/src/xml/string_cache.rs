//! A cache of short strings: within a call, the same term for the same text.
//!
//! Values and texts repeat as names do, but not all of them, and those that do not must cost next to nothing. So a kind of
//! string is looked up only while enough of its look-ups are hits.

use crate::xml::terms::RawTerm;
use bounded_core::arena::account::Account;
use bounded_core::arena::charged_vec::ChargedVec;
use std::sync::Arc;

/// Slots by what is in a string, a power of two of them: one string takes the slot of another.
const HASHED: usize = 128;

/// Behind them, one slot for white space of each length: its length predicts it better than its content.
const SLOTS: usize = HASHED + MAX_BYTES + 1;

/// The kind of strings that begin with white space. The caller chooses the numbers of other kinds.
pub const SPACE: u16 = u16::MAX;

/// Strings up to this length are looked up.
const MAX_BYTES: usize = 32;

const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// A string of one kind: two words, and the tag that distinguishes it from others with the same words.
///
/// Not an array of words: two arrays are compared in memory, which is a store-forwarding stall.
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

/// The score of the look-ups of one kind: hits raise it, misses lower it.
#[derive(Clone, Copy)]
pub struct HitScore(i8);

impl HitScore {
    pub const NEW: HitScore = HitScore(16);
    const MOST: i8 = 16;
    /// Making the terms costs about four times a look-up.
    const FOUND: i8 = 4;

    /// Each call tries again.
    const TRIES: i8 = 3;

    /// The first look-ups of another call are misses.
    pub fn another_call(self) -> HitScore {
        HitScore(self.0.max(HitScore::TRIES))
    }

    #[inline]
    fn lasts(self) -> bool {
        self.0 > 0
    }
}

pub struct StringCache {
    slots: ChargedVec<Slot>,
}

impl StringCache {
    pub fn new(account: &Arc<Account>) -> StringCache {
        StringCache {
            slots: ChargedVec::new(account),
        }
    }

    /// The term of `text`, or the key to store it by; neither if it is not worth looking up.
    #[inline(always)]
    pub fn get(&self, call: u64, kind: u16, text: &[u8], hit_score: &mut HitScore) -> LookUp {
        if text.len() > MAX_BYTES || !hit_score.lasts() {
            return LookUp::No;
        }
        let (first, last) = words(text);
        let tag = call << 24 | u64::from(kind) << 8 | text.len() as u64;
        let key = Key { tag, first, last };
        match self.slots.get(key.slot()) {
            Some(slot) if slot.key == key => {
                hit_score.0 = (hit_score.0 + HitScore::FOUND).min(HitScore::MOST);
                LookUp::Term(slot.term)
            }
            _ => {
                hit_score.0 -= 1;
                LookUp::NotYet(key)
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

/// The result of a look-up.
pub enum LookUp {
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
