//! Namespaces in XML 1.0: which URI a prefix stands for, element by element.
#![allow(unsafe_code)]

use crate::arena::account::{Account, Refusal};
use crate::arena::charged_vec::ChargedVec;
use crate::arena::incremental_buf::IncrementalBuf;
use crate::sync::Arc;
use crate::xml::api::sink::Namespace;
use crate::xml::names::hash_stack::HashStack;
use crate::xml::syntax::utf8;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

pub(crate) const XML_URI: &[u8] = b"http://www.w3.org/XML/1998/namespace";
pub(crate) const XMLNS_URI: &[u8] = b"http://www.w3.org/2000/xmlns/";

/// The ids of the two namespaces that every document has.
const XML_ID: u32 = 0;
const XMLNS_ID: u32 = 1;

/// Up to this number of declarations, a linear search for a prefix is faster than hashing.
const FEW: usize = 8;

/// A declaration in scope.
#[derive(Clone, Copy, Debug)]
struct Binding {
    /// Where its prefix starts in the texts, its URI, and where that ends.
    start: u32,
    uri: u32,
    end: u32,
    id: u32,
    /// The default namespace before.
    previous_default: u32,
    prefix_hash: u64,
    uri_hash: u64,
}

/// The declarations in scope: a stack, so that an element's go when it ends.
///
/// Hashes have random keys: no choice of prefixes or URIs makes a tag slow.
#[derive(Debug)]
pub(crate) struct Namespaces {
    bindings: ChargedVec<Binding>,
    /// Prefixes and URIs.
    texts: IncrementalBuf,
    /// Index of the default namespace.
    default: u32,
    next_id: u32,
    /// How many were in scope around the tag that was read last.
    inherited: usize,
    keys: RandomState,
    by_prefix: HashStack,
    by_uri: HashStack,
}

impl Namespaces {
    /// The index of no namespace.
    pub const NONE: u32 = u32::MAX;
    /// The index of what `xml:` stands for.
    pub const XML: u32 = u32::MAX - 1;
    /// The index of the namespace that declarations are in.
    pub const XMLNS: u32 = u32::MAX - 2;

    /// For prefixes and URIs of at most `most` bytes together.
    pub fn new(account: &Arc<Account>, most: usize) -> Namespaces {
        Namespaces {
            bindings: ChargedVec::new(account),
            texts: IncrementalBuf::new(account, most),
            default: Namespaces::NONE,
            next_id: XMLNS_ID + 1,
            inherited: 0,
            keys: RandomState::new(),
            by_prefix: HashStack::new(account),
            by_uri: HashStack::new(account),
        }
    }

    /// How many declarations are in scope.
    #[inline]
    pub fn len(&self) -> usize {
        self.bindings.len()
    }

    /// Bytes that they take.
    pub fn bytes(&self) -> usize {
        self.texts.len()
    }

