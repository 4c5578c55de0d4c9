//! The parser: input, scanner, and what becomes of the scanner's halts.

use super::core::{Core, Region, State};
use super::error::{DocumentError, Error, ErrorKind, ExceededLimit};
use super::halt::{Fault, Halt};
use super::input::Input;
use super::options::Options;
use super::places::Places;
use super::position::Position;
use super::scanner::{CREDIT, Scanner};
use super::sink::{Flow, Sink};
use crate::quota::Account;
use crate::sync::Arc;

/// The most bytes that one call scans.
const STRETCH: usize = 1 << 18;

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
    failed: Option<DocumentError>,
}

impl Parser {
    /// A parser whose memory is charged to `account`.
    pub fn new(options: Options, account: &Arc<Account>) -> Parser {
        Parser {
            input: Input::new(account, options.limits.max_bytes),
            places: Places::new(),
            core: Core::new(options, account),
            failed: None,
        }
    }

    /// Adds the next bytes of the document. Call it when `run` returned `NeedInput`: its cost, and the
    /// memory for what is not yet read, are proportional to `chunk`, best at most 64 KiB.
    ///
    /// Refused, nothing of `chunk` was taken.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<(), Error> {
        if self.core.state == State::StartTag && self.core.entities.is_empty() {
            let text = self.input.text();
            if self.core.token.is_none() {
                let start = self.core.tag.start;
                self.core.token = Some(self.places.position(text, start));
            }
            self.core.tag.keep(text)?;
        }
        self.input.feed(chunk, &mut self.places)?;
        Ok(())
    }

    /// The document ends here.
    pub fn finish(&mut self) {
        self.input.finish();
    }

    /// Reads on, telling `sink`, for a fraction of a millisecond at most.
    pub fn run<S: Sink>(&mut self, sink: &mut S) -> Result<Status, Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone().into());
        }
        self.core.credit = CREDIT;
        let text = self.input.text();
        let stretch = &text[..text.len().min(self.input.at + STRETCH)];
        let is_all = stretch.len() == text.len();
        let last = is_all && self.input.is_at_its_end();
        let mut scanner = Scanner {
            text: stretch,
            at: self.input.at,
            level: 0,
            last,
            has_cr: self.input.has_cr,
            core: &mut self.core,
            places: &mut self.places,
            sink,
        };
        let Err(halt) = scanner.scan();
        self.input.at = scanner.at;
        match halt {
            Halt::Full => Ok(Status::Full),
            Halt::Starved if !is_all => Ok(Status::Full),
            Halt::Starved => self.starved(sink),
            Halt::Entered => Ok(Status::Full),
            Halt::Refused(refusal) => Err(Error::Refused(refusal)),
            Halt::Fault(fault) => {
                let position = self.places.position(self.input.text(), fault.at);
                let Fault {
                    kind,
                    reason,
                    limit,
                    ..
                } = *fault;
                self.fail(kind, reason.into_owned(), limit, position)
            }
        }
    }

    /// Where the next byte to be read lies.
    pub fn position(&self) -> Position {
        self.places.position(self.input.text(), self.input.at)
    }

    /// Everything there is was scanned.
    fn starved<S: Sink>(&mut self, sink: &mut S) -> Result<Status, Error> {
        let text = self.input.text();
        if let Some(end) = self.input.end().cloned() {
            let position = self.places.position(text, text.len());
            return self.fail(end.kind, end.reason, end.limit, position);
        }
        if !self.input.is_finished() {
            return Ok(Status::NeedInput);
        }
        let position = self.places.position(text, text.len());
        if self.core.state == State::Done {
            return Ok(Status::Done);
        }
        if let Some(reason) = self.cut_short() {
            return self.fail(ErrorKind::Malformed, reason, None, position);
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
        if let Some(name) = self.core.open.innermost() {
            let name = super::halt::shown(name);
            return Some(format!("the document ends before </{name}>"));
        }
        let has_root = self.core.region == Region::Epilog || self.core.options.has_many_roots();
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
