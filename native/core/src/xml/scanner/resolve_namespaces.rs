//! Namespaces of a start tag that was scanned: declared, found, and no two attributes the same.

use crate::xml::api::attributes::{AttributeSpan, SpanBuffers};
use crate::xml::api::sink::Sink;
use crate::xml::names::namespaces::{Namespaces, XML_URI, XMLNS_URI};
use crate::xml::scanner::Scanner;
use crate::xml::scanner::interrupt::{Interrupt, exceeded, malformed_at, shown};
use crate::xml::scanner::state::tag::{Stage, Tag};

/// Errors in namespaces.
const RESERVED_XMLNS: &str = "the prefix xmlns and its namespace cannot be declared";
const RESERVED_XML: &str = "the prefix xml and its namespace belong to each other alone";
const UNDECLARED: &str = "a prefix cannot be undeclared in Namespaces 1.0";

/// The cost of finding a namespace, or one name among others, in units of credit, besides a unit for each of its bytes.
const LOOKUP_COST: usize = 60;

/// The cost of declaring a namespace, besides a unit for each of its bytes.
const DECLARATION_COST: usize = 200;

impl<S: Sink> Scanner<'_, S> {
    /// Declares what the tag's `xmlns` attributes say.
    pub fn declare_namespaces(&mut self, first: usize) -> Result<Stage, Interrupt> {
        for index in first..self.core.tag.attributes.len() {
            self.core.tag.stage = Stage::Declarations(index);
            self.spend(1)?;
            let sources = self.core.tag.sources(self.text, self.dtd);
            let attribute = &self.core.tag.attributes[index];
            let uri = sources.bytes(&attribute.value);
            let prefix = match sources.bytes(&attribute.name) {
                b"xmlns" => &[],
                [b'x', b'm', b'l', b'n', b's', b':', prefix @ ..] => prefix,
                _ => continue,
            };
            if let Some(reason) = forbidden(prefix, uri) {
                self.fix_token();
                return malformed_at(self.core.token, reason);
            }
            let count = self.core.namespaces.len() as u64;
            let max = self.core.limits.max_namespaces;
            if count >= max {
                return exceeded(self.at, "max_namespaces", max, count + 1);
            }
            // Terms are made of all of it in every call that uses it: it must not be much.
            let bytes = (self.core.namespaces.bytes() + prefix.len() + uri.len()) as u64;
            if bytes > self.core.limits.namespace_bytes() {
                let max = self.core.limits.max_name_bytes;
                return exceeded(self.at, "max_name_bytes", max, bytes);
            }
            self.core.namespaces.declare(prefix, uri)?;
            let cost = DECLARATION_COST + uri.len();
            self.charge(cost);
            self.core.tag.attributes[index].namespace = Namespaces::XMLNS;
        }
        Ok(Stage::Prefixes(0))
    }

    /// Finds the namespaces of the tag's names.
    pub fn resolve_prefixes(&mut self, first: usize) -> Result<Stage, Interrupt> {
        if first == 0 {
            let Tag { name, prefix, .. } = self.core.tag;
            self.core.tag.namespace = match prefix {
                0 => self.core.namespaces.default_index(),
                len => {
                    let sources = self.core.tag.sources(self.text, self.dtd);
                    let prefix = &sources.bytes(&name)[..len as usize - 1];
                    match self.core.namespaces.resolve(prefix) {
                        Some(index) => index,
                        None => return self.undeclared(shown(prefix)),
                    }
                }
            };
        }
        let mut prefixed = 0;
        for index in first..self.core.tag.attributes.len() {
            let attribute = self.core.tag.attributes[index];
            if attribute.namespace == Namespaces::XMLNS || attribute.prefix == 0 {
                continue;
            }
            self.core.tag.stage = Stage::Prefixes(index);
            self.spend(LOOKUP_COST + attribute.prefix as usize)?;
            prefixed += 1;
            let sources = self.core.tag.sources(self.text, self.dtd);
            let prefix = &sources.bytes(&attribute.name)[..attribute.prefix as usize - 1];
            match self.core.namespaces.resolve(prefix) {
                Some(found) => self.core.tag.attributes[index].namespace = found,
                None => return self.undeclared(shown(prefix)),
            }
        }
        Ok(match first > 0 || prefixed > 1 {
            true => Stage::Duplicates(0),
            false => Stage::Complete,
        })
    }

    /// Two attributes must not come to the same name.
    pub fn find_duplicates(&mut self, first: usize) -> Result<Stage, Interrupt> {
        for index in first..self.core.tag.attributes.len() {
            self.core.tag.stage = Stage::Duplicates(index);
            self.spend(LOOKUP_COST + self.core.tag.attributes[index].name.len())?;
            let declared = self.dtd.map_or(&[][..], |dtd| dtd.text());
            let tag = &mut self.core.tag;
            let sources = SpanBuffers([self.text, &tag.normalised, &tag.kept, declared]);
            let namespaces = &self.core.namespaces;
            let key = |attribute: &AttributeSpan| {
                let name = &sources.bytes(&attribute.name)[attribute.prefix as usize..];
                (attribute.namespace < Namespaces::XMLNS || attribute.namespace == Namespaces::XML)
                    .then(|| (namespaces.id(attribute.namespace), name))
            };
            if let Some((_, name)) = tag.expanded.duplicate_of(index, &tag.attributes, key)? {
                let name = shown(name);
                let reason = format!("two attributes are both the {name} of the same namespace");
                self.fix_token();
                return malformed_at(self.core.token, reason);
            }
        }
        Ok(Stage::Complete)
    }

    #[cold]
    fn undeclared<T>(&mut self, prefix: String) -> Result<T, Interrupt> {
        self.fix_token();
        let reason = format!("the prefix {prefix} is not declared");
        malformed_at(self.core.token, reason)
    }
}

/// The error of declaring that `prefix` stands for `uri`.
fn forbidden(prefix: &[u8], uri: &[u8]) -> Option<&'static str> {
    match (prefix, uri) {
        (b"xmlns", _) => Some(RESERVED_XMLNS),
        (_, uri) if uri == XMLNS_URI => Some(RESERVED_XMLNS),
        (prefix, uri) if (prefix == b"xml") != (uri == XML_URI) => Some(RESERVED_XML),
        (prefix, []) if !prefix.is_empty() => Some(UNDECLARED),
        _ => None,
    }
}
