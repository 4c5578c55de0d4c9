//! Finishes a start tag that was scanned to its end: defaults, namespaces, and its event.
#![allow(unsafe_code)]

use crate::xml::api::attributes::{AttributeSpan, Attributes, Span, SpanBuffer};
use crate::xml::api::sink::{Flow, Interest, Name, Sink};
use crate::xml::dtd::DefaultId;
use crate::xml::names::element_stack::OpenElement;
use crate::xml::names::namespaces::Namespaces;
use crate::xml::names::table::Role;
use crate::xml::scanner::interrupt::{Interrupt, beyond, exceeded, malformed, shown};
use crate::xml::scanner::state::source::TagPlace;
use crate::xml::scanner::state::tag::Stage;
use crate::xml::scanner::state::{Core, State};
use crate::xml::scanner::{ATTRIBUTE_COST, Scanner};
use crate::xml::syntax::utf8;

impl<S: Sink> Scanner<'_, S> {
    /// The attribute named by the text from `start` to `stop` must be new.
    #[inline]
    pub fn check_duplicate(&mut self, start: usize, stop: usize) -> Result<(), Interrupt> {
        let name = &self.text[start..stop];
        let Core { tag, credit, .. } = &mut *self.core;
        let found = tag.has(name, self.text, None, credit)?;
        if found.ok_or(Interrupt::Full)? {
            let name = shown(name);
            return malformed(start, format!("the attribute {name} appears twice"));
        }
        Ok(())
    }

    /// Finishes a tag whose '>' ends before `end`. After a refusal or `Retry`, this can be called again.
    pub fn finish_tag(&mut self, end: usize, empty: bool) -> Result<(), Interrupt> {
        let outside = self.core.element_stack.namespaces();
        self.core.tag.normalised.settle();
        self.core.tag.kept.settle();
        while self.core.tag.stage != Stage::Complete {
            self.advance_stage(outside)?;
        }
        let watches_space = self.core.options.skip_whitespace;
        if watches_space {
            self.core.space.reserve()?;
        }
        self.emit_start(outside, end)?;
        if S::TRACKS_SOURCE && self.core.source.is_watched() {
            let start = self.core.tag.start;
            self.core.source.after_tag(start, self.level, self.sink);
        }
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
    fn advance_stage(&mut self, outside: usize) -> Result<(), Interrupt> {
        let namespaces = self.core.options.namespaces;
        self.core.tag.stage = match self.core.tag.stage {
            Stage::Scanned => match (self.dtd, self.core.tag.element) {
                (Some(dtd), Some(element)) => Stage::Defaults(dtd.first_default(element)),
                _ => Stage::Defaults(None),
            },
            Stage::Defaults(Some(default)) => Stage::Defaults(self.add_default(default)?),
            Stage::Defaults(None) if !namespaces => Stage::Complete,
            Stage::Defaults(None) => {
                self.core.namespaces.begin_tag(outside);
                Stage::Declarations(0)
            }
            Stage::Declarations(index) => self.declare_namespaces(index)?,
            Stage::Prefixes(index) => self.resolve_prefixes(index)?,
            Stage::Duplicates(index) => self.find_duplicates(index)?,
            Stage::Complete => Stage::Complete,
        };
        Ok(())
    }

    /// Stores the value of `xml:space` of the tag, whose element is open.
    pub fn note_space(&mut self) -> Result<(), Interrupt> {
        const NAME: &[u8] = b"xml:space";
        let Core {
            tag,
            space,
            element_stack,
            ..
        } = &mut *self.core;
        let sources = tag.sources(self.text, self.dtd);
        let found = tag.attributes.iter().find(|attribute| {
            attribute.name.len() == NAME.len() && sources.bytes(&attribute.name) == NAME
        });
        if let Some(attribute) = found {
            space.open(sources.bytes(&attribute.value), element_stack.depth())?;
        }
        Ok(())
    }

    #[inline]
    fn emit_start(&mut self, outside: usize, end: usize) -> Result<(), Interrupt> {
        let tag = &self.core.tag;
        let sources = tag.sources(self.text, self.dtd);
        let qualified = sources.bytes(&tag.name);
        let open = OpenElement {
            prefix: tag.prefix,
            namespace: tag.namespace,
            outside: outside as u32,
            inside: self.core.namespaces.len() as u32,
            ..OpenElement::new(tag.id)
        };
        // SAFETY: a name is a part of validated text, cut beside ASCII characters.
        let qualified = unsafe { utf8::text(qualified) };
        let name = Name {
            qualified,
            local: &qualified[tag.prefix as usize..],
            id: tag.id,
            namespace: self.core.namespaces.get(tag.namespace),
        };
        if S::TRACKS_SOURCE && self.core.source.is_watched() {
            let wanted = self.core.interest_stack.wanted(self.sink, &name);
            if matches!(wanted, Interest::All | Interest::Tags(_)) {
                let place = TagPlace {
                    text: self.text,
                    start: tag.start,
                    end,
                    level: self.level,
                    line_counter: self.line_counter,
                };
                let credit = &mut self.core.credit;
                self.core.source.before_tag(place, credit, self.sink)?;
            }
        }
        let depth = self.core.element_stack.depth();
        self.core
            .element_stack
            .push(name.qualified.as_bytes(), open)?;
        let attributes = Attributes {
            spans: &tag.attributes,
            sources,
            namespaces: &self.core.namespaces,
        };
        if S::SELECTS {
            let interest_stack = &mut self.core.interest_stack;
            let mut wanted = interest_stack.wanted(self.sink, &name);
            let mut opened = interest_stack.reserve();
            let asked = match wanted {
                Interest::Tags(context) if opened.is_ok() => {
                    let options = &self.core.options;
                    let placed = options.positions || options.tag_positions;
                    if let (true, Some(position)) = (placed, self.core.token) {
                        self.sink.position(position);
                    }
                    let Some(answer) = self.sink.tag(name, &attributes, context) else {
                        self.core.element_stack.pop();
                        return Err(Interrupt::Full);
                    };
                    if S::MARKS {
                        interest_stack.mark(self.sink.marks());
                    }
                    wanted = answer;
                    true
                }
                _ => false,
            };
            if opened.is_ok() {
                opened = interest_stack.open(wanted, depth);
            }
            if let Err(refusal) = opened {
                self.core.element_stack.pop();
                return Err(refusal.into());
            }
            if asked {
                return self.charge_event(Flow::Accepted);
            }
        }
        if !self.wants_all() {
            self.charge_skipped(1);
            return Ok(());
        }
        if let (true, Some(position)) = (self.core.options.positions, self.core.token) {
            self.sink.position(position);
        }
        if self.sink.start_element(name, &attributes) == Flow::Retry {
            self.core.element_stack.pop();
            self.core.interest_stack.close(depth);
            return Err(Interrupt::Full);
        }
        self.charge_event(Flow::Accepted)
    }

    /// Adds an attribute that the document type declares, unless the tag has it; returns the next one.
    fn add_default(&mut self, default: DefaultId) -> Result<Option<DefaultId>, Interrupt> {
        let Some(dtd) = self.dtd else {
            return Ok(None);
        };
        self.spend(ATTRIBUTE_COST)?;
        let (place, value, next) = dtd.default_place(default);
        let name = &dtd.text()[place.clone()];
        let Core { tag, credit, .. } = &mut *self.core;
        let found = tag.has(name, self.text, self.dtd, credit)?;
        if found.ok_or(Interrupt::Full)? {
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
        if let Err(limit) = self.core.amplification.add(bytes, consumed) {
            return beyond(self.at, limit);
        }
        let prefix = match self.core.options.namespaces {
            true => memchr::memchr(b':', name).map_or(0, |colon| colon as u32 + 1),
            false => 0,
        };
        self.core.tag.attributes.push(AttributeSpan {
            name: Span::new(SpanBuffer::Declared, place.start, place.end),
            value: Span::new(SpanBuffer::Declared, value.start, value.end),
            id: self.core.name_table.learn(name, Role::Attribute),
            prefix,
            namespace: Namespaces::NONE,
        })?;
        Ok(next)
    }
}
