//! The parser: feeds the input to the scanner and handles its interrupts.

use crate::arena::account::Account;
use crate::sync::Arc;
use crate::xml::api::error::{DocumentError, Error, ErrorKind, ExceededLimit};
use crate::xml::api::options::Options;
use crate::xml::api::sink::{Flow, Sink};
use crate::xml::dtd::Dtd;
use crate::xml::encoding::Decoder;
use crate::xml::input::buffer::{End, Input};
use crate::xml::input::line_counter::LineCounter;
use crate::xml::input::position::Position;
use crate::xml::input::repairs::Repairs;
use crate::xml::scanner::interrupt::{Fault, Interrupt};
use crate::xml::scanner::progress::{Place, Progress};
use crate::xml::scanner::state::{Core, Region, State};
use crate::xml::scanner::{CREDIT, Scanner};
use crate::xml::syntax::utf8;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The most bytes that one call scans, besides those that it need not look at again.
const STRETCH: usize = 1 << 17;

/// The reason why [`Parser::run`] stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// All input was read: feed more, or call `finish`.
    NeedInput,
    /// The sink is full or the call's share of work is done: call `run` again.
    Full,
    /// The document is complete.
    Done,
}

/// Parses one document.
#[derive(Debug)]
pub struct Parser {
    input: Input,
    line_counter: LineCounter,
    core: Core,
    dtd: Option<Dtd>,
    /// How far beyond what it need not look at again the next call may see.
    stretch: usize,
    progress: Progress,
    /// There will be no more input.
    finished: bool,
    failed: Option<DocumentError>,
    /// Index in the text of where it failed.
    reached: usize,
}

impl Parser {
    /// A parser whose memory is charged to `account`.
    pub fn new(options: Options, account: &Arc<Account>) -> Parser {
        let (decoder, end) = match Decoder::new(account, options.encoding.as_deref()) {
            Ok(decoder) => (decoder, None),
            Err(error) => (Decoder::detecting(account), Some(End::from(error))),
        };
        let decoder = decoder.skipping_leading(options.recover.leading_whitespace);
        let mut line_counter = LineCounter::new(decoder);
        if options.recover.characters {
            let most = options.limits.max_recoveries;
            line_counter.repairs = Some(Repairs::new(account, most));
        }
        Parser {
            input: Input::new(account, options.limits.max_bytes, end),
            line_counter,
            core: Core::new(options, account),
            dtd: None,
            stretch: STRETCH,
            progress: Progress::default(),
            finished: false,
            failed: None,
            reached: 0,
        }
    }

