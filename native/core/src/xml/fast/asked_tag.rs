//! Start tags that the sink is asked about, with their attributes.
#![allow(unsafe_code)]

use crate::xml::api::attributes::{Attributes, SpanBuffers};
use crate::xml::api::sink::{Flow, Name, Sink};
use crate::xml::names::element_stack::OpenElement;
use crate::xml::scanner::interrupt::Interrupt;
use crate::xml::scanner::state::source::TagPlace;
use crate::xml::scanner::state::{Core, State};
use crate::xml::scanner::{ATTRIBUTE_COST, Scanner};
use crate::xml::syntax::utf8;

impl<S: Sink> Scanner<'_, S> {
    /// The start tag at `at` is one that the sink wants, in this context. Returns false if it is not plain, or if everything in
    /// the element is wanted.
    pub(super) fn fast_tag(&mut self, context: u64) -> Result<bool, Interrupt> {
        let (text, at) = (self.text, self.at);
        let depth = self.core.element_stack.depth();
        let limits = &self.core.limits;
        if depth as u64 >= limits.max_depth || self.core.elements >= limits.max_elements {
            return Ok(false);
        }
        let Some(tag) = self.read_start_tag()? else {
            return Ok(false);
        };
        if S::LEAVES && self.fast_leaf(&tag, context) {
            return Ok(true);
        }
        self.core.interest_stack.reserve()?;
        if S::TRACKS_SOURCE && self.core.source.is_watched() {
            self.pass_before(at, tag.end)?;
        }
        let qualified = &text[at + 1..tag.name_end];
        let attributes = Attributes {
            spans: &self.core.tag.attributes,
            sources: SpanBuffers([text, &[], &[], &[]]),
            namespaces: &self.core.namespaces,
        };
        let watches_space = self.core.options.skip_whitespace && !attributes.is_empty();
        if watches_space {
            self.core.space.reserve()?;
        }
        self.core
            .element_stack
            .push(qualified, OpenElement::new(tag.id))?;
        // SAFETY: a part of validated text, cut beside ASCII characters.
        let name = Name::without_namespace(unsafe { utf8::text(qualified) }, tag.id);
        if self.core.options.tag_positions {
            self.sink.position(self.line_counter.move_to(text, at));
        }
        let Some(answer) = self.sink.tag(name, &attributes, context) else {
            self.core.element_stack.pop();
            return Err(Interrupt::Full);
        };
        let cost = attributes.len() * ATTRIBUTE_COST;
        self.charge(cost);
        if S::MARKS {
            self.core.interest_stack.mark(self.sink.marks());
        }
        if S::TRACKS_SOURCE && self.core.source.is_watched() {
            self.core.source.after_tag(at, 0, self.sink);
        }
        // There is room.
        let opened = self.core.interest_stack.open(answer, depth);
        debug_assert!(opened.is_ok());
        self.charge_event(Flow::Accepted)?;
        self.core.elements += 1;
        if watches_space {
            self.note_space()?;
        }
        self.at = tag.end;
        if tag.empty {
            self.core.token = None;
            self.core.state = State::EmptyElement;
            self.close(tag.end)?;
            return Ok(self.core.element_stack.depth() > 0);
        }
        if !self.wants_all() {
            return Ok(true);
        }
        self.fast_token_loop()?;
        Ok(!self.wants_all() && self.allows_fast_path())
    }

    /// Passes the text before the plain start tag from `start` to `end`.
    pub(super) fn pass_before(&mut self, start: usize, end: usize) -> Result<(), Interrupt> {
        let place = TagPlace {
            text: self.text,
            start,
            end,
            level: 0,
            line_counter: self.line_counter,
        };
        let Core { source, credit, .. } = &mut *self.core;
        source.before_tag(place, credit, self.sink)
    }
}
