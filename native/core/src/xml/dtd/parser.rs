//! Reading the internal subset, one bounded step at a time.

mod attlist;
mod attributes;
mod entities;

use crate::arena::account::Account;
use crate::arena::charged_vec::ChargedVec;
use crate::sync::Arc;
use crate::xml::api::limits::Limits;
use crate::xml::dtd::amplification::Amplification;
use crate::xml::dtd::cursor::Cursor;
use crate::xml::dtd::element::{self, Model};
use crate::xml::dtd::fault::{Fault, Reason, malformed};
use crate::xml::dtd::input_stack::InputStack;
use crate::xml::dtd::misc::{comment, copy, instruction, misplaced, normalise_public_id};
use crate::xml::dtd::parser::attlist::Enumeration;
use crate::xml::dtd::value::AttributeValue;
use crate::xml::dtd::{Content, Dtd, DtdOptions, ElementId, EntityId, Rules, Span};
use crate::xml::syntax::chars::is_space;
use std::ops::Range;

/// The number of bytes of white space, or of expanded text, that one step reads.
const STEP_BYTES: usize = 16 * 1024;

/// The number of bytes of a content model, an enumeration or an entity's value that one step reads.
const PART_BYTES: usize = 4 * 1024;

/// The result of one step.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// There is more to do.
    More,
    /// A comment was read: its text, line ends normalised.
    Comment(&'a [u8]),
    /// A processing instruction was read.
    Instruction {
        /// Its target.
        target: &'a [u8],
        /// The text after the target and white space, line ends normalised.
        data: &'a [u8],
    },
    /// The subset has been read up to the `]` that ends it.
    Done,
}

/// A step that was made. Its texts are in the scratch memory.
#[derive(Clone, Copy, Debug)]
enum Made {
    Nothing,
    Comment,
    /// The number of bytes of the target, which come first.
    Instruction(usize),
    End,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Between declarations.
    Between,
    /// In the content model of the element declaration that began at `start`; its open groups are in the scratch memory.
    ContentModel { start: usize, model: Model },
    /// In the value of the entity declaration that began at `start`, or behind its last byte, at `end`.
    EntityValue {
        start: usize,
        parameter: bool,
        name: Span,
        end: usize,
    },
    /// In the attribute-list declaration that began at `start`, between its definitions.
    AttributeList { start: usize, element: ElementId },
    /// In an enumeration of it; the attribute's name is in the scratch memory.
    Enumeration {
        start: usize,
        element: ElementId,
        of: Enumeration,
    },
    /// In a default value of it; the attribute's name is in the scratch memory.
    Default {
        start: usize,
        element: ElementId,
        tokenized: bool,
    },
}

/// A parser of what follows the `[` of a document type declaration.
#[derive(Debug)]
pub struct DtdParser {
    dtd: Dtd,
    rules: Rules,
    state: State,
    input_stack: InputStack,
    entities: u64,
    work: u64,
    scratch: ChargedVec<u8>,
    value: ChargedVec<u8>,
    default: AttributeValue,
}

impl DtdParser {
    /// A parser that charges all it keeps to `account`.
    pub fn new(account: &Arc<Account>, limits: Limits, options: DtdOptions) -> DtdParser {
        DtdParser {
            dtd: Dtd::empty(account, options.standalone, options.external_subset),
            rules: Rules { limits, options },
            state: State::Between,
            input_stack: InputStack::new(account),
            entities: 0,
            work: 0,
            scratch: ChargedVec::new(account),
            value: ChargedVec::new(account),
            default: AttributeValue::new(account),
        }
    }

