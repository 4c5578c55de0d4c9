//! Attribute values: references replaced, white space normalised, a piece at a time.

use crate::arena::account::{Account, Refusal};
use crate::arena::charged_vec::ChargedVec;
use crate::sync::Arc;
use crate::xml::api::error::ExceededLimit;
use crate::xml::api::limits::Limits;
use crate::xml::dtd::amplification::Amplification;
use crate::xml::dtd::entity::{append, character_reference, entity_reference};
use crate::xml::dtd::fault::{Fault, Reason, malformed};
use crate::xml::dtd::{Dtd, EntityId, Lookup};
use std::ops::Range;

/// What is written anew costs more than a byte that is copied, even if it is shorter: this number of bytes.
const REFERENCE_COST: usize = 64;
const SPACE_COST: usize = 8;

/// The settings that all pieces of one value share.
#[derive(Debug)]
pub(super) struct ValueContext<'a> {
    /// The text in which the literal stands.
    pub text: &'a [u8],
    /// Whether the literal has line ends that are not yet normalised.
    pub line_ends: bool,
    /// Input consumed so far.
    pub consumed: u64,
    pub namespaces: bool,
    /// Whether a reference to an undeclared entity is an error.
    pub must_be_declared: bool,
    /// Whether references are only checked, not replaced.
    pub check_only: bool,
    pub limits: &'a Limits,
}

/// An entity whose replacement text is being read.
#[derive(Clone, Copy, Debug)]
struct OpenEntity {
    entity: EntityId,
    at: usize,
}

/// An attribute value in the making.
#[derive(Debug)]
pub(super) struct AttributeValue {
    open: ChargedVec<OpenEntity>,
    literal: Range<usize>,
    /// Where the reference stands in the literal that the open entities come from.
    reference: usize,
}

impl AttributeValue {
    pub fn new(account: &Arc<Account>) -> AttributeValue {
        AttributeValue {
            open: ChargedVec::new(account),
            literal: 0..0,
            reference: 0,
        }
    }

    pub fn start(&mut self, literal: Range<usize>) {
        self.open.clear();
        self.literal = literal;
    }

    /// Appends to `out` until the value is complete (`true`) or about `budget` bytes have been looked at.
    pub fn advance(
        &mut self,
        context: &ValueContext,
        dtd: &Dtd,
        amplification: &mut Amplification,
        out: &mut ChargedVec<u8>,
        budget: &mut usize,
    ) -> Result<bool, Fault> {
        loop {
            let (text, at, in_literal) = match self.open.last() {
                None => (&context.text[..self.literal.end], self.literal.start, true),
                Some(open) => (dtd.replacement_text(open.entity), open.at, false),
            };
            let fault_at = if in_literal { at } else { self.reference };
            if at >= text.len() {
                if self.open.pop().is_none() {
                    return Ok(true);
                }
                continue;
            }
            if *budget == 0 {
                return Ok(false);
            }
            let room = &text[at..text.len().min(at.saturating_add(*budget))];
            let run = room
                .iter()
                .position(|byte| matches!(byte, b'&' | b'<' | b'\t' | b'\n' | b'\r'))
                .unwrap_or(room.len());
            *budget -= run;
            self.put(context, out, &text[at..at + run], fault_at)?;
            let at = at + run;
            // Refused from here on, it goes on behind what was put.
            self.set_place(at);
            let fault_at = if in_literal { at } else { self.reference };
            let next = match text.get(at) {
                None => at,
                Some(b'&') if *budget > 0 => {
                    *budget = budget.saturating_sub(REFERENCE_COST);
                    self.reference = fault_at;
                    self.set_place(at);
                    self.refer(context, dtd, amplification, out, at)
                        .map_err(|fault| Fault {
                            offset: fault_at,
                            ..fault
                        })?;
                    continue;
                }
                Some(b'<') => {
                    return Err(malformed(
                        fault_at,
                        "no '<' is allowed in an attribute value, nor in an entity it refers to; write '&lt;'",
                    ));
                }
                Some(byte @ (b'\t' | b'\n' | b'\r')) => {
                    *budget = budget.saturating_sub(SPACE_COST);
                    self.put(context, out, b" ", fault_at)?;
                    let pair = *byte == b'\r'
                        && text.get(at + 1) == Some(&b'\n')
                        && in_literal
                        && context.line_ends;
                    at + 1 + usize::from(pair)
                }
                Some(_) => at,
            };
            self.set_place(next);
        }
    }

