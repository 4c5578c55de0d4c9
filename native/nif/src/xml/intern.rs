//! The same name, and the same small event, as the same term: once per call.
//!
//! Documents repeat a few names endlessly. Interned, an end tag costs a list cell instead of a binary
//! and a tuple, and heap words per event fall by nearly half. What is remembered between calls is the
//! names; terms are valid within their call only.

use super::terms::{self, RawTerm, Terms};
use bounded_core::charged::ChargedVec;
use bounded_core::quota::Account;
use bounded_core::xml::Name;
use std::sync::Arc;

/// A document with more names, or longer ones, gets the others made anew each time.
const MAX_NAMES: usize = 512;
const MAX_NAME_BYTES: usize = 128;

/// Twice as many slots as names; a name whose slots are taken this far is not interned, so that
/// colliding names cost no time.
const MAX_PROBES: usize = 8;
const FIRST_SLOTS: usize = 64;

/// Up to this many bytes are compared as two words.
const FEW_BYTES: usize = 16;

const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

const NO_NAMESPACE: u32 = u32::MAX;

/// URIs of the namespaces last seen, by the low bits of their ids.
const URIS: usize = 16;

#[derive(Clone, Copy)]
struct Entry {
    hash: u32,
    /// The bytes themselves when they are few.
    words: [u64; 2],
    start: u32,
    len: u32,
    namespace: u32,
    /// The call that the terms belong to.
    call: u64,
    name: RawTerm,
    start_event: Option<RawTerm>,
    end_event: Option<RawTerm>,
    text_event: Option<RawTerm>,
}

#[derive(Clone, Copy)]
struct Uri {
    call: u64,
    id: u32,
    term: RawTerm,
}

/// A name as bytes: from the parser, or from a tape.
#[derive(Clone, Copy)]
pub struct RawName<'a> {
    pub local: &'a [u8],
    /// Identity and URI.
    pub namespace: Option<(u32, &'a [u8])>,
}

impl<'a> From<&Name<'a>> for RawName<'a> {
    #[inline]
    fn from(name: &Name<'a>) -> RawName<'a> {
        RawName {
            local: name.local.as_bytes(),
            namespace: name.namespace.map(|it| (it.id, it.uri.as_bytes())),
        }
    }
}

/// Names of one document, and their terms in the call that runs.
pub struct Interner {
    namespaces: bool,
    call: u64,
    /// One more than an index of `entries`; zero is free. A power of two of them.
    slots: ChargedVec<u16>,
    entries: ChargedVec<Entry>,
    bytes: ChargedVec<u8>,
    uris: [Option<Uri>; URIS],
}

impl Interner {
    pub fn new(namespaces: bool, account: &Arc<Account>) -> Interner {
        Interner {
            namespaces,
            call: 0,
            slots: ChargedVec::new(account),
            entries: ChargedVec::new(account),
            bytes: ChargedVec::new(account),
            uris: [None; URIS],
        }
    }

    /// Another call: every term made so far is gone.
    pub fn begin_call(&mut self) {
        self.call += 1;
    }

    /// A name: a binary, or `{uri, local}`.
    #[inline]
    pub fn name(&mut self, terms: &Terms, name: &RawName) -> RawTerm {
        match self.entry(terms, name) {
            Some(index) => self.entries[index].name,
            None => self.make_name(terms, name),
        }
    }

    /// `{:start_element, {name, []}}`.
    #[inline]
    pub fn start_event(&mut self, terms: &Terms, name: &RawName) -> RawTerm {
        let make = |name| {
            let element = terms.tuple([name, terms.empty_list]);
            terms.tuple([terms.start_element, element])
        };
        let Some(index) = self.entry(terms, name) else {
            return make(self.make_name(terms, name));
        };
        let entry = &mut self.entries[index];
        *entry.start_event.get_or_insert_with(|| make(entry.name))
    }

    /// `{:end_element, name}`.
    #[inline]
    pub fn end_event(&mut self, terms: &Terms, name: &RawName) -> RawTerm {
        let make = |name| terms.tuple([terms.end_element, name]);
        let Some(index) = self.entry(terms, name) else {
            return make(self.make_name(terms, name));
        };
        let entry = &mut self.entries[index];
        *entry.end_event.get_or_insert_with(|| make(entry.name))
    }

    /// `{:characters, text}` for a text that is likely to come again: short white space.
    #[inline]
    pub fn space_event(&mut self, terms: &Terms, text: &str) -> RawTerm {
        let make = |text| terms.tuple([terms.characters, text]);
        let Some(index) = self.find(NO_NAMESPACE, text.as_bytes()) else {
            return make(terms.binary(text.as_bytes()));
        };
        let call = self.call;
        let entry = &mut self.entries[index];
        entry.begin(call, || terms.binary(text.as_bytes()));
        *entry.text_event.get_or_insert_with(|| make(entry.name))
    }

    /// The entry of a name, its term made in this call.
    #[inline]
    fn entry(&mut self, terms: &Terms, name: &RawName) -> Option<usize> {
        let namespace = name.namespace.map_or(NO_NAMESPACE, |(id, _)| id);
        let index = self.find(namespace, name.local)?;
        if self.entries[index].call != self.call {
            let made = self.make_name(terms, name);
            self.entries[index].begin(self.call, || made);
        }
        Some(index)
    }