    /// Reads one declaration, comment, processing instruction, attribute definition, or some of the
    /// white space, of a content model, of an enumeration or of a value.
    ///
    /// `subset` is what follows the `[`, the same text each time, known to be UTF-8, with the `]` that
    /// [`crate::xml::dtd::SubsetEnd`] finds. Called with less, it reads what there is and then says that it is truncated.
    ///
    /// A fault's offset is one into the subset; what is wrong in a parameter entity is found at the
    /// reference that led there.
    pub fn step(
        &mut self,
        subset: &[u8],
        amplification: &mut Amplification,
    ) -> Result<Step<'_>, Fault> {
        let made = match self.state {
            State::Between => self.between(subset, amplification),
            State::ContentModel { start, model } => self.content_model(subset, start, model),
            State::EntityValue { .. } => self.entity_value(subset),
            State::AttributeList { start, element } => self.definition(subset, start, element),
            State::Enumeration { start, element, of } => {
                self.enumeration(subset, start, element, of)
            }
            State::Default { .. } => self.default_value(subset, amplification),
        };
        match made {
            Ok(Made::Nothing) => Ok(Step::More),
            Ok(Made::Comment) => Ok(Step::Comment(&self.scratch)),
            Ok(Made::Instruction(target)) => {
                let (target, data) = self.scratch.split_at(target);
                Ok(Step::Instruction { target, data })
            }
            Ok(Made::End) => Ok(Step::Done),
            Err(fault) if self.input_stack.in_subset() => Err(fault),
            Err(fault) => Err(Fault {
                offset: self.input_stack.offset(),
                reason: match fault.reason {
                    Reason::Truncated => Reason::Malformed(
                        "the replacement text of a parameter entity ends inside a declaration",
                    ),
                    reason => reason,
                },
            }),
        }
    }

    /// Bytes looked at so far, replacement texts included: the time spent is proportional to it.
    pub fn work(&self) -> u64 {
        self.work
    }

    /// How much of the subset has been read: after [`Step::Done`], the offset of the `]`.
    pub fn offset(&self) -> usize {
        self.input_stack.offset()
    }

    /// The declarations that were read; complete after [`Step::Done`].
    pub fn into_dtd(self) -> Dtd {
        self.dtd
    }

    fn between(&mut self, subset: &[u8], amplification: &mut Amplification) -> Result<Made, Fault> {
        let (text, at) = self.input_stack.current(&self.dtd, subset);
        let Some(&first) = text.get(at) else {
            if self.input_stack.leave() {
                return Ok(Made::Nothing);
            }
            return Err(Reason::Truncated.at(at));
        };
        if first == b']' && self.input_stack.in_subset() {
            return Ok(Made::End);
        }
        if is_space(first) {
            let room = &text[at..text.len().min(at + STEP_BYTES)];
            let space = room.iter().position(|&byte| !is_space(byte));
            let end = at + space.unwrap_or(room.len());
            return Ok(self.made(at, end, Made::Nothing));
        }
        let mut cursor = Cursor::new(text, at, at, &self.rules);
        self.scratch.clear();
        if cursor.eat(b"%")? {
            return self.parameter_reference(subset, amplification);
        }
        let made = if cursor.eat(b"<?")? {
            Made::Instruction(instruction(
                &mut cursor,
                self.input_stack.in_subset(),
                &mut self.scratch,
            )?)
        } else if cursor.eat(b"<!--")? {
            comment(&mut cursor, self.input_stack.in_subset(), &mut self.scratch)?;
            Made::Comment
        } else if cursor.eat(b"<!ELEMENT")? {
            if let Some(model) = element::declaration(&mut cursor, &mut self.scratch)? {
                self.state = State::ContentModel { start: at, model };
            }
            Made::Nothing
        } else if cursor.eat(b"<!ATTLIST")? {
            return self.attribute_list(subset);
        } else if cursor.eat(b"<!ENTITY")? {
            return self.entity(subset);
        } else if cursor.eat(b"<!NOTATION")? {
            return self.notation(subset);
        } else {
            return Err(malformed(at, misplaced(&text[at..])));
        };
        let end = cursor.at;
        Ok(self.made(at, end, made))
    }

    /// Moves to `end` in the current text.
    fn made(&mut self, start: usize, end: usize, made: Made) -> Made {
        self.work += (end - start) as u64;
        self.input_stack.move_to(end);
        made
    }

    /// ```text
    /// PEReference ::= '%' Name ';'      (XML 1.0, 4.1)
    /// ```
    fn parameter_reference(
        &mut self,
        subset: &[u8],
        amplification: &mut Amplification,
    ) -> Result<Made, Fault> {
        let (text, at) = self.input_stack.current(&self.dtd, subset);
        let mut cursor = Cursor::new(text, at, at + 1, &self.rules);
        let name = cursor.ncname("the name of a parameter entity belongs here")?;
        cursor.expect(b";", "a parameter entity reference ends with ';'")?;
        let end = cursor.at;
        let found = self.dtd.find_entity(&self.dtd.parameter, &text[name]);
        self.input_stack
            .reserve()
            .map_err(|refusal| Reason::Refused(refusal).at(at))?;
        self.made(at, end, Made::Nothing);
        self.dtd.open_ended = true;
        let standalone = self.rules.options.standalone;
        let must_be_declared = standalone && self.input_stack.in_subset();
        let Some(id) = found else {
            if must_be_declared {
                return Err(malformed(
                    at,
                    "a standalone document refers to a parameter entity that it does not declare",
                ));
            }
            self.dtd.ignoring = true;
            return Ok(Made::Nothing);
        };
        let entity = self.dtd.entities[id as usize];
        if must_be_declared && entity.in_parameter_entity {
            return Err(malformed(
                at,
                "a standalone document refers to a parameter entity that is declared in another",
            ));
        }
        match entity.content {
            Content::Internal(text) => {
                let consumed = self.rules.options.consumed + self.input_stack.offset() as u64;
                self.input_stack
                    .enter(EntityId(id), at, self.rules.limits.max_entity_depth)?;
                amplification
                    .expand((text.end - text.start) as u64, consumed)
                    .map_err(|hit| Reason::Limit(hit).at(at))?;
            }
            Content::External | Content::Unparsed => self.dtd.ignoring |= !standalone,
        }
        Ok(Made::Nothing)
    }

    fn content_model(
        &mut self,
        subset: &[u8],
        start: usize,
        mut model: Model,
    ) -> Result<Made, Fault> {
        let (text, at) = self.input_stack.current(&self.dtd, subset);
        let mut cursor = Cursor::new(text, start, at, &self.rules);
        let complete = element::advance(&mut cursor, &mut model, &mut self.scratch, PART_BYTES)?;
        let end = cursor.at;
        self.state = match complete {
            true => State::Between,
            false => State::ContentModel { start, model },
        };
        Ok(self.made(at, end, Made::Nothing))
    }

    /// ```text
    /// NotationDecl ::= '<!NOTATION' S Name S (ExternalID | PublicID) S? '>'      (XML 1.0, 4.7)
    /// ```
    fn notation(&mut self, subset: &[u8]) -> Result<Made, Fault> {
        const SPACE: &str = "white space belongs after the name of the notation";
        const IDENTIFIER: &str = "SYSTEM or PUBLIC belongs here";
        let (text, at) = self.input_stack.current(&self.dtd, subset);
        let refused = |refusal| Reason::Refused(refusal).at(at);
        let mut cursor = Cursor::new(text, at, at + b"<!NOTATION".len(), &self.rules);
        cursor.space("white space belongs before the name of the notation")?;
        let name = cursor.ncname("the name of a notation belongs here")?;
        cursor.space(SPACE)?;
        let Some(id) = cursor.external_id(true)? else {
            return Err(cursor.unexpected(IDENTIFIER));
        };
        cursor.close()?;
        let end = cursor.at;
        let line_ends = self.input_stack.in_subset();
        let out = &mut self.scratch;
        let mut keep = |range: Range<usize>| copy(text, range, line_ends, out);
        let name = keep(name)?;
        let public = id.public.map(&mut keep).transpose()?;
        let system = id.system.map(&mut keep).transpose()?;
        let public = public.map(|range| {
            let len = normalise_public_id(&mut self.scratch[range.clone()]);
            range.start..range.start + len
        });
        let part = |range: Range<usize>| &self.scratch[range];
        self.dtd
            .declare_notation(part(name), public.map(part), system.map(part))
            .map_err(refused)?;
        Ok(self.made(at, end, Made::Nothing))
    }
}