    fn set_place(&mut self, at: usize) {
        match self.open.last_mut() {
            None => self.literal.start = at,
            Some(open) => open.at = at,
        }
    }

    /// Replaces the reference at `at` in the innermost text.
    fn refer(
        &mut self,
        context: &ValueContext,
        dtd: &Dtd,
        amplification: &mut Amplification,
        out: &mut ChargedVec<u8>,
        at: usize,
    ) -> Result<(), Fault> {
        let text = match self.open.last() {
            None => &context.text[..self.literal.end],
            Some(open) => dtd.replacement_text(open.entity),
        };
        if text.get(at + 1) == Some(&b'#') {
            let (char, next) = character_reference(text, at)?;
            self.put(context, out, char.encode_utf8(&mut [0; 4]).as_bytes(), at)?;
            self.set_place(next);
            return Ok(());
        }
        let range = entity_reference(text, at, context.namespaces)?;
        let end = range.end + 1;
        let name = &text[range];
        if let Some(byte) = predefined(name) {
            self.put(context, out, &[byte], at)?;
            self.set_place(end);
            return Ok(());
        }
        if context.check_only {
            self.set_place(end);
            return Ok(());
        }
        let entity = match dtd.lookup(name, context.must_be_declared) {
            Lookup::Internal(entity) => entity,
            Lookup::Skipped => {
                self.set_place(end);
                return Ok(());
            }
            Lookup::External => {
                return Err(malformed(
                    at,
                    "an attribute value does not refer to an external entity",
                ));
            }
            Lookup::Unparsed => {
                return Err(malformed(
                    at,
                    "a reference to an unparsed entity (one with NDATA)",
                ));
            }
            Lookup::Undeclared => {
                return Err(malformed(
                    at,
                    "a reference to an entity that is not declared before it",
                ));
            }
            Lookup::DeclaredInParameterEntity => {
                return Err(malformed(
                    at,
                    "a standalone document refers to an entity that is declared in a parameter entity",
                ));
            }
        };
        if self.open.iter().any(|open| open.entity == entity) {
            return Err(malformed(at, "an entity refers to itself"));
        }
        let value = context.limits.max_entity_depth;
        let seen = self.open.len() as u64 + 1;
        if seen > value {
            let hit = ExceededLimit {
                name: "max_entity_depth",
                value,
                seen,
            };
            return Err(Reason::Limit(hit).at(at));
        }
        let len = dtd.replacement_text(entity).len() as u64;
        let refused = |reason: Reason| reason.at(at);
        self.open
            .reserve(1)
            .map_err(|refusal| refused(refusal.into()))?;
        amplification
            .expand(len, context.consumed)
            .map_err(|hit| refused(hit.into()))?;
        self.set_place(end);
        self.open
            .push(OpenEntity { entity, at: 0 })
            .map_err(|refusal: Refusal| refused(refusal.into()))
    }

    fn put(
        &self,
        context: &ValueContext,
        out: &mut ChargedVec<u8>,
        bytes: &[u8],
        at: usize,
    ) -> Result<(), Fault> {
        let value = context.limits.max_attribute_bytes;
        if (out.len() + bytes.len()) as u64 > value {
            let hit = ExceededLimit {
                name: "max_attribute_bytes",
                value,
                seen: value + 1,
            };
            return Err(Reason::Limit(hit).at(at));
        }
        append(out, bytes, at)
    }
}

/// The character that a predefined entity stands for. A document may declare these again, but to no
/// other effect.
fn predefined(name: &[u8]) -> Option<u8> {
    match name {
        b"amp" => Some(b'&'),
        b"lt" => Some(b'<'),
        b"gt" => Some(b'>'),
        b"apos" => Some(b'\''),
        b"quot" => Some(b'"'),
        _ => None,
    }
}

/// Normalises `value` as that of a tokenized attribute: no space at its ends, one space between two tokens.
/// Only spaces count: other white space has become spaces, or came by reference and stays.
pub(super) fn tokenize(value: &mut [u8]) -> usize {
    let mut len = 0;
    for at in 0..value.len() {
        if value[at] != b' ' || (len > 0 && value[len - 1] != b' ') {
            value[len] = value[at];
            len += 1;
        }
    }
    if len > 0 && value[len - 1] == b' ' {
        len -= 1;
    }
    len
}