    /// Forgets all declarations but the first `len`.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        while self.bindings.len() > len {
            self.forget_last();
        }
    }

    /// Begins a tag around which the first `len` declarations are in scope.
    #[inline]
    pub fn begin_tag(&mut self, len: usize) {
        self.truncate(len);
        self.inherited = len;
    }

    /// How many declarations there are around the tag, those that are declared anew included, and their bytes.
    pub fn inherited(&self) -> (usize, usize) {
        let bytes = match self.bindings.get(self.inherited) {
            Some(own) => own.start as usize,
            None => self.texts.len(),
        };
        (self.inherited, bytes)
    }

    /// The prefix and the URI of a declaration around the tag, if it is in force in its element.
    pub fn inherited_at(&self, index: usize) -> Option<(&str, &str)> {
        if index >= self.inherited {
            return None;
        }
        let prefix = self.prefix(index);
        let in_force = match prefix {
            [] => Some(self.default),
            _ => self.resolve(prefix),
        };
        // SAFETY: parts of validated text, cut beside ASCII characters.
        let text = |bytes| unsafe { utf8::text(bytes) };
        (in_force == Some(index as u32)).then(|| (text(prefix), text(self.uri(index))))
    }

    fn forget_last(&mut self) {
        if let Some(binding) = self.bindings.pop() {
            self.by_prefix.pop(binding.prefix_hash);
            self.by_uri.pop(binding.uri_hash);
            self.texts.truncate(binding.start as usize);
            self.default = binding.previous_default;
        }
    }

    /// Declares a prefix, empty for the default namespace; an empty URI undeclares that.
    pub fn declare(&mut self, prefix: &[u8], uri: &[u8]) -> Result<(), Refusal> {
        let bindings = &mut self.bindings;
        bindings.reserve(1)?;
        self.by_prefix.reserve(|at| bindings[at].prefix_hash)?;
        self.by_uri.reserve(|at| bindings[at].uri_hash)?;
        self.texts.reserve(prefix.len() + uri.len())?;
        let start = self.texts.len();
        self.texts.extend_from_slice(prefix)?;
        self.texts.extend_from_slice(uri)?;
        let uri_hash = self.keys.hash_one(uri);
        let id = self.id_of(uri, uri_hash);
        let binding = Binding {
            start: start as u32,
            uri: (start + prefix.len()) as u32,
            end: self.texts.len() as u32,
            id,
            previous_default: self.default,
            prefix_hash: self.keys.hash_one(prefix),
            uri_hash,
        };
        if prefix.is_empty() {
            self.default = match uri {
                [] => Namespaces::NONE,
                _ => self.bindings.len() as u32,
            };
        }
        self.by_prefix.push(binding.prefix_hash)?;
        self.by_uri.push(binding.uri_hash)?;
        self.bindings.push(binding)
    }

    /// The id that a URI in scope has, or another one.
    fn id_of(&mut self, uri: &[u8], hash: u64) -> u32 {
        if uri == XML_URI {
            return XML_ID;
        }
        let known = self.by_uri.find(hash, |index| {
            self.bindings[index].uri_hash == hash && self.uri(index) == uri
        });
        match known {
            Some(index) => self.bindings[index].id,
            None => {
                let id = self.next_id;
                // Beyond four thousand million, ids are used again: the oldest is long out of scope.
                self.next_id = id.checked_add(1).unwrap_or(XMLNS_ID + 1);
                id
            }
        }
    }

    /// The index of the default namespace.
    #[inline]
    pub fn default_index(&self) -> u32 {
        self.default
    }

    /// The index of what a prefix stands for.
    #[inline]
    pub fn resolve(&self, prefix: &[u8]) -> Option<u32> {
        let found = match self.bindings.len() {
            0..=FEW => (0..self.bindings.len())
                .rev()
                .find(|&index| self.prefix(index) == prefix),
            _ => self.find_prefix(prefix),
        };
        match found {
            Some(index) => Some(index as u32),
            None if prefix == b"xml" => Some(Namespaces::XML),
            None => None,
        }
    }

    fn find_prefix(&self, prefix: &[u8]) -> Option<usize> {
        let hash = self.keys.hash_one(prefix);
        self.by_prefix
            .find(hash, |index| self.prefix(index) == prefix)
    }

    /// A number that two indices share if they stand for the same namespace.
    #[inline]
    pub fn id(&self, index: u32) -> u32 {
        match index {
            Namespaces::NONE => u32::MAX,
            Namespaces::XML => XML_ID,
            Namespaces::XMLNS => XMLNS_ID,
            index => self.bindings[index as usize].id,
        }
    }

    #[inline(always)]
    pub fn get(&self, index: u32) -> Option<Namespace<'_>> {
        match index {
            Namespaces::NONE => None,
            // Put together of what is returned in registers: where there is none, which is mostly so, nothing
            // is copied then.
            index => Some(Namespace {
                id: self.known_id(index),
                // SAFETY: a URI is the whole value of an attribute, of validated text.
                uri: unsafe { utf8::text(self.known_uri(index)) },
            }),
        }
    }

    fn known_id(&self, index: u32) -> u32 {
        match index {
            Namespaces::XML => XML_ID,
            Namespaces::XMLNS => XMLNS_ID,
            index => self.bindings[index as usize].id,
        }
    }

    fn known_uri(&self, index: u32) -> &[u8] {
        match index {
            Namespaces::XML => XML_URI,
            Namespaces::XMLNS => XMLNS_URI,
            index => self.uri(index as usize),
        }
    }

    fn prefix(&self, index: usize) -> &[u8] {
        let binding = &self.bindings[index];
        &self.texts[binding.start as usize..binding.uri as usize]
    }

    fn uri(&self, index: usize) -> &[u8] {
        let binding = &self.bindings[index];
        &self.texts[binding.uri as usize..binding.end as usize]
    }
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn uri<'a>(namespaces: &'a Namespaces, prefix: &str) -> Option<&'a str> {
        let index = match prefix {
            "" => Some(namespaces.default_index()),
            prefix => namespaces.resolve(prefix.as_bytes()),
        };
        Some(namespaces.get(index?)?.uri)
    }

    fn declare(namespaces: &mut Namespaces, prefix: &str, uri: &str) {
        let declared = namespaces.declare(prefix.as_bytes(), uri.as_bytes());
        declared.unwrap();
    }

    #[test]
    fn declarations_end_with_their_element() {
        let mut namespaces = Namespaces::new(&Account::root(), usize::MAX);
        assert_eq!(uri(&namespaces, ""), None);
        assert_eq!(uri(&namespaces, "a"), None);
        declare(&mut namespaces, "", "u");
        declare(&mut namespaces, "a", "v");
        let outer = namespaces.len();
        declare(&mut namespaces, "a", "u");
        declare(&mut namespaces, "", "");
        assert_eq!(uri(&namespaces, "a"), Some("u"));
        assert_eq!(uri(&namespaces, ""), None);
        namespaces.truncate(outer);
        assert_eq!(uri(&namespaces, "a"), Some("v"));
        assert_eq!(uri(&namespaces, ""), Some("u"));
        namespaces.truncate(0);
        assert_eq!(uri(&namespaces, "a"), None);
        assert_eq!(namespaces.bytes(), 0);
    }

    #[test]
    fn ids_tell_namespaces_apart() {
        let mut namespaces = Namespaces::new(&Account::root(), usize::MAX);
        for (prefix, uri) in [
            ("a", "u"),
            ("b", "v"),
            ("c", "u"),
            ("xml", "http://www.w3.org/XML/1998/namespace"),
        ] {
            declare(&mut namespaces, prefix, uri);
        }
        let id = |prefix: &str| namespaces.id(namespaces.resolve(prefix.as_bytes()).unwrap());
        assert_eq!(id("a"), id("c"));
        assert_ne!(id("a"), id("b"));
        assert_eq!(id("xml"), namespaces.id(Namespaces::XML));
        assert_ne!(
            namespaces.id(Namespaces::XMLNS),
            namespaces.id(Namespaces::XML)
        );
    }

    #[test]
    fn many_prefixes_and_long_uris_are_told_apart() {
        let mut namespaces = Namespaces::new(&Account::root(), usize::MAX);
        let long = "u".repeat(10_000);
        for n in 0..500 {
            declare(
                &mut namespaces,
                &format!("p{n}"),
                &format!("urn:{}", n % 250),
            );
        }
        for (prefix, last) in [("a", "1"), ("b", "2"), ("c", "1")] {
            declare(&mut namespaces, prefix, &format!("{long}{last}"));
        }
        declare(&mut namespaces, "p7", "other");
        let id = |prefix: &str| namespaces.id(namespaces.resolve(prefix.as_bytes()).unwrap());
        assert_eq!(id("p3"), id("p253"));
        assert_ne!(id("p3"), id("p4"));
        assert_eq!(id("a"), id("c"));
        assert_ne!(id("a"), id("b"));
        assert_eq!(uri(&namespaces, "p7"), Some("other"));
        assert_eq!(uri(&namespaces, "p999"), None);
        namespaces.truncate(400);
        assert_eq!(uri(&namespaces, "p7"), Some("urn:7"));
        assert_eq!(uri(&namespaces, "p400"), None);
        assert_eq!(uri(&namespaces, "p399"), Some("urn:149"));
    }
}