    fn make_name(&mut self, terms: &Terms, name: &RawName) -> RawTerm {
        let local = terms.binary(name.local);
        if !self.namespaces {
            return local;
        }
        let uri = match name.namespace {
            Some((id, uri)) => self.uri(terms, id, uri),
            None => terms::nil().as_c_arg(),
        };
        terms.tuple([uri, local])
    }

    fn uri(&mut self, terms: &Terms, id: u32, uri: &[u8]) -> RawTerm {
        let call = self.call;
        let slot = &mut self.uris[id as usize % URIS];
        match slot {
            Some(known) if known.id == id && known.call == call => known.term,
            _ => {
                let term = terms.binary(uri);
                *slot = Some(Uri { call, id, term });
                term
            }
        }
    }

    /// The entry of these bytes, made if there is room for it.
    #[inline]
    fn find(&mut self, namespace: u32, bytes: &[u8]) -> Option<usize> {
        let words = words(bytes);
        let hash = hash(namespace, bytes.len(), words);
        for slot in self.probes(hash) {
            match self.slots.get(slot) {
                Some(0) => break,
                Some(&taken) => {
                    let index = usize::from(taken) - 1;
                    let entry = &self.entries[index];
                    let known = entry.words == words
                        && entry.len as usize == bytes.len()
                        && entry.namespace == namespace;
                    if known && (bytes.len() <= FEW_BYTES || self.bytes_of(entry) == bytes) {
                        return Some(index);
                    }
                }
                None => break,
            }
        }
        self.add(hash, words, namespace, bytes)
    }

    #[cold]
    fn add(&mut self, hash: u32, words: [u64; 2], namespace: u32, bytes: &[u8]) -> Option<usize> {
        let count = self.entries.len();
        if count == MAX_NAMES || bytes.len() > MAX_NAME_BYTES {
            return None;
        }
        if self.slots.len() < 2 * (count + 1) {
            self.double()?;
        }
        let free = self.probes(hash).find(|&slot| self.slots[slot] == 0)?;
        // Memory for names is a convenience: refused, the document is read without.
        if count == self.entries.capacity() {
            self.entries.reserve(count.max(16)).ok()?;
        }
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(bytes).ok()?;
        self.entries
            .push(Entry {
                hash,
                words,
                start,
                len: bytes.len() as u32,
                namespace,
                call: 0,
                name: terms::nil().as_c_arg(),
                start_event: None,
                end_event: None,
                text_event: None,
            })
            .ok()?;
        self.slots[free] = count as u16 + 1;
        Some(count)
    }

    /// Twice as many slots, each name in one of its own again, or in none when too many collide.
    fn double(&mut self) -> Option<()> {
        let slots = (2 * self.slots.len()).max(FIRST_SLOTS);
        self.slots.clear();
        self.slots.reserve(slots).ok()?;
        for _ in 0..slots {
            self.slots.push(0).ok()?;
        }
        for index in 0..self.entries.len() {
            let free = self
                .probes(self.entries[index].hash)
                .find(|&slot| self.slots[slot] == 0);
            if let Some(free) = free {
                self.slots[free] = index as u16 + 1;
            }
        }
        Some(())
    }

    fn probes(&self, hash: u32) -> impl Iterator<Item = usize> + use<> {
        let mask = self.slots.len().wrapping_sub(1);
        (0..MAX_PROBES).map(move |probe| (hash as usize + probe) & mask)
    }

    fn bytes_of(&self, entry: &Entry) -> &[u8] {
        &self.bytes[entry.start as usize..][..entry.len as usize]
    }
}

impl Entry {
    /// Makes the entry one of this call, with a term from `make`, unless it is already.
    #[inline]
    fn begin(&mut self, call: u64, make: impl FnOnce() -> RawTerm) {
        if self.call != call {
            self.call = call;
            self.name = make();
            self.start_event = None;
            self.end_event = None;
            self.text_event = None;
        }
    }
}

/// Two words that, together with the length, tell up to sixteen bytes apart: comparing them is all it
/// takes then. Of more bytes, a digest.
#[inline(always)]
fn words(bytes: &[u8]) -> [u64; 2] {
    let long = |part: &[u8; 8]| u64::from_le_bytes(*part);
    let short = |part: &[u8; 4]| u64::from(u32::from_le_bytes(*part));
    // First and last part overlap where the bytes do not fill both.
    match bytes.len() {
        0..4 => {
            let byte = |index: usize| u64::from(bytes.get(index).copied().unwrap_or(0));
            [byte(0) | byte(1) << 8 | byte(2) << 16, 0]
        }
        4..8 => match (bytes.first_chunk(), bytes.last_chunk()) {
            (Some(first), Some(last)) => [short(first), short(last)],
            _ => [0; 2],
        },
        _ => match (bytes.first_chunk(), bytes.last_chunk()) {
            (Some(first), Some(last)) if bytes.len() <= FEW_BYTES => [long(first), long(last)],
            (_, Some(last)) => {
                let (parts, _) = bytes.as_chunks::<8>();
                let digest = parts
                    .iter()
                    .fold(0, |digest, part| mix(digest ^ long(part), MIX));
                [digest, long(last)]
            }
            _ => [0; 2],
        },
    }
}

#[inline(always)]
fn hash(namespace: u32, len: usize, words: [u64; 2]) -> u32 {
    let first = words[0] ^ (len as u64) << 56;
    mix(
        first ^ MIX,
        words[1] ^ u64::from(namespace) ^ MIX.rotate_left(32),
    ) as u32
}

#[inline(always)]
fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}
