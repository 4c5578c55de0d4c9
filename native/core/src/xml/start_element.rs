//! A start tag that was scanned to its end: defaults, namespaces, and telling it.

use super::attributes::{AttributeSpan, Attributes, Source, Sources, Span};
use super::core::State;
use super::halt::{Halt, beyond, exceeded, malformed, malformed_at, shown};
use super::known::Role;
use super::namespaces::{Namespaces, XML_URI, XMLNS_URI};
use super::open::Open;
use super::scanner::Scanner;
use super::sink::{Flow, Name, Sink};
use super::tag::Tag;
use super::utf8;

/// What is wrong with namespaces.
const RESERVED_XMLNS: &str = "the prefix xmlns and its namespace cannot be declared";
const RESERVED_XML: &str = "the prefix xml and its namespace belong to each other alone";
const UNDECLARED: &str = "a prefix cannot be undeclared in Namespaces 1.0";

impl<S: Sink> Scanner<'_, S> {
    /// The attribute named by the text from `start` to `stop` must be new.
    #[inline]
    pub fn check_duplicate(&mut self, start: usize, stop: usize) -> Result<(), Halt> {
        let name = &self.text[start..stop];
        let Tag {
            attributes,
            normalised,
            kept,
            duplicates,
            ..
        } = &mut self.core.tag;
        let sources = Sources([self.text, normalised, kept, &[]]);
        if duplicates.contains(name, attributes, sources)? {
            let name = shown(name);
            return malformed(start, format!("the attribute {name} appears twice"));
        }
        Ok(())
    }

    /// The tag is complete: its '>' ends before `end`. Refused, or told in vain, it can be finished again.
    pub fn finish_tag(&mut self, end: usize, empty: bool) -> Result<(), Halt> {
        let outside = self.core.open.namespaces();
        if !self.core.tag.is_complete {
            self.add_defaults()?;
            if self.core.options.namespaces {
                self.core.namespaces.truncate(outside);
                self.declare_namespaces()?;
                self.resolve_prefixes()?;
            }
            self.core.tag.is_complete = true;
        }
        self.tell_start(outside)?;
        self.at = end;
        if empty {
            self.core.state = State::EmptyElement;
            return self.close(end);
        }
        self.core.state = State::Between;
        Ok(())
    }

    #[inline]
    fn tell_start(&mut self, outside: usize) -> Result<(), Halt> {
        let Tag {
            name,
            id,
            prefix,
            namespace,
            attributes,
            normalised,
            kept,
            ..
        } = &self.core.tag;
        let declared = self.dtd.map_or(&[][..], |dtd| dtd.text());
        let sources = Sources([self.text, normalised, kept, declared]);
        let qualified = sources.bytes(name);
        let open = Open {
            prefix: *prefix,
            namespace: *namespace,
            outside: outside as u32,
            inside: self.core.namespaces.len() as u32,
            ..Open::new(*id)
        };
        self.core.open.push(qualified, open)?;
        if let (true, Some(position)) = (self.core.options.positions, self.core.token) {
            self.sink.position(position);
        }
        let qualified = utf8::text(qualified);
        let name = Name {
            qualified,
            local: &qualified[*prefix as usize..],
            id: *id,
            namespace: self.core.namespaces.get(*namespace),
        };
        let attributes = Attributes {
            spans: attributes,
            sources,
            namespaces: &self.core.namespaces,
        };
        let flow = self.sink.start_element(name, &attributes);
        if flow == Flow::Again {
            self.core.open.pop();
        }
        self.told(flow)
    }

    /// Adds the attributes that the document type gives to this element and the tag does not.
    #[inline]
    fn add_defaults(&mut self) -> Result<(), Halt> {
        match (self.dtd, self.core.tag.element) {
            (Some(dtd), Some(element)) => {
                for (name, value) in dtd.default_places(element) {
                    let text = &dtd.text()[name.clone()];
                    let span = AttributeSpan {
                        name: Span::new(Source::Declared, name.start, name.end),
                        value: Span::new(Source::Declared, value.start, value.end),
                        id: self.core.known.learn(text, Role::Attribute),
                        prefix: match self.core.options.namespaces {
                            true => memchr::memchr(b':', text).map_or(0, |colon| colon as u32 + 1),
                            false => 0,
                        },
                        namespace: Namespaces::NONE,
                    };
                    self.add_default(text, span)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn add_default(&mut self, name: &[u8], span: AttributeSpan) -> Result<(), Halt> {
        let Tag {
            attributes,
            normalised,
            kept,
            duplicates,
            ..
        } = &mut self.core.tag;
        let declared = self.dtd.map_or(&[][..], |dtd| dtd.text());
        let sources = Sources([self.text, normalised, kept, declared]);
        if duplicates.contains(name, attributes, sources)? {
            return Ok(());
        }
        let (count, max) = (attributes.len() as u64, self.core.limits.max_attributes);
        if count >= max {
            return exceeded(self.at, "max_attributes", max, count + 1);
        }
        attributes.reserve(1)?;
        self.fix_token();
        let consumed = self.position_here().byte_offset;
        let bytes = span.value.len() as u64;
        if let Err(limit) = self.core.expansions.add(bytes, consumed) {
            return beyond(self.at, limit);
        }
        self.core.tag.attributes.push(span)?;
        Ok(())
    }

    /// Declares what the tag's `xmlns` attributes say.
    fn declare_namespaces(&mut self) -> Result<(), Halt> {
        for index in 0..self.core.tag.attributes.len() {
            let Tag {
                attributes,
                normalised,
                kept,
                ..
            } = &self.core.tag;
            let declared = self.dtd.map_or(&[][..], |dtd| dtd.text());
            let sources = Sources([self.text, normalised, kept, declared]);
            let name = sources.bytes(&attributes[index].name);
            let uri = sources.bytes(&attributes[index].value);
            let prefix = match name {
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
            // What is in scope is held: it must not be many values of the greatest length.
            let bytes = (self.core.namespaces.bytes() + prefix.len() + uri.len()) as u64;
            let max = self.core.limits.max_attribute_bytes;
            if bytes > max.saturating_mul(2) {
                return exceeded(self.at, "max_attribute_bytes", max, bytes);
            }
            self.core.namespaces.declare(prefix, uri)?;
            self.core.tag.attributes[index].namespace = Namespaces::XMLNS;
        }
        Ok(())
    }

    /// Finds the namespaces of the tag's names; two attributes may not come to the same one.
    fn resolve_prefixes(&mut self) -> Result<(), Halt> {
        let Tag {
            name,
            prefix,
            namespace,
            attributes,
            normalised,
            kept,
            expanded,
            ..
        } = &mut self.core.tag;
        let namespaces = &self.core.namespaces;
        let declared = self.dtd.map_or(&[][..], |dtd| dtd.text());
        let sources = Sources([self.text, normalised, kept, declared]);
        let find = |name: &[u8], prefix: u32| match prefix {
            0 => Ok(Namespaces::NONE),
            len => {
                let prefix = &name[..len as usize - 1];
                namespaces.resolve(prefix).ok_or_else(|| shown(prefix))
            }
        };
        let mut result = Ok(());
        let element = sources.bytes(name);
        match *prefix {
            0 => *namespace = namespaces.default_index(),
            len => match find(element, len) {
                Ok(index) => *namespace = index,
                Err(prefix) => result = Err(prefix),
            },
        }
        let mut prefixed = 0;
        for attribute in attributes.iter_mut() {
            if attribute.namespace == Namespaces::XMLNS || attribute.prefix == 0 {
                continue;
            }
            prefixed += 1;
            match find(sources.bytes(&attribute.name), attribute.prefix) {
                Ok(index) => attribute.namespace = index,
                Err(prefix) => result = result.and(Err(prefix)),
            }
        }
        let mut reason = result
            .err()
            .map(|prefix| format!("the prefix {prefix} is not declared"));
        if reason.is_none() && prefixed > 1 {
            let key = |attribute: &AttributeSpan| {
                let name = &sources.bytes(&attribute.name)[attribute.prefix as usize..];
                (attribute.namespace < Namespaces::XMLNS || attribute.namespace == Namespaces::XML)
                    .then(|| (namespaces.id(attribute.namespace), name))
            };
            reason = expanded.first(attributes, key)?.map(|(_, name)| {
                format!(
                    "two attributes are both the {} of the same namespace",
                    shown(name)
                )
            });
        }
        match reason {
            None => Ok(()),
            Some(reason) => {
                self.fix_token();
                malformed_at(self.core.token, reason)
            }
        }
    }
}

/// What is wrong with declaring that `prefix` stands for `uri`.
fn forbidden(prefix: &[u8], uri: &[u8]) -> Option<&'static str> {
    match (prefix, uri) {
        (b"xmlns", _) => Some(RESERVED_XMLNS),
        (_, uri) if uri == XMLNS_URI => Some(RESERVED_XMLNS),
        (prefix, uri) if (prefix == b"xml") != (uri == XML_URI) => Some(RESERVED_XML),
        (prefix, []) if !prefix.is_empty() => Some(UNDECLARED),
        _ => None,
    }
}
