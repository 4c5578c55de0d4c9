//! The same name, and the same small event, as the same term: once per call.
//!
//! Documents repeat a few names endlessly. Interned, an end tag costs a list cell instead of a binary
//! and a tuple, and heap words per event fall by nearly half. The parser numbers its names; terms are
//! valid within their call only.

use crate::xml::string_cache::{HitScore, LookUp, SPACE, StringCache};
use crate::xml::terms::{self, RawTerm, Terms};
use bounded_core::arena::account::Account;
use bounded_core::arena::charged_vec::ChargedVec;
use bounded_core::xml::{Name, Namespace};
use std::sync::Arc;

const NO_NAMESPACE: u32 = u32::MAX;

/// The kinds of short strings that are texts. A call makes fewer entries, each a kind of its own.
const TEXT: u16 = SPACE - 1;

/// URIs of the namespaces last seen, by the low bits of their ids.
const URIS: usize = 16;

/// The terms of one name.
#[derive(Clone, Copy)]
struct Entry {
    /// The call that the terms belong to; none is the first.
    call: u64,
    namespace: u32,
    name: RawTerm,
    start_event: Option<RawTerm>,
    end_event: Option<RawTerm>,
    /// Attributes of this name, as a kind of short strings, and whether their values repeat.
    kind: u16,
    values: HitScore,
}

#[derive(Clone, Copy)]
struct Uri {
    call: u64,
    id: u32,
    term: RawTerm,
}

/// The terms of one document's names in the call that runs.
pub struct Interner {
    namespaces: bool,
    call: u64,
    /// By the names' numbers.
    entries: ChargedVec<Entry>,
    short: StringCache,
    /// Of the entries made in this call.
    kinds: u16,
    /// Whether texts repeat, and those that begin with white space.
    texts: HitScore,
    spaces: HitScore,
    uris: [Option<Uri>; URIS],
}

impl Interner {
    pub fn new(namespaces: bool, account: &Arc<Account>) -> Interner {
        Interner {
            namespaces,
            call: 0,
            entries: ChargedVec::new(account),
            short: StringCache::new(account),
            kinds: 0,
            texts: HitScore::NEW,
            spaces: HitScore::NEW,
            uris: [None; URIS],
        }
    }

    /// Whether names are pairs.
    pub fn has_namespaces(&self) -> bool {
        self.namespaces
    }

    /// Another call: every term made so far is gone.
    pub fn begin_call(&mut self) {
        self.call += 1;
        self.kinds = 0;
        self.texts = self.texts.another_call();
        self.spaces = self.spaces.another_call();
    }

    /// A name: a binary, or `{uri, local}`.
    #[inline(always)]
    pub fn name(&mut self, terms: &Terms, name: Name<'_>) -> RawTerm {
        match self.entry(terms, name) {
            Some(index) => self.entries[index].name,
            None => self.make_name(terms, name.local, name.namespace),
        }
    }

    /// `{name, value}`.
    #[inline(always)]
    pub fn attribute(&mut self, terms: &Terms, name: Name<'_>, value: &[u8]) -> RawTerm {
        let call = self.call;
        let Some(index) = self.entry(terms, name) else {
            let name = self.make_name(terms, name.local, name.namespace);
            return pair(terms, name, value);
        };
        let entry = &mut self.entries[index];
        match self.short.get(call, entry.kind, value, &mut entry.values) {
            LookUp::Term(pair) => pair,
            LookUp::No => pair(terms, entry.name, value),
            LookUp::NotYet(key) => {
                let pair = pair(terms, entry.name, value);
                self.short.put(key, pair);
                pair
            }
        }
    }

    /// `{:start_element, {name, []}}`.
    #[inline(always)]
    pub fn start_event(&mut self, terms: &Terms, name: Name<'_>) -> RawTerm {
        let make = |name| {
            let element = terms.tuple([name, terms.empty_list]);
            terms.tuple([terms.start_element, element])
        };
        match self.entry(terms, name) {
            Some(index) => {
                let entry = &mut self.entries[index];
                *entry.start_event.get_or_insert_with(|| make(entry.name))
            }
            None => make(self.make_name(terms, name.local, name.namespace)),
        }
    }

