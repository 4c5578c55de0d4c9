//! The document type declaration, held back until it is complete.
//!
//! ```text
//! <!DOCTYPE name PUBLIC "..." "..." [ declarations ] >
//! 0         Head                    open            close
//! ```
//!
//! Its parts are found byte by byte as it arrives, then read in bounded steps. Where it is cut short, by
//! the end of the input or by a limit, what is there is read the same way: what is wrong with it comes first.
#![allow(unsafe_code)]

use crate::xml::api::error::ErrorKind;
use crate::xml::api::options::DoctypePolicy;
use crate::xml::api::sink::{Doctype, Sink};
use crate::xml::dtd::{Dtd, DtdOptions, DtdParser, Fault as DtdFault, Found, Reason, Step, head};
use crate::xml::scanner::Scanner;
use crate::xml::scanner::interrupt::{Interrupt, beyond, exceeded, fault, malformed};
use crate::xml::scanner::state::doctype::{Aside, Declaration, OPEN, Part};
use crate::xml::scanner::state::{Region, State};
use crate::xml::syntax::byte_class::{self, SPACE};
use crate::xml::syntax::reference::forbidden;
use crate::xml::syntax::utf8;
use std::ops::Range;

/// The costs of a byte of declarations, and of each step that reads some of them, in units of credit.
const BYTE_COST: u64 = 16;
const STEP_COST: usize = 200;

