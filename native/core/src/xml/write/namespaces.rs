//! Which prefix stands for which namespace, and the prefixes that are chosen for namespaces without one.

use crate::arena::account::Account;
use crate::arena::charged_vec::ChargedVec;
use crate::sync::Arc;
use crate::xml::write::checks::checked_text;
use crate::xml::write::fault::{Cause, FaultKind, Stop, excerpt};
use crate::xml::write::name::check_local;
use std::ops::Range;

/// Names of declarations are in this namespace.
pub(crate) const DECLARATIONS: &[u8] = b"http://www.w3.org/2000/xmlns/";
const XML: &[u8] = b"http://www.w3.org/XML/1998/namespace";

/// Declarations in scope at most: all are looked at to find one. As many as the reader takes under raised limits.
const MAX_BINDINGS: usize = 8_192;

#[derive(Clone, Debug)]
struct Binding {
    /// Empty: of names without a prefix.
    prefix: Range<usize>,
    /// Empty: none.
    uri: Range<usize>,
    /// Elements that are open where it applies, its own among them.
    depth: usize,
    /// Chosen here, and not written yet.
    chosen: bool,
}

pub(crate) struct Namespaces {
    text: ChargedVec<u8>,
    bindings: ChargedVec<Binding>,
    /// What the user prefers: prefixes and URIs.
    given: Vec<(Vec<u8>, Vec<u8>)>,
    /// Prefixes that were made.
    made: u64,
    /// Bindings that are chosen and not written.
    waiting: usize,
}

/// What a name is written as: a prefix, perhaps.
pub(crate) enum Resolved {
    Prefix(Range<usize>),
    None,
    /// The prefix `xml`.
    Xml,
}

impl Namespaces {
    pub fn new(account: &Arc<Account>, given: Vec<(Vec<u8>, Vec<u8>)>) -> Namespaces {
        Namespaces {
            text: ChargedVec::new(account),
            bindings: ChargedVec::new(account),
            given,
            made: 0,
            waiting: 0,
        }
    }

    pub fn has_given(&self) -> bool {
        !self.given.is_empty()
    }

    pub fn has_waiting(&self) -> bool {
        self.waiting > 0
    }

    /// How many declarations a look-up looks at.
    pub fn len(&self) -> usize {
        self.bindings.len()
    }

    /// Declarations of elements deeper than `depth` are over.
    #[inline(always)]
    pub fn pop(&mut self, depth: usize) {
        if !self.bindings.is_empty() {
            self.pop_bindings(depth);
        }
    }

    #[cold]
    fn pop_bindings(&mut self, depth: usize) {
        while let Some(last) = self.bindings.last() {
            if last.depth <= depth {
                return;
            }
            let start = last.prefix.start;
            self.bindings.pop();
            self.text.truncate(start);
        }
    }

    /// An attribute of the tag at `depth` declares `prefix`, empty for names without.
    pub fn declare(&mut self, depth: usize, prefix: &[u8], uri: &[u8]) -> Result<(), Stop> {
        if let Some(reason) = forbidden(prefix, uri) {
            return Err(Cause::new(FaultKind::Namespace, reason).into());
        }
        if prefix == b"xml" {
            return Ok(());
        }
        self.bind(depth, prefix, uri, false)
    }

    /// Declares the prefixes that the user gave, but for those that the root declares itself, and for one of names without
    /// a prefix where the root is in no namespace.
    pub fn declare_given(&mut self, depth: usize, has_default: bool) -> Result<(), Stop> {
        let given = std::mem::take(&mut self.given);
        let mut result = Ok(());
        for (prefix, uri) in &given {
            if self.visible(prefix).is_none() && (has_default || !prefix.is_empty()) {
                result = self.bind(depth, prefix, uri, true);
            }
        }
        // Refused, they are declared when it is tried again.
        if result.is_err() {
            self.given = given;
        }
        result
    }

    fn bind(&mut self, depth: usize, prefix: &[u8], uri: &[u8], chosen: bool) -> Result<(), Stop> {
        if self.bindings.len() >= MAX_BINDINGS {
            return Err(Cause::new(
                FaultKind::Namespace,
                format!("more than {MAX_BINDINGS} namespace declarations are in scope"),
            )
            .into());
        }
        self.bindings.reserve(1)?;
        self.text.reserve(prefix.len() + uri.len())?;
        let start = self.text.len();
        self.text.extend_from_slice(prefix)?;
        let middle = self.text.len();
        self.text.extend_from_slice(uri)?;
        self.bindings.push(Binding {
            prefix: start..middle,
            uri: middle..self.text.len(),
            depth,
            chosen,
        })?;
        self.waiting += usize::from(chosen);
        Ok(())
    }

