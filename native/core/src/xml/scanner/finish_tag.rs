//! A start tag that was scanned to its end: defaults, namespaces, and telling it.

use crate::xml::api::attributes::{AttributeSpan, Attributes, Source, Sources, Span};
use crate::xml::api::sink::{Flow, Name, Sink};
use crate::xml::dtd::{DefaultId, Dtd};
use crate::xml::names::element_stack::Open;
use crate::xml::names::namespaces::Namespaces;
use crate::xml::names::table::Role;
use crate::xml::scanner::interrupt::{Halt, beyond, exceeded, malformed, shown};
use crate::xml::scanner::start_tag::Tag;
use crate::xml::scanner::state::{Core, State};
use crate::xml::scanner::{ATTRIBUTE_COST, Scanner};
use crate::xml::syntax::utf8;

/// How far a tag that was scanned has come. Each stage may take several calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    Scanned,
    /// Adding what the document type declares for its element, from this declaration on.
    Defaults(Option<DefaultId>),
    /// Declaring namespaces, from this attribute on.
    Declarations(usize),
    /// Finding what prefixes stand for, from this attribute on.
    Prefixes(usize),
    /// Looking for two attributes that come to the same name, from this one on.
    Twins(usize),
    /// It only has to be told.
    Complete,
}

impl Tag {
    /// The buffers that its spans refer to.
    #[inline]
    pub fn sources<'a>(&'a self, scanned: &'a [u8], dtd: Option<&'a Dtd>) -> Sources<'a> {
        let declared = dtd.map_or(&[][..], |dtd| dtd.text());
        Sources([scanned, &self.normalised, &self.kept, declared])
    }

    /// Whether it has an attribute of this name.
    #[inline]
    fn has(&mut self, name: &[u8], scanned: &[u8], dtd: Option<&Dtd>) -> Result<bool, Halt> {
        let declared = dtd.map_or(&[][..], |dtd| dtd.text());
        let sources = Sources([scanned, &self.normalised, &self.kept, declared]);
        Ok(self.duplicates.contains(name, &self.attributes, sources)?)
    }
}