impl<S: Sink> Scanner<'_, S> {
    /// ```text
    /// doctypedecl ::= '<!DOCTYPE' S Name (S ExternalID)? S? ('[' intSubset ']' S?)? '>'      (XML 1.0, 2.8)
    /// ```
    pub fn begin_doctype(&mut self) -> Result<(), Interrupt> {
        if self.is_behind_root() {
            return self.end_root();
        }
        if self.core.region != Region::Prolog || self.core.element_stack.depth() > 0 {
            return malformed(
                self.at,
                "a DOCTYPE belongs before the root element, once at most",
            );
        }
        if self.core.options.doctype == DoctypePolicy::Reject {
            return fault(
                ErrorKind::Unsupported,
                self.at,
                "the document has a DOCTYPE, which doctype: :reject refuses; doctype: :internal reads it",
            );
        }
        self.begin_token(State::Doctype);
        self.doctype()
    }

    /// Continues with the declaration, of which everything is still in the text.
    pub fn doctype(&mut self) -> Result<(), Interrupt> {
        let rest = &self.text[self.at..];
        let max = self.core.limits.max_dtd_bytes as usize;
        let text = &rest[..rest.len().min(max)];
        let is_cut = self.last || text.len() < rest.len();
        match self.core.doctype.part {
            Part::Head => self.doctype_head(text, is_cut),
            Part::Subset => self.doctype_subset(text, is_cut),
            Part::Event => self.emit_doctype(text),
            Part::Declarations => self.doctype_declarations(text),
            Part::Tail => self.doctype_tail(text),
        }
    }

    fn doctype_head(&mut self, text: &[u8], is_cut: bool) -> Result<(), Interrupt> {
        let declaration = &mut self.core.doctype;
        let end = match declaration.find_head(text) {
            None if !is_cut => return Err(Interrupt::NeedInput),
            None => text.len(),
            Some(end) => end + 1,
        };
        let options = self.dtd_options(false, OPEN.len());
        let result = head(&text[OPEN.len()..end], self.core.limits.clone(), options);
        let head = result.or_else(|fault| self.dtd_fault(OPEN.len(), fault))?;
        let declaration = &mut self.core.doctype;
        declaration.head = Some(head);
        declaration.subset = end;
        declaration.close = end - 1;
        declaration.part = match text[end - 1] {
            b'[' => Part::Subset,
            _ => Part::Event,
        };
        Ok(())
    }

    fn doctype_subset(&mut self, text: &[u8], is_cut: bool) -> Result<(), Interrupt> {
        let declaration = &mut self.core.doctype;
        let subset = &text[declaration.subset..];
        match declaration.subset_end.scan(subset, &mut self.core.credit) {
            Found::Paused => return Err(Interrupt::Full),
            Found::Missing if !is_cut => return Err(Interrupt::NeedInput),
            Found::Missing => {
                declaration.is_cut = true;
                declaration.close = text.len();
                declaration.part = Part::Declarations;
            }
            Found::End(close) => {
                declaration.close = declaration.subset + close;
                declaration.part = Part::Event;
            }
        }
        let offset = declaration.subset;
        let has_external = declaration
            .head
            .as_ref()
            .is_some_and(|h| h.system.is_some());
        let options = self.dtd_options(has_external, offset);
        let account = self.core.aside.account();
        let limits = self.core.limits.clone();
        self.core.doctype.parser = Some(DtdParser::new(account, limits, options));
        Ok(())
    }

    fn dtd_options(&self, external_subset: bool, offset: usize) -> DtdOptions {
        DtdOptions {
            namespaces: self.core.options.namespaces,
            standalone: self.core.standalone,
            external_subset,
            consumed: self
                .line_counter
                .position(self.text, self.at + offset)
                .byte_offset
                - self.core.document_start,
        }
    }

    fn emit_doctype(&mut self, text: &[u8]) -> Result<(), Interrupt> {
        let declaration = &self.core.doctype;
        if let (true, Some(head)) = (self.core.options.emit.doctype, &declaration.head) {
            let piece = |range: &Range<usize>| {
                // SAFETY: parts of validated text, cut beside ASCII characters, and whole.
                unsafe { utf8::text(&text[OPEN.len() + range.start..OPEN.len() + range.end]) }
            };
            let subset = &text[declaration.subset..declaration.close.max(declaration.subset)];
            let doctype = Doctype {
                name: piece(&head.name),
                public_id: head.public.as_ref().map(piece),
                system_id: head.system.as_ref().map(piece),
                // SAFETY: parts of validated text, cut beside ASCII characters, and whole.
                internal_subset: declaration
                    .parser
                    .is_some()
                    .then(|| unsafe { utf8::text(subset) }),
            };
            self.emit_position();
            let flow = self.sink.doctype(&doctype);
            self.charge_event(flow)?;
        }
        self.core.doctype.part = match self.core.doctype.parser {
            Some(_) => Part::Declarations,
            None => Part::Tail,
        };
        Ok(())
    }

    fn doctype_declarations(&mut self, text: &[u8]) -> Result<(), Interrupt> {
        self.emit_declared()?;
        let declaration = &mut self.core.doctype;
        let Some(parser) = &mut declaration.parser else {
            declaration.part = Part::Tail;
            return Ok(());
        };
        let begin = declaration.subset;
        let subset = &text[begin..text.len().min(declaration.close + 1)];
        let (start, work) = (begin + parser.offset(), parser.work());
        let emit = self.core.options.emit;
        if emit.comments || emit.processing_instructions {
            // The result of a step cannot be asked for again.
            self.core.aside.clear();
            self.core.aside.reserve(subset.len())?;
        }
        let unsent = match parser.step(subset, &mut self.core.amplification) {
            Ok(Step::More) => None,
            Ok(Step::Comment(comment)) if emit.comments && !declaration.is_cut => {
                self.core.aside.extend_from_slice(comment)?;
                self.core.target = 0;
                Some(Aside::Comment)
            }
            Ok(Step::Instruction { target, data })
                if emit.processing_instructions && !declaration.is_cut =>
            {
                self.core.aside.extend_from_slice(target)?;
                self.core.aside.extend_from_slice(data)?;
                self.core.target = target.len();
                Some(Aside::Instruction)
            }
            Ok(Step::Comment(_) | Step::Instruction { .. }) => None,
            Ok(Step::Done) => {
                if declaration.is_cut {
                    return self.doctype_cut(text);
                }
                declaration.close = begin + parser.offset();
                declaration.part = Part::Tail;
                None
            }
            Err(fault) => return self.dtd_fault(begin, fault),
        };
        let work = (parser.work() - work).saturating_mul(BYTE_COST) as usize;
        declaration.unsent = unsent;
        if unsent.is_some() && self.core.options.positions {
            let position = self.line_counter.position(self.text, self.at + start);
            self.core.token = Some(position);
        }
        self.charge(STEP_COST + work);
        Ok(())
    }

    /// Emits the comment or instruction that the last step read.
    fn emit_declared(&mut self) -> Result<(), Interrupt> {
        let Some(aside) = self.core.doctype.unsent else {
            return Ok(());
        };
        self.emit_position();
        let (target, data) = self.core.aside.split_at(self.core.target);
        let flow = match aside {
            // SAFETY: parts of validated text, cut beside ASCII characters, and whole.
            Aside::Comment => self.sink.comment(unsafe { utf8::text(&self.core.aside) }),
            // SAFETY: parts of validated text, cut beside ASCII characters, and whole.
            Aside::Instruction => self
                .sink
                .processing_instruction(unsafe { utf8::text(target) }, unsafe { utf8::text(data) }),
        };
        self.charge_event(flow)?;
        self.core.doctype.unsent = None;
        Ok(())
    }

    fn doctype_tail(&mut self, text: &[u8]) -> Result<(), Interrupt> {
        let declaration = &mut self.core.doctype;
        let mut end = declaration.close;
        if declaration.parser.is_some() {
            end = byte_class::skip(text, end + 1, SPACE);
            declaration.close = end - 1;
            match text.get(end) {
                None => return self.doctype_cut(text),
                Some(b'>') => {}
                Some(_) => {
                    return malformed(self.at + end, "'>' belongs after the ']' of a DOCTYPE");
                }
            }
        }
        let external = declaration
            .head
            .as_ref()
            .is_some_and(|head| head.system.is_some());
        let account = self.core.aside.account();
        let dtd = match declaration.parser.take() {
            Some(parser) => parser.into_dtd(),
            None => Dtd::empty(account, self.core.standalone, external),
        };
        self.core.declared = Some(dtd);
        self.core.doctype = Declaration::new();
        self.core.state = State::Between;
        self.core.region = Region::AfterDoctype;
        self.at += end + 1;
        Err(Interrupt::InputChanged)
    }

    /// The declaration goes on beyond `text`, which is all that there is or all that is allowed.
    fn doctype_cut<T>(&self, text: &[u8]) -> Result<T, Interrupt> {
        let max = self.core.limits.max_dtd_bytes;
        if self.at + text.len() < self.text.len() {
            return exceeded(self.at + text.len(), "max_dtd_bytes", max, max + 1);
        }
        Err(Interrupt::NeedInput)
    }

    /// Converts an error whose offset counts from `begin`.
    fn dtd_fault<T>(&self, begin: usize, found: DtdFault) -> Result<T, Interrupt> {
        let at = self.at + begin + found.offset;
        match found.reason {
            Reason::Malformed(reason) => malformed(at, reason),
            Reason::Forbidden(code) => {
                let character = forbidden(code);
                malformed(
                    at,
                    format!("this reference is to {character}, which XML does not allow"),
                )
            }
            Reason::Refused(refusal) => Err(Interrupt::Refused(refusal)),
            Reason::Limit(limit) => beyond(at, limit),
            Reason::Truncated => {
                let max = self.core.limits.max_dtd_bytes as usize;
                let rest = &self.text[self.at..];
                self.doctype_cut(&rest[..rest.len().min(max)])
            }
        }
    }
}
