//! Attribute-list declarations: one definition, or a part of an enumeration or of a default value, in each step.

use crate::arena::account::Refusal;
use crate::xml::dtd::ElementId;
use crate::xml::dtd::amplification::Amplification;
use crate::xml::dtd::cursor::Cursor;
use crate::xml::dtd::fault::{Fault, Reason};
use crate::xml::dtd::parser::attlist::{self, Enumeration, Rest};
use crate::xml::dtd::parser::{DtdParser, Made, PART_BYTES, STEP_BYTES, State};
use crate::xml::dtd::value::{ValueContext, tokenize};

impl DtdParser {
    pub(super) fn attribute_list(&mut self, subset: &[u8]) -> Result<Made, Fault> {
        let (text, at) = self.input_stack.current(&self.dtd, subset);
        let refused = |refusal| Reason::Refused(refusal).at(at);
        let mut cursor = Cursor::new(text, at, at + b"<!ATTLIST".len(), &self.rules);
        let name = attlist::element(&mut cursor)?;
        let end = cursor.at;
        self.scratch
            .extend_from_slice(&text[name])
            .map_err(refused)?;
        let element = self.dtd.declare_element(&self.scratch).map_err(refused)?;
        self.state = State::AttributeList { start: at, element };
        Ok(self.made(at, end, Made::Nothing))
    }

    pub(super) fn definition(
        &mut self,
        subset: &[u8],
        start: usize,
        element: ElementId,
    ) -> Result<Made, Fault> {
        let (text, at) = self.input_stack.current(&self.dtd, subset);
        let refused = |refusal| Reason::Refused(refusal).at(at);
        let mut cursor = Cursor::new(text, start, at, &self.rules);
        let definition = attlist::definition(&mut cursor)?;
        let end = cursor.at;
        let Some(definition) = definition else {
            self.state = State::Between;
            return Ok(self.made(at, end, Made::Nothing));
        };
        self.scratch.clear();
        self.scratch
            .extend_from_slice(&text[definition.name])
            .map_err(refused)?;
        self.read(element, start, definition.rest)
            .map_err(refused)?;
        Ok(self.made(at, end, Made::Nothing))
    }

    pub(super) fn enumeration(
        &mut self,
        subset: &[u8],
        start: usize,
        element: ElementId,
        of: Enumeration,
    ) -> Result<Made, Fault> {
        let (text, at) = self.input_stack.current(&self.dtd, subset);
        let mut cursor = Cursor::new(text, start, at, &self.rules);
        let rest = attlist::enumeration(&mut cursor, of, PART_BYTES)?;
        let end = cursor.at;
        if let Some(rest) = rest {
            self.read(element, start, rest)
                .map_err(|refusal| Reason::Refused(refusal).at(at))?;
        }
        Ok(self.made(at, end, Made::Nothing))
    }

    /// What comes of a definition whose name is in the scratch memory.
    fn read(&mut self, element: ElementId, start: usize, rest: Rest) -> Result<(), Refusal> {
        match rest {
            Rest::Enumeration(of) => {
                self.state = State::Enumeration { start, element, of };
            }
            Rest::Read {
                tokenized,
                default: Some(literal),
            } => {
                self.value.clear();
                self.default.start(literal);
                self.state = State::Default {
                    start,
                    element,
                    tokenized,
                };
            }
            Rest::Read {
                tokenized,
                default: None,
            } => {
                self.declare(element, tokenized, false)?;
                self.state = State::AttributeList { start, element };
            }
        }
        Ok(())
    }

    pub(super) fn default_value(
        &mut self,
        subset: &[u8],
        amplification: &mut Amplification,
    ) -> Result<Made, Fault> {
        let State::Default {
            start,
            element,
            tokenized,
        } = self.state
        else {
            return Ok(Made::Nothing);
        };
        let (text, at) = self.input_stack.current(&self.dtd, subset);
        let options = &self.rules.options;
        let in_subset = self.input_stack.in_subset();
        let context = ValueContext {
            text,
            line_ends: in_subset,
            consumed: options.consumed + self.input_stack.offset() as u64,
            namespaces: options.namespaces,
            must_be_declared: in_subset && (options.standalone || !self.dtd.open_ended),
            check_only: self.dtd.ignoring,
            limits: &self.rules.limits,
        };
        let mut budget = STEP_BYTES;
        let complete = self.default.advance(
            &context,
            &self.dtd,
            amplification,
            &mut self.value,
            &mut budget,
        )?;
        self.work += (STEP_BYTES - budget) as u64;
        if complete {
            if tokenized {
                let len = tokenize(&mut self.value);
                self.value.truncate(len);
            }
            self.declare(element, tokenized, true)
                .map_err(|refusal| Reason::Refused(refusal).at(at))?;
            self.state = State::AttributeList { start, element };
        }
        Ok(Made::Nothing)
    }

    /// Declares the attribute whose name, and default value if there is one, have been read.
    fn declare(
        &mut self,
        element: ElementId,
        tokenized: bool,
        default: bool,
    ) -> Result<(), Refusal> {
        if self.dtd.ignoring {
            return Ok(());
        }
        let value = default.then_some(&self.value[..]);
        self.dtd
            .declare_attribute(element, &self.scratch, tokenized, value)
    }
}