    /// What `prefix` stands for here.
    pub fn visible(&self, prefix: &[u8]) -> Option<&[u8]> {
        let binding = self
            .bindings
            .iter()
            .rev()
            .find(|binding| &self.text[binding.prefix.clone()] == prefix)?;
        Some(&self.text[binding.uri.clone()])
    }

    /// The prefix of an element in the namespace `uri`; declared in its tag if none is.
    pub fn element(&mut self, depth: usize, uri: Option<&[u8]>) -> Result<Resolved, Stop> {
        let Some(uri) = uri.filter(|uri| !uri.is_empty()) else {
            return self.no_namespace(depth);
        };
        self.resolve(depth, uri, true)
    }

    /// The same of an attribute. Without a prefix it is in no namespace.
    pub fn attribute(&mut self, depth: usize, uri: Option<&[u8]>) -> Result<Resolved, Stop> {
        match uri.filter(|uri| !uri.is_empty()) {
            Some(uri) => self.resolve(depth, uri, false),
            None => Ok(Resolved::None),
        }
    }

    fn no_namespace(&mut self, depth: usize) -> Result<Resolved, Stop> {
        let is_default = self.visible(b"").is_some_and(|uri| !uri.is_empty());
        if !is_default {
            return Ok(Resolved::None);
        }
        let own = |it: &&Binding| it.depth == depth && it.prefix.is_empty();
        if self.bindings.iter().rev().find(own).is_some() {
            return Err(Cause::new(
                FaultKind::Namespace,
                "the element is in no namespace, and declares one for names without a prefix",
            )
            .into());
        }
        self.bind(depth, b"", b"", true)?;
        Ok(Resolved::None)
    }

    fn resolve(&mut self, depth: usize, uri: &[u8], is_element: bool) -> Result<Resolved, Stop> {
        if uri == XML {
            return Ok(Resolved::Xml);
        }
        let known = self.bindings.iter().rev().find(|binding| {
            let prefix = &self.text[binding.prefix.clone()];
            &self.text[binding.uri.clone()] == uri
                && (is_element || !prefix.is_empty())
                && self.visible(prefix) == Some(uri)
        });
        if let Some(binding) = known {
            return Ok(match binding.prefix.is_empty() {
                true => Resolved::None,
                false => Resolved::Prefix(binding.prefix.clone()),
            });
        }
        if let Some(reason) = forbidden(b"a", uri) {
            return Err(Cause::new(FaultKind::Namespace, reason).into());
        }
        checked_text(uri)?;
        // A prefix that means nothing yet: one that does may be used in this very tag.
        let prefix = loop {
            self.made += 1;
            let prefix = format!("ns{}", self.made).into_bytes();
            if self.visible(&prefix).is_none() {
                break prefix;
            }
        };
        self.bind(depth, &prefix, uri, true)?;
        let prefix = self.bindings.last().map(|it| it.prefix.clone());
        Ok(prefix.map_or(Resolved::None, Resolved::Prefix))
    }

    pub fn prefix(&self, resolved: &Resolved) -> &[u8] {
        match resolved {
            Resolved::Prefix(prefix) => &self.text[prefix.clone()],
            Resolved::None => b"",
            Resolved::Xml => b"xml",
        }
    }

    /// Whether `prefix`, of a name that was written, stands for `uri` here.
    pub fn stands_for(&self, prefix: &[u8], uri: Option<&[u8]>) -> bool {
        let meant = match prefix {
            b"xml" => XML,
            prefix => self.visible(prefix).unwrap_or_default(),
        };
        meant == uri.unwrap_or_default()
    }

    /// The next declaration that was chosen: its prefix and its URI.
    pub fn take_waiting(&mut self) -> Option<(&[u8], &[u8])> {
        if self.waiting == 0 {
            return None;
        }
        self.waiting -= 1;
        let binding = self.bindings.iter_mut().find(|binding| binding.chosen)?;
        binding.chosen = false;
        Some((
            &self.text[binding.prefix.clone()],
            &self.text[binding.uri.clone()],
        ))
    }
}

/// Why a declaration is not allowed by Namespaces in XML 1.0, 3.
fn forbidden(prefix: &[u8], uri: &[u8]) -> Option<String> {
    if uri == DECLARATIONS {
        return Some("no prefix may stand for http://www.w3.org/2000/xmlns/".to_owned());
    }
    if (prefix == b"xml") != (uri == XML) {
        return Some(
            "the prefix xml, and no other, stands for http://www.w3.org/XML/1998/namespace"
                .to_owned(),
        );
    }
    if prefix == b"xmlns" {
        return Some("the prefix xmlns cannot be declared".to_owned());
    }
    if !prefix.is_empty() && uri.is_empty() {
        return Some(format!(
            "the prefix \"{}\" cannot stand for no namespace",
            excerpt(prefix)
        ));
    }
    if !prefix.is_empty()
        && let Err(cause) = check_local(prefix)
    {
        return Some(cause.reason);
    }
    None
}
