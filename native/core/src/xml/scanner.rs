//! Turns text into events.
//!
//! A [`Scanner`] lives for one stretch of text: the input, or the replacement text of an entity. It stops
//! with an [`Interrupt`] at any byte; [`Core`] keeps the state that it needs to resume.

pub mod attribute_value;
pub mod doctype;
pub mod end_tag;
pub mod entities;
pub mod finish_tag;
pub mod interrupt;
pub mod markup;
pub mod progress;
pub mod prolog;
pub mod recover;
pub mod resolve_namespaces;
pub mod start_tag;
pub mod state;
pub mod text;
use crate::xml::api::sink::{Flow, Sink};
use crate::xml::dtd::Dtd;
use crate::xml::input::line_counter::LineCounter;
use crate::xml::input::position::Position;
use crate::xml::scanner::interrupt::{Interrupt, exceeded, malformed};
use crate::xml::scanner::state::source::EVENT_COST;
use crate::xml::scanner::state::{Core, Region, State};
use crate::xml::syntax::byte_class::{self, START};
use crate::xml::syntax::names::{NameEnd, find_name_end, is_qname};
use std::convert::Infallible;

/// The credit of one call, in units of about a nanosecond of work.
pub(crate) const CREDIT: usize = 150_000;
/// The costs of attributes and references, the work of the sink included.
pub(crate) const ATTRIBUTE_COST: usize = 100;
pub(crate) const REFERENCE_COST: usize = 30;
/// A line end that is normalised, and a space of an attribute value.
pub(crate) const LINE_END_COST: usize = 40;
pub(crate) const SPACE_COST: usize = 10;
/// A comment, an instruction or a CDATA section. Its event costs as much as every event besides.
pub(crate) const MARKUP_COST: usize = 60;

pub(crate) struct Scanner<'p, S> {
    pub text: &'p [u8],
    /// Index of the next byte to be scanned.
    pub at: usize,
    /// Entities open: 0 when the text is the input's.
    pub level: usize,
    /// No more input follows this text.
    pub last: bool,
    /// The text may have CRs that stand for line ends.
    pub has_cr: bool,
    /// The declarations in force.
    pub dtd: Option<&'p Dtd>,
    pub core: &'p mut Core,
    pub line_counter: &'p mut LineCounter,
    pub sink: &'p mut S,
}

