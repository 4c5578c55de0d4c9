//! Entity declarations: what stands before the value, a part of the value, or the end of the declaration in each step.

use crate::xml::api::error::ExceededLimit;
use crate::xml::dtd::Span;
use crate::xml::dtd::cursor::Cursor;
use crate::xml::dtd::entity::{self, Content};
use crate::xml::dtd::fault::{Fault, Reason};
use crate::xml::dtd::parser::{DtdParser, Made, PART_BYTES, State};

impl DtdParser {
    pub(super) fn entity(&mut self, subset: &[u8]) -> Result<Made, Fault> {
        let (text, at) = self.input_stack.current(&self.dtd, subset);
        let value = self.rules.limits.max_entities;
        let seen = self.entities + 1;
        if seen > value {
            let hit = ExceededLimit {
                name: "max_entities",
                value,
                seen,
            };
            return Err(Reason::Limit(hit).at(at));
        }
        let mut cursor = Cursor::new(text, at, at + b"<!ENTITY".len(), &self.rules);
        let declaration = entity::declaration(&mut cursor)?;
        let end = cursor.at;
        let (parameter, name) = (declaration.parameter, declaration.name);
        self.value.clear();
        if let Content::Internal(literal) = declaration.content {
            self.state = State::EntityValue {
                start: at,
                parameter,
                name: Span {
                    start: name.start,
                    end: name.end,
                },
                end: literal.end,
            };
            return Ok(self.made(at, literal.start, Made::Nothing));
        }
        self.scratch
            .extend_from_slice(&text[name])
            .map_err(|refusal| Reason::Refused(refusal).at(at))?;
        self.declare_entity(parameter, &declaration.content, at)?;
        Ok(self.made(at, end, Made::Nothing))
    }

    pub(super) fn entity_value(&mut self, subset: &[u8]) -> Result<Made, Fault> {
        let State::EntityValue {
            start,
            parameter,
            name,
            end,
        } = self.state
        else {
            return Ok(Made::Nothing);
        };
        let (text, at) = self.input_stack.current(&self.dtd, subset);
        let in_subset = self.input_stack.in_subset();
        if at < end {
            let namespaces = self.rules.options.namespaces;
            let (literal, stop) = (&text[..end], at + PART_BYTES);
            let len = self.value.len();
            let reached =
                entity::replacement_text(literal, at, stop, in_subset, namespaces, &mut self.value);
            // Refused half way, this part is read again.
            let reached = reached.inspect_err(|_| self.value.truncate(len))?;
            return Ok(self.made(at, reached, Made::Nothing));
        }
        let mut cursor = Cursor::new(text, start, end + 1, &self.rules);
        cursor.close()?;
        let close = cursor.at;
        self.scratch.clear();
        self.scratch
            .extend_from_slice(&text[name.start..name.end])
            .map_err(|refusal| Reason::Refused(refusal).at(at))?;
        self.declare_entity(parameter, &Content::Internal(at..end), at)?;
        self.state = State::Between;
        Ok(self.made(at, close, Made::Nothing))
    }

    /// Declares the entity whose name is in the scratch memory, and whose replacement text, if it has one, is the value.
    fn declare_entity(
        &mut self,
        parameter: bool,
        content: &Content,
        at: usize,
    ) -> Result<(), Fault> {
        if !self.dtd.ignoring {
            let in_parameter_entity = !self.input_stack.in_subset();
            self.dtd
                .declare_entity(
                    parameter,
                    &self.scratch,
                    &self.value,
                    content,
                    in_parameter_entity,
                )
                .map_err(|refusal| Reason::Refused(refusal).at(at))?;
        }
        // Counted once it is declared: refused, this is read again.
        self.entities += 1;
        Ok(())
    }
}