impl<S: Sink> Scanner<'_, S> {
    /// The attribute named by the text from `start` to `stop` must be new.
    #[inline]
    pub fn check_duplicate(&mut self, start: usize, stop: usize) -> Result<(), Halt> {
        let name = &self.text[start..stop];
        if self.core.tag.has(name, self.text, None)? {
            let name = shown(name);
            return malformed(start, format!("the attribute {name} appears twice"));
        }
        Ok(())
    }

    /// The tag is complete: its '>' ends before `end`. Refused, or told in vain, it can be finished again.
    pub fn finish_tag(&mut self, end: usize, empty: bool) -> Result<(), Halt> {
        let outside = self.core.open.namespaces();
        self.core.tag.normalised.settle();
        self.core.tag.kept.settle();
        while self.core.tag.stage != Stage::Complete {
            self.advance_stage(outside)?;
        }
        let watches_space = self.core.options.skip_whitespace;
        if watches_space {
            self.core.space.reserve()?;
        }
        self.tell_start(outside)?;
        if watches_space {
            self.note_space()?;
        }
        self.at = end;
        if empty {
            self.core.state = State::EmptyElement;
            return self.close(end);
        }
        self.core.state = State::Between;
        Ok(())
    }

    #[inline]
    fn advance_stage(&mut self, outside: usize) -> Result<(), Halt> {
        let namespaces = self.core.options.namespaces;
        self.core.tag.stage = match self.core.tag.stage {
            Stage::Scanned => match (self.dtd, self.core.tag.element) {
                (Some(dtd), Some(element)) => Stage::Defaults(dtd.first_default(element)),
                _ => Stage::Defaults(None),
            },
            Stage::Defaults(Some(default)) => Stage::Defaults(self.add_default(default)?),
            Stage::Defaults(None) if !namespaces => Stage::Complete,
            Stage::Defaults(None) => {
                self.core.namespaces.truncate(outside);
                Stage::Declarations(0)
            }
            Stage::Declarations(index) => self.declare_namespaces(index)?,
            Stage::Prefixes(index) => self.resolve_prefixes(index)?,
            Stage::Twins(index) => self.look_for_twins(index)?,
            Stage::Complete => Stage::Complete,
        };
        Ok(())
    }

    /// Notes what the tag, whose element is open, says about white space.
    pub fn note_space(&mut self) -> Result<(), Halt> {
        const NAME: &[u8] = b"xml:space";
        let Core {
            tag, space, open, ..
        } = &mut *self.core;
        let sources = tag.sources(self.text, self.dtd);
        let found = tag.attributes.iter().find(|attribute| {
            attribute.name.len() == NAME.len() && sources.bytes(&attribute.name) == NAME
        });
        if let Some(attribute) = found {
            space.open(sources.bytes(&attribute.value), open.depth())?;
        }
        Ok(())
    }

    #[inline]
    fn tell_start(&mut self, outside: usize) -> Result<(), Halt> {
        let tag = &self.core.tag;
        let sources = tag.sources(self.text, self.dtd);
        let qualified = sources.bytes(&tag.name);
        let open = Open {
            prefix: tag.prefix,
            namespace: tag.namespace,
            outside: outside as u32,
            inside: self.core.namespaces.len() as u32,
            ..Open::new(tag.id)
        };
        let qualified = utf8::text(qualified);
        let name = Name {
            qualified,
            local: &qualified[tag.prefix as usize..],
            id: tag.id,
            namespace: self.core.namespaces.get(tag.namespace),
        };
        let depth = self.core.open.depth();
        self.core.open.push(name.qualified.as_bytes(), open)?;
        if S::SELECTS {
            let wanted = self.core.attention.wanted(self.sink, &name);
            if let Err(refusal) = self.core.attention.open(wanted, depth) {
                self.core.open.pop();
                return Err(refusal.into());
            }
        }
        if !self.wants_all() {
            self.skimmed(1);
            return Ok(());
        }
        if let (true, Some(position)) = (self.core.options.positions, self.core.token) {
            self.sink.position(position);
        }
        let attributes = Attributes {
            spans: &tag.attributes,
            sources,
            namespaces: &self.core.namespaces,
        };
        if self.sink.start_element(name, &attributes) == Flow::Again {
            self.core.open.pop();
            self.core.attention.close(depth);
            return Err(Halt::Full);
        }
        self.told(Flow::Taken)
    }

    /// Adds an attribute that the document type declares, unless the tag has it; returns the next one.
    fn add_default(&mut self, default: DefaultId) -> Result<Option<DefaultId>, Halt> {
        let Some(dtd) = self.dtd else {
            return Ok(None);
        };
        self.spend(ATTRIBUTE_COST)?;
        let (place, value, next) = dtd.default_place(default);
        let name = &dtd.text()[place.clone()];
        if self.core.tag.has(name, self.text, self.dtd)? {
            return Ok(next);
        }
        let tag = &mut self.core.tag;
        let (count, max) = (tag.attributes.len() as u64, self.core.limits.max_attributes);
        if count >= max {
            return exceeded(self.at, "max_attributes", max, count + 1);
        }
        tag.attributes.reserve(1)?;
        self.fix_token();
        let consumed = self.position_here().byte_offset - self.core.document_start;
        let bytes = value.len() as u64;
        if let Err(limit) = self.core.expansions.add(bytes, consumed) {
            return beyond(self.at, limit);
        }
        let prefix = match self.core.options.namespaces {
            true => memchr::memchr(b':', name).map_or(0, |colon| colon as u32 + 1),
            false => 0,
        };
        self.core.tag.attributes.push(AttributeSpan {
            name: Span::new(Source::Declared, place.start, place.end),
            value: Span::new(Source::Declared, value.start, value.end),
            id: self.core.known.learn(name, Role::Attribute),
            prefix,
            namespace: Namespaces::NONE,
        })?;
        Ok(next)
    }
}
