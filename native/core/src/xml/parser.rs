//! The parser: input, scanner, and what becomes of the scanner's halts.

use crate::arena::account::Account;
use crate::sync::Arc;
use crate::xml::api::error::{DocumentError, Error, ErrorKind, ExceededLimit};
use crate::xml::api::options::Options;
use crate::xml::api::sink::{Flow, Sink};
use crate::xml::dtd::Dtd;
use crate::xml::encoding::Decoder;
use crate::xml::input::buffer::{End, Input};
use crate::xml::input::line_counter::Places;
use crate::xml::input::position::Position;
use crate::xml::input::repairs::Repairs;
use crate::xml::scanner::interrupt::{Fault, Halt};
use crate::xml::scanner::progress::{Place, Progress};
use crate::xml::scanner::state::{Core, Region, State};
use crate::xml::scanner::{CREDIT, Scanner};
use crate::xml::syntax::utf8;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The most bytes that one call scans, besides those that it need not look at again.
const STRETCH: usize = 1 << 17;

/// What [`Parser::run`] stopped for.
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
    places: Places,
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
        let mut places = Places::new(decoder);
        if options.recover.characters {
            let most = options.limits.max_recoveries;
            places.repairs = Some(Repairs::new(account, most));
        }
        Parser {
            input: Input::new(account, options.limits.max_bytes, end),
            places,
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
    /// Refused, nothing of `chunk` was taken.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<(), Error> {
        let core = &mut self.core;
        if core.in_tag() && core.tag.level == 0 {
            let text = self.input.text();
            if core.token.is_none() {
                core.token = Some(self.places.position(text, core.tag.start));
            }
            core.tag.keep(text)?;
        }
        self.core.structural_index.forget();
        self.input.feed(chunk, &mut self.places)?;
        Ok(())
    }

    /// The document ends here.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// Reads on, telling `sink`, for a fraction of a millisecond at most.
    #[inline]
    pub fn run<S: Sink>(&mut self, sink: &mut S) -> Result<Status, Error> {
        match self.core.options.report_recovered && self.places.repairs.is_some() {
            true => self.run_and_report(sink),
            false => self.read_on(sink),
        }
    }

    /// The same, telling also which characters were replaced up to where it came.
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
        self.places
            .tell_repairs(self.input.text(), end, credit, sink)
    }

    fn read_on<S: Sink>(&mut self, sink: &mut S) -> Result<Status, Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone().into());
        }
        if self.finished {
            self.input.finish(&mut self.places)?;
        }
        if self.input.is_unrepaired() {
            // As much as a call does.
            self.input.repair(&mut self.places)?;
            return Ok(Status::Full);
        }
        self.core.credit = CREDIT;
        let begin = self.input.at + self.core.held();
        let mut stretch_end = self.input.text().len();
        // A DOCTYPE is held back until all of it is there.
        if self.core.state != State::Doctype {
            // Text that is told ends with a whole character.
            let text = self.input.text();
            stretch_end = utf8::floor(text, stretch_end.min(begin.saturating_add(self.stretch)));
        }
        let halt = self.scan_texts(stretch_end, sink);
        let starves = matches!(halt, Halt::Starved) && stretch_end < self.input.text().len();
        let moved = self.input.at + self.core.held() > begin;
        // Whatever it is that waits for the end of something, next time it sees more.
        self.stretch = match starves && !moved {
            true => self.stretch.saturating_add(STRETCH),
            false => STRETCH,
        };
        let status = match halt {
            Halt::Full | Halt::Entered => Status::Full,
            Halt::Starved if starves => Status::Full,
            Halt::Starved => self.starved(sink)?,
            Halt::Refused(refusal) => return Err(Error::Refused(refusal)),
            Halt::Fault(fault) => return self.fault(*fault),
        };
        if status != Status::Full {
            self.progress.reset();
        } else if !self.progress.note(&self.core, self.input.at, stretch_end) {
            return self.stuck();
        }
        Ok(status)
    }

    /// Scans the text on top of the stack, and what it leads to, with the input's up to `stretch_end`.
    fn scan_texts<S: Sink>(&mut self, stretch_end: usize, sink: &mut S) -> Halt {
        loop {
            let halt = self.scan(stretch_end, sink);
            if !matches!(halt, Halt::Entered) {
                return halt;
            }
            if std::mem::take(&mut self.core.has_ended) {
                self.dtd = None;
            }
            if let Some(dtd) = self.core.declared.take() {
                self.dtd = Some(dtd);
            }
        }
    }

    /// Call after call got nowhere.
    #[cold]
    fn stuck<T>(&mut self) -> Result<T, Error> {
        let position = self.position();
        let reason =
            "the parser does not get on from here. This is a fault of bounded's: please report it";
        self.fail(ErrorKind::Internal, reason.into(), None, position)
    }

    /// Scans the text on top of the stack: the input up to `end`, or an entity's.
    fn scan<S: Sink>(&mut self, end: usize, sink: &mut S) -> Halt {
        let dtd = self.dtd.as_ref();
        let level = self.core.entities.readers.len();
        let (text, at) = match (self.core.entities.readers.last(), dtd) {
            (Some(reader), Some(dtd)) => (dtd.replacement_text(reader.entity), reader.at),
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
            places: &mut self.places,
            sink,
        };
        let Err(mut halt) = scanner.scan();
        let at = scanner.at;
        if let (Halt::Starved, Some(dtd), 1..) = (&halt, dtd, level) {
            halt = scanner.leave(dtd).err().unwrap_or(Halt::Entered);
        }
        match level {
            0 => self.input.at = at,
            _ => {
                if let Some(reader) = self.core.entities.readers.get_mut(level - 1) {
                    reader.at = at;
                }
            }
        }
        halt
    }

    fn fault(&mut self, fault: Fault) -> Result<Status, Error> {
        let position = match fault.position {
            Some(position) => position,
            None if !self.core.entities.readers.is_empty() => self.core.entities.position,
            None => {
                self.reached = fault.at;
                self.places.position(self.input.text(), fault.at)
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

    /// What the document type declares, once it was read.
    pub fn declarations(&self) -> Option<&Dtd> {
        self.dtd.as_ref()
    }

    /// Where the next byte to be read lies.
    pub fn position(&self) -> Position {
        self.places.position(self.input.text(), self.input.at)
    }

    /// Everything there is was scanned.
    fn starved<S: Sink>(&mut self, sink: &mut S) -> Result<Status, Error> {
        let text = self.input.text();
        if let Some(end) = self.input.end().cloned() {
            self.reached = text.len();
            let mut position = self.places.position(text, text.len());
            position.byte_offset = end.offset.unwrap_or(position.byte_offset);
            return self.fail(end.kind, end.reason, end.limit, position);
        }
        if !self.finished {
            return Ok(Status::NeedInput);
        }
        let position = self.places.position(text, text.len());
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
            Flow::Again => Ok(Status::Full),
            Flow::Taken => {
                self.core.state = State::Done;
                Ok(Status::Done)
            }
        }
    }

    /// What is missing when the input ends here.
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
        if let Some(name) = self.core.open.innermost(&self.core.known) {
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
