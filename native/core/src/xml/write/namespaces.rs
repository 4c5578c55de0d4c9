//! Which prefix stands for which namespace, and the prefixes that are chosen for namespaces without one.

use crate::arena::account::Account;
use crate::arena::charged_vec::ChargedVec;
use crate::sync::Arc;
use crate::xml::simd::escape::{DOUBLE_QUOTED, SINGLE_QUOTED};
use crate::xml::write::checks::checked_text;
use crate::xml::write::fault::{Cause, FaultKind, Stop, WriteError, excerpt};
use crate::xml::write::name::{WrittenName, check_local};
use crate::xml::write::pieces::PieceSink;
use crate::xml::write::writer::{Quote, Writer};
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
    /// The depth of the last binding.
    innermost: usize,
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
            innermost: 0,
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
        if self.innermost > depth {
            self.pop_bindings(depth);
        }
    }

    #[cold]
    #[inline(never)]
    fn pop_bindings(&mut self, depth: usize) {
        self.innermost = 0;
        while let Some(last) = self.bindings.last() {
            if last.depth <= depth {
                self.innermost = last.depth;
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
        self.bind(depth, prefix, [b"", uri], false)
    }

    /// An attribute of the tag at `depth` declares `prefix` for a namespace that is not known here, or for none that
    /// names can be in. Its URI has a NUL, as no name's has: the prefix is taken, and chosen for no name.
    pub fn declare_unknown(&mut self, depth: usize, prefix: &[u8]) -> Result<(), Stop> {
        if prefix == b"xml" {
            return Ok(());
        }
        self.bind(depth, prefix, [b"\0", prefix], false)
    }

    /// Declares the prefixes that the user gave, but for those that the root declares itself, and for one of names without
    /// a prefix where the root is in no namespace.
    pub fn declare_given(&mut self, depth: usize, has_default: bool) -> Result<(), Stop> {
        let given = std::mem::take(&mut self.given);
        let mut result = Ok(());
        for (prefix, uri) in &given {
            if self.visible(prefix).is_none() && (has_default || !prefix.is_empty()) {
                result = self.bind(depth, prefix, [b"", uri], true);
            }
        }
        // Refused, they are declared when it is tried again.
        if result.is_err() {
            self.given = given;
        }
        result
    }

    /// The two parts of `uri` are stored as one.
    fn bind(
        &mut self,
        depth: usize,
        prefix: &[u8],
        uri: [&[u8]; 2],
        chosen: bool,
    ) -> Result<(), Stop> {
        if self.bindings.len() >= MAX_BINDINGS {
            return Err(Cause::new(
                FaultKind::Namespace,
                format!("more than {MAX_BINDINGS} namespace declarations are in scope"),
            )
            .into());
        }
        self.bindings.reserve(1)?;
        self.text
            .reserve(prefix.len() + uri[0].len() + uri[1].len())?;
        let start = self.text.len();
        self.text.extend_from_slice(prefix)?;
        let middle = self.text.len();
        self.text.extend_from_slice(uri[0])?;
        self.text.extend_from_slice(uri[1])?;
        self.bindings.push(Binding {
            prefix: start..middle,
            uri: middle..self.text.len(),
            depth,
            chosen,
        })?;
        self.innermost = depth;
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
        self.bind(depth, b"", [b"", b""], true)?;
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
        self.bind(depth, &prefix, [b"", uri], true)?;
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

impl Writer {
    /// Whether a start tag needs its declarations first.
    pub fn declares_first(&self) -> bool {
        self.namespaces.has_given()
    }

    /// An attribute of the tag that begins next, if it is a declaration, before [`Writer::start`]. Its value counts
    /// then, and is written with the attribute.
    pub fn declare(&mut self, name: WrittenName<'_>, uri: &[u8]) -> Result<(), WriteError> {
        match name {
            WrittenName::Plain(name) if name.declares() => self.declare_plain(name.bytes, uri),
            WrittenName::Expanded(Some(DECLARATIONS), local) => {
                let depth = self.open.depth() + 1;
                self.namespaces
                    .declare(depth, declared_prefix(local), uri)
                    .map_err(|stop| self.stopped(stop))
            }
            _ => Ok(()),
        }
    }

    /// The same of a declaration whose value is too long to be compared with the URIs of names.
    pub fn declare_long(&mut self, name: WrittenName<'_>) -> Result<(), WriteError> {
        let prefix = match name {
            WrittenName::Plain(name) if name.declares() => name.bytes.get(6..).unwrap_or_default(),
            WrittenName::Expanded(Some(DECLARATIONS), local) => declared_prefix(local),
            _ => return Ok(()),
        };
        let depth = self.open.depth() + 1;
        self.namespaces
            .declare_unknown(depth, prefix)
            .map_err(|stop| self.stopped(stop))
    }

    #[cold]
    pub(super) fn declare_plain(&mut self, name: &[u8], uri: &[u8]) -> Result<(), WriteError> {
        let prefix = name.get(6..).unwrap_or_default();
        // Names with prefixes are written as they are: their declarations may be what they like.
        let depth = self.open.depth() + 1;
        let declared = match self.namespaces.declare(depth, prefix, uri) {
            // The prefix is taken all the same: it must not be declared twice in a tag.
            Err(Stop::Cause(_)) => self.namespaces.declare_unknown(depth, prefix),
            declared => declared,
        };
        match declared {
            Err(Stop::Refused(refusal)) => Err(refusal.into()),
            _ => Ok(()),
        }
    }

    /// Declarations that were chosen for names of this tag.
    #[cold]
    pub(crate) fn write_chosen(&mut self, sink: &mut impl PieceSink) {
        while let Some((prefix, uri)) = self.namespaces.take_waiting() {
            let (open, close): (&[u8], &[u8]) = match self.options.quote {
                Quote::Double => (b"=\"", b"\""),
                Quote::Single => (b"='", b"'"),
            };
            let colon: &[u8] = if prefix.is_empty() { b"" } else { b":" };
            self.out.put([b" xmlns", colon, prefix, open], sink);
            // It was checked when it was declared.
            let _ = match self.options.quote {
                Quote::Double => self.out.text::<DOUBLE_QUOTED>(uri, sink),
                Quote::Single => self.out.text::<SINGLE_QUOTED>(uri, sink),
            };
            self.out.put([close], sink);
        }
    }
}

/// The prefix that the attribute `local` of the namespace of declarations declares, empty for names without one.
fn declared_prefix(local: &[u8]) -> &[u8] {
    if local == b"xmlns" { b"" } else { local }
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