    /// `{:end_element, name}`.
    #[inline(always)]
    pub fn end_event(&mut self, terms: &Terms, name: Name<'_>) -> RawTerm {
        let make = |name| terms.tuple([terms.end_element, name]);
        match self.entry(terms, name) {
            Some(index) => {
                let entry = &mut self.entries[index];
                *entry.end_event.get_or_insert_with(|| make(entry.name))
            }
            None => make(self.make_name(terms, name.local, name.namespace)),
        }
    }

    /// `{:characters, text}`.
    #[inline(always)]
    pub fn text_event(&mut self, terms: &Terms, text: &[u8]) -> RawTerm {
        self.repeated(text, |text| {
            terms.tuple([terms.characters, terms.binary(text)])
        })
    }

    /// A text as it is. A session makes either this or events.
    #[inline(always)]
    pub fn text(&mut self, terms: &Terms, text: &[u8]) -> RawTerm {
        self.repeated(text, |text| terms.binary(text))
    }

    /// The value of a field, by its number. Whether the values of a field repeat says nothing about those of another.
    #[inline(always)]
    pub fn field(
        &mut self,
        terms: &Terms,
        field: usize,
        text: &[u8],
        hit_score: &mut HitScore,
    ) -> RawTerm {
        let kind = TEXT - 1 - field as u16;
        match self.short.get(self.call, kind, text, hit_score) {
            LookUp::Term(made) => made,
            LookUp::No => terms.binary(text),
            LookUp::NotYet(key) => {
                let made = terms.binary(text);
                self.short.put(key, made);
                made
            }
        }
    }

    /// The term that `make` makes of a text, or has made of the same text before.
    #[inline(always)]
    fn repeated(&mut self, text: &[u8], make: impl Fn(&[u8]) -> RawTerm) -> RawTerm {
        // Whether the white space between tags repeats says nothing about what is in them.
        let (kind, hit_score) = match text {
            [b' ' | b'\t' | b'\n' | b'\r', ..] => (SPACE, &mut self.spaces),
            _ => (TEXT, &mut self.texts),
        };
        match self.short.get(self.call, kind, text, hit_score) {
            LookUp::Term(made) => made,
            LookUp::No => make(text),
            LookUp::NotYet(key) => {
                let made = make(text);
                self.short.put(key, made);
                made
            }
        }
    }

    /// Where the entry of a name is that has a number, its term made in this call.
    #[inline(always)]
    fn entry(&mut self, terms: &Terms, name: Name<'_>) -> Option<usize> {
        let index = name.id?.index();
        let namespace = name.namespace.map_or(NO_NAMESPACE, |it| it.id);
        match self.entries.get(index) {
            Some(entry) if entry.call == self.call && entry.namespace == namespace => {}
            _ => self.make_entry(terms, index, name.local, name.namespace)?,
        }
        Some(index)
    }

    /// In parts: passed as a whole, a name would be stored in memory for each element, though it is looked up by its number.
    #[inline(never)]
    fn make_entry(
        &mut self,
        terms: &Terms,
        index: usize,
        local: &str,
        namespace: Option<Namespace<'_>>,
    ) -> Option<()> {
        let made = Entry {
            call: self.call,
            namespace: namespace.map_or(NO_NAMESPACE, |it| it.id),
            name: self.make_name(terms, local, namespace),
            start_event: None,
            end_event: None,
            kind: self.kinds,
            values: self
                .entries
                .get(index)
                .map_or(HitScore::NEW, |it| it.values.another_call()),
        };
        self.kinds = self.kinds.wrapping_add(1) % TEXT;
        while self.entries.len() <= index {
            let none = Entry {
                call: 0,
                values: HitScore::NEW,
                ..made
            };
            self.entries.push(none).ok()?;
        }
        self.entries[index] = made;
        Some(())
    }

    #[inline(never)]
    fn make_name(
        &mut self,
        terms: &Terms,
        local: &str,
        namespace: Option<Namespace<'_>>,
    ) -> RawTerm {
        let local = terms.binary(local.as_bytes());
        if !self.namespaces {
            return local;
        }
        let uri = match namespace {
            Some(namespace) => self.uri(terms, namespace.id, namespace.uri.as_bytes()),
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
}

/// `{name, value}`.
#[inline(always)]
fn pair(terms: &Terms, name: RawTerm, value: &[u8]) -> RawTerm {
    terms.tuple([name, terms.binary(value)])
}