impl<S: Sink> Scanner<'_, S> {
    /// Scans until something stops it.
    pub fn scan(&mut self) -> Result<Infallible, Interrupt> {
        loop {
            if self.core.credit == 0 || self.sink.is_full() {
                return Err(Interrupt::Full);
            }
            match self.core.state {
                State::Between => {
                    // The scanner proper continues a name or reference that was begun in an earlier text.
                    if !self.core.is_begun() {
                        self.fast_tokens()?;
                    }
                    self.token()?
                }
                State::StartTag => self.start_tag()?,
                State::EndTag => self.end_tag()?,
                State::EmptyElement => self.close(self.at)?,
                State::Cdata => self.cdata()?,
                State::Comment => self.comment()?,
                State::InstructionTarget => self.instruction_target()?,
                State::InstructionSpace => self.instruction_space()?,
                State::InstructionData => self.instruction_data()?,
                State::Beginning => self.beginning()?,
                State::Doctype => self.doctype()?,
                State::Done => return Err(Interrupt::NeedInput),
            }
        }
    }

    #[inline]
    fn token(&mut self) -> Result<(), Interrupt> {
        match self.text[self.at..] {
            [] => Err(Interrupt::NeedInput),
            [b'<', second, ..] => match second {
                b'/' => self.begin_end_tag(),
                b'!' => self.declaration(),
                b'?' => self.begin_instruction(),
                _ => self.begin_start_tag(),
            },
            [b'<'] => Err(Interrupt::NeedInput),
            [b'&', ..] if self.core.element_stack.depth() > 0 => self.text_reference(),
            _ => self.characters(),
        }
    }

    fn begin_start_tag(&mut self) -> Result<(), Interrupt> {
        self.end_run()?;
        let Core {
            limits,
            element_stack,
            region,
            elements,
            options,
            ..
        } = &mut *self.core;
        let depth = element_stack.depth() as u64;
        if depth == 0 && *region == Region::Epilog {
            return match options.has_many_roots() {
                true => self.end_root(),
                false => malformed(self.at, "only one root element is allowed"),
            };
        }
        if depth >= limits.max_depth {
            return exceeded(self.at, "max_depth", limits.max_depth, depth + 1);
        }
        if *elements >= limits.max_elements {
            return exceeded(self.at, "max_elements", limits.max_elements, *elements + 1);
        }
        *elements += 1;
        self.begin_token(State::StartTag);
        self.core.tag.begin(self.at, self.level);
        self.start_tag()
    }

    /// Begins a token of this kind at `at`.
    #[inline]
    pub fn begin_token(&mut self, state: State) {
        self.core.state = state;
        self.core.taken = 0;
        self.core.held = 0;
        self.core.token = None;
        if self.core.options.positions || self.core.options.tag_positions {
            self.core.token = Some(self.position_here());
        }
    }

    /// Reads the name at `from`, which may have been begun in an earlier text.
    #[inline]
    pub fn name(&mut self, text: &[u8], from: usize) -> Result<(usize, usize), Interrupt> {
        let held = std::mem::take(&mut self.core.held);
        if held == 0 {
            match text.get(from) {
                None => return Err(Interrupt::NeedInput),
                Some(&byte) if byte_class::is(byte, START) => {}
                Some(_) => return malformed(from, "a name belongs here"),
            }
        }
        let max = self.core.limits.max_name_bytes as usize;
        match find_name_end(text, from, held, max) {
            NameEnd::At(end) => Ok((from, end)),
            NameEnd::Open(held) => {
                self.core.held = held;
                Err(Interrupt::NeedInput)
            }
            NameEnd::Illegal(at) => malformed(at, "a name does not contain this character"),
            NameEnd::TooLong => exceeded(from + max, "max_name_bytes", max as u64, max as u64 + 1),
        }
    }

    /// Checks the colons of an element's or attribute's name; returns the length of prefix and colon.
    #[inline]
    pub fn prefix_len(&self, start: usize, end: usize) -> Result<u32, Interrupt> {
        if !self.core.options.namespaces {
            return Ok(0);
        }
        let name = &self.text[start..end];
        let Some(colon) = memchr::memchr(b':', name) else {
            return Ok(0);
        };
        if !is_qname(name) {
            return malformed(
                start,
                "the name of an element or attribute has one colon at most, between two names",
            );
        }
        Ok(colon as u32 + 1)
    }

    /// Whether the sink receives the events here, tags excepted.
    #[inline]
    pub fn is_emitted(&self) -> bool {
        self.wants_all() || self.core.element_stack.depth() == 0
    }

    /// Whether the sink receives all events.
    #[inline(always)]
    pub fn wants_all(&self) -> bool {
        !S::SELECTS || self.core.interest_stack.is_all()
    }

    /// Charges work; without credit left, the call ends before that work.
    #[inline(always)]
    pub fn spend(&mut self, cost: usize) -> Result<(), Interrupt> {
        if self.core.credit == 0 {
            return Err(Interrupt::Full);
        }
        self.charge(cost);
        Ok(())
    }

    /// Charges work after it is done. The call goes on to where it looks at its credit next.
    #[inline(always)]
    pub fn charge(&mut self, cost: usize) {
        self.core.credit = self.core.credit.saturating_sub(cost);
    }

    /// Charges an event that was passed to the sink. If the sink answered `Retry`, the call ends before the next event.
    #[inline(always)]
    pub fn charge_event(&mut self, flow: Flow) -> Result<(), Interrupt> {
        self.charge(EVENT_COST);
        match flow {
            Flow::Accepted => Ok(()),
            Flow::Retry => Err(Interrupt::Full),
        }
    }

    /// Keeps where the tag began: places before what follows will not be known any more.
    pub fn fix_token(&mut self) {
        if self.core.token.is_none() {
            let position = match self.core.tag.level {
                0 if self.level == 0 => self.line_counter.position(self.text, self.core.tag.start),
                _ => self.core.entities.position,
            };
            self.core.token = Some(position);
        }
    }

    /// Where `at` is in the document; within an entity, where its reference is.
    pub fn position_here(&mut self) -> Position {
        match self.level {
            0 => self.line_counter.move_to(self.text, self.at),
            _ => self.core.entities.position,
        }
    }

    /// Passes the position of the next event to the sink.
    #[inline(always)]
    pub fn emit_position(&mut self) {
        if let (true, Some(position)) = (self.core.options.positions, self.core.token) {
            self.sink.position(position);
        }
    }

    /// Scans on in a token, up to where the text ends or the token goes beyond its limit.
    #[inline(always)]
    pub fn within_token(
        &mut self,
        scan: impl FnOnce(&mut Self, usize) -> Result<(), Interrupt>,
    ) -> Result<(), Interrupt> {
        let begin = self.at;
        let room = self.core.limits.max_token_bytes as usize - self.core.taken;
        let end = self.text.len().min(begin + room);
        let result = scan(self, end);
        self.core.taken += self.at - begin;
        match result {
            Err(Interrupt::NeedInput) if end < self.text.len() => self.token_too_long(end),
            result => result,
        }
    }

    #[cold]
    pub fn token_too_long<T>(&self, at: usize) -> Result<T, Interrupt> {
        let max = self.core.limits.max_token_bytes;
        exceeded(at, "max_token_bytes", max, max + 1)
    }
}