    /// Adds the next bytes of the document. Call it when `run` returned `NeedInput`: its cost, and the
    /// memory for what is not yet read, are proportional to `chunk`, best at most 64 KiB.
    ///
    /// If the account refuses the memory, nothing of `chunk` was taken.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<(), Error> {
        let core = &mut self.core;
        if core.in_tag() && core.tag.level == 0 {
            let text = self.input.text();
            if core.token.is_none() {
                core.token = Some(self.line_counter.position(text, core.tag.start));
            }
            core.tag.keep(text)?;
            let tag = text.get(core.tag.start..self.input.at);
            core.source.keep(tag.unwrap_or_default())?;
            core.tag.start = self.input.at;
        }
        self.core.structural_index.forget();
        let at = self.input.at;
        let fed = self.input.feed(chunk, &mut self.line_counter);
        let gone = at - self.input.at;
        self.core.source.discard(gone);
        self.core.tag.start = self.core.tag.start.saturating_sub(gone);
        Ok(fed?)
    }

    /// The document ends here.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// Continues, passing events to `sink`, for a fraction of a millisecond at most.
    #[inline]
    pub fn run<S: Sink>(&mut self, sink: &mut S) -> Result<Status, Error> {
        match self.core.options.report_recovered && self.line_counter.repairs.is_some() {
            true => self.run_and_report(sink),
            false => self.read_on(sink),
        }
    }

    /// The same, and reports the characters that were replaced up to there.
    fn run_and_report<S: Sink>(&mut self, sink: &mut S) -> Result<Status, Error> {
        self.core.credit = CREDIT;
        if !self.report_repairs(sink) {
            return Ok(Status::Full);
        }
        let result = self.read_on(sink);
        match result {
            Err(Error::Refused(_)) => result,
            _ if !self.report_repairs(sink) => Ok(Status::Full),
            _ => result,
        }
    }

    /// False: not all of them yet.
    fn report_repairs<S: Sink>(&mut self, sink: &mut S) -> bool {
        let end = self.input.at.max(self.reached);
        let credit = &mut self.core.credit;
        self.line_counter
            .emit_repairs(self.input.text(), end, credit, sink)
    }

    fn read_on<S: Sink>(&mut self, sink: &mut S) -> Result<Status, Error> {
        if let Some(error) = &self.failed {
            let error = error.clone().into();
            self.core.credit = CREDIT;
            return self.behind_source(sink, Err(error));
        }
        if self.finished && !self.input.is_unrepaired() {
            self.input.finish(&mut self.line_counter)?;
        }
        if self.input.is_unrepaired() {
            self.input.repair_some(&mut self.line_counter)?;
            return Ok(Status::Full);
        }
        self.core.credit = CREDIT;
        let begin = self.input.at + self.core.held();
        let mut stretch_end = self.input.text().len();
        // A DOCTYPE is held back until all of it is there.
        if self.core.state != State::Doctype {
            // Text that is passed to the sink ends with a whole character.
            let text = self.input.text();
            stretch_end = utf8::floor(text, stretch_end.min(begin.saturating_add(self.stretch)));
        }
        let interrupt = self.scan_texts(stretch_end, sink);
        let needs_input =
            matches!(interrupt, Interrupt::NeedInput) && stretch_end < self.input.text().len();
        let moved = self.input.at + self.core.held() > begin;
        // A token that waits for its end sees more of the text next time.
        self.stretch = match needs_input && !moved {
            true => self.stretch.saturating_add(STRETCH),
            false => STRETCH,
        };
        let status = match interrupt {
            Interrupt::Full | Interrupt::InputChanged => Status::Full,
            Interrupt::NeedInput if needs_input || !self.pass_source(sink) => Status::Full,
            Interrupt::NeedInput => self.need_input(sink)?,
            Interrupt::Refused(refusal) => return Err(Error::Refused(refusal)),
            Interrupt::Fault(fault) => {
                let failed = self.fault(*fault);
                return self.behind_source(sink, failed);
            }
        };
        if status != Status::Full {
            self.progress.reset();
        } else if !self.progress.note(&self.core, self.input.at, stretch_end) {
            return self.stuck();
        }
        Ok(status)
    }

    /// Passes the source text that was scanned, before it goes. False: not all of it yet.
    fn pass_source<S: Sink>(&mut self, sink: &mut S) -> bool {
        if !S::TRACKS_SOURCE {
            return true;
        }
        let core = &mut self.core;
        // Of a tag it is not known yet whether it is wanted.
        let end = match core.in_tag() && core.tag.level == 0 {
            true => core.tag.start,
            false => self.input.at,
        };
        let (text, credit) = (self.input.text(), &mut core.credit);
        core.source.pass(text, end, credit, sink).is_ok()
    }

    /// Passes the source text before the document's error.
    fn behind_source<S: Sink>(
        &mut self,
        sink: &mut S,
        failed: Result<Status, Error>,
    ) -> Result<Status, Error> {
        match self.pass_source(sink) {
            true => failed,
            false => Ok(Status::Full),
        }
    }

    /// Scans the text on top of the stack, and what it leads to, with the input's up to `stretch_end`.
    fn scan_texts<S: Sink>(&mut self, stretch_end: usize, sink: &mut S) -> Interrupt {
        loop {
            let interrupt = self.scan(stretch_end, sink);
            if !matches!(interrupt, Interrupt::InputChanged) {
                return interrupt;
            }
            if std::mem::take(&mut self.core.has_ended) {
                self.dtd = None;
            }
            if let Some(dtd) = self.core.declared.take() {
                self.dtd = Some(dtd);
            }
        }
    }

    /// Several calls in a row made no progress.
    #[cold]
    fn stuck<T>(&mut self) -> Result<T, Error> {
        let position = self.position();
        let reason =
            "the parser makes no progress from here. This is a bug in bounded: please report it";
        self.fail(ErrorKind::Internal, reason.into(), None, position)
    }

    /// Scans the text on top of the stack: the input up to `end`, or an entity's.
    fn scan<S: Sink>(&mut self, end: usize, sink: &mut S) -> Interrupt {
        let dtd = self.dtd.as_ref();
        let level = self.core.entities.open.len();
        let (text, at) = match (self.core.entities.open.last(), dtd) {
            (Some(innermost), Some(dtd)) => (dtd.replacement_text(innermost.entity), innermost.at),
            _ => (&self.input.text()[..end], self.input.at),
        };
        let is_all = end == self.input.text().len();
        let mut scanner = Scanner {
            text,
            at,
            level,
            last: is_all && self.input.is_at_its_end(),
            has_cr: self.input.has_cr,
            dtd,
            core: &mut self.core,
            line_counter: &mut self.line_counter,
            sink,
        };
        let Err(mut interrupt) = scanner.scan();
        let at = scanner.at;
        if let (Interrupt::NeedInput, Some(dtd), 1..) = (&interrupt, dtd, level) {
            interrupt = scanner.leave(dtd).err().unwrap_or(Interrupt::InputChanged);
        }
        match level {
            0 => self.input.at = at,
            _ => {
                if let Some(open) = self.core.entities.open.get_mut(level - 1) {
                    open.at = at;
                }
            }
        }
        interrupt
    }

    fn fault(&mut self, fault: Fault) -> Result<Status, Error> {
        let position = match fault.position {
            Some(position) => position,
            None if !self.core.entities.open.is_empty() => self.core.entities.position,
            None => {
                self.reached = fault.at;
                self.line_counter.position(self.input.text(), fault.at)
            }
        };
        let reason = fault.reason.into_owned();
        self.fail(fault.kind, reason, fault.limit, position)
    }

    /// A number that differs as soon as anything moved that is not a sink's.
    pub fn progress(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let place = Place::of(&self.core, self.input.at, self.stretch);
        (self.input.fed(), place).hash(&mut hasher);
        hasher.finish()
    }

    /// The declarations of the document type, once they were read.
    pub fn declarations(&self) -> Option<&Dtd> {
        self.dtd.as_ref()
    }

    /// Where the next byte to be read lies.
    pub fn position(&self) -> Position {
        self.line_counter.position(self.input.text(), self.input.at)
    }

    /// All input was scanned.
    fn need_input<S: Sink>(&mut self, sink: &mut S) -> Result<Status, Error> {
        let text = self.input.text();
        if let Some(end) = self.input.end().cloned() {
            self.reached = text.len();
            let mut position = self.line_counter.position(text, text.len());
            position.byte_offset = end.offset.unwrap_or(position.byte_offset);
            return self.fail(end.kind, end.reason, end.limit, position);
        }
        if !self.finished {
            return Ok(Status::NeedInput);
        }
        let position = self.line_counter.position(text, text.len());
        if self.core.state == State::Done {
            return Ok(Status::Done);
        }
        if let Some(reason) = self.cut_short() {
            self.reached = text.len();
            return self.fail(ErrorKind::Truncated, reason, None, position);
        }
        if self.core.options.positions {
            sink.position(position);
        }
        match sink.end_document() {
            Flow::Retry => Ok(Status::Full),
            Flow::Accepted => {
                self.core.state = State::Done;
                Ok(Status::Done)
            }
        }
    }

    /// The part that is missing if the input ends here.
    fn cut_short(&self) -> Option<String> {
        let inside = match self.core.state {
            // Brackets may be held back: they might have begun a forbidden ']]>'.
            State::Between if matches!(self.input.rest(), [] | [b']', ..]) => None,
            State::Beginning => Some("the XML declaration"),
            State::Between | State::Done => Some("a tag, a reference or a declaration"),
            State::StartTag | State::EmptyElement => Some("a start tag"),
            State::EndTag => Some("an end tag"),
            State::Comment => Some("a comment"),
            State::Cdata => Some("a CDATA section"),
            State::Doctype => Some("the DOCTYPE"),
            State::InstructionTarget | State::InstructionSpace | State::InstructionData => {
                Some("a processing instruction")
            }
        };
        if let Some(inside) = inside {
            return Some(format!("the document ends inside {inside}"));
        }
        if let Some(name) = self.core.element_stack.innermost(&self.core.name_table) {
            let name = crate::xml::scanner::interrupt::shown(name);
            return Some(format!("the document ends before </{name}>"));
        }
        // Many may also be none.
        let may_be_none = self.core.options.has_many_roots() && self.core.documents == 0;
        let has_root = self.core.region == Region::Epilog || may_be_none;
        (!has_root).then(|| "the document has no root element".into())
    }

    fn fail<T>(
        &mut self,
        kind: ErrorKind,
        reason: String,
        limit: Option<ExceededLimit>,
        position: Position,
    ) -> Result<T, Error> {
        let error = DocumentError {
            kind,
            reason,
            position,
            limit,
        };
        self.failed = Some(error.clone());
        Err(error.into())
    }
}
