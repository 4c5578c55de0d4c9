//! Entities being expanded: a stack of texts above the input.
//!
//! ```text
//! input      ... &a; ...
//! text of a          ... &b; ...      each goes on behind its reference
//! text of b                  ...      when the one above it is used up
//! ```
#![allow(unsafe_code)]

use crate::xml::api::sink::Sink;
use crate::xml::dtd::{Dtd, EntityId, Lookup};
use crate::xml::scanner::Scanner;
use crate::xml::scanner::interrupt::{Interrupt, beyond, exceeded, malformed, shown};
use crate::xml::scanner::state::entities::OpenEntity;
use crate::xml::syntax::utf8;

/// The cost of finding an entity and of returning from it, in units of credit.
const ENTITY_COST: usize = 250;

/// How many bytes of replacement text cost a unit of credit.
const BYTES_PER_CREDIT: usize = 2;

impl<S: Sink> Scanner<'_, S> {
    /// A reference in content that ends at `end`.
    pub fn enter_in_content(&mut self, name: &[u8], end: usize) -> Result<(), Interrupt> {
        match self.lookup(name) {
            Lookup::Internal(entity) => {
                if S::TRACKS_SOURCE && self.level == 0 && self.core.source.is_watched() {
                    let offset = self.line_counter.offset(self.text, end);
                    self.core.source.enter(&self.text[self.at..end], offset)?;
                }
                self.enter(entity, self.at, end)
            }
            found @ (Lookup::Skipped | Lookup::Undeclared)
                if self.core.options.recover.entities =>
            {
                self.recover_entity_in_content(name, end, found)
            }
            Lookup::External | Lookup::Skipped => self.skip_entity(name, end),
            refused => refuse(refused, name, self.at),
        }
    }

    /// Emits a reference in content whose text is not available.
    pub fn skip_entity(&mut self, name: &[u8], end: usize) -> Result<(), Interrupt> {
        self.end_run()?;
        if self.is_emitted() {
            if self.core.options.positions {
                let position = self.position_here();
                self.sink.position(position);
            }
            // SAFETY: a name is a part of validated text, cut beside ASCII characters.
            let flow = self.sink.skipped_entity(unsafe { utf8::text(name) });
            self.charge_event(flow)?;
        }
        self.at = end;
        Ok(())
    }

    /// A reference in an attribute's value, at `at`.
    pub fn enter_in_value(&mut self, name: &[u8], at: usize, end: usize) -> Result<(), Interrupt> {
        match self.lookup(name) {
            Lookup::Internal(entity) => {
                self.fix_token();
                self.enter(entity, at, end)
            }
            Lookup::Skipped | Lookup::Undeclared if self.core.options.recover.entities => {
                self.recover_entity_in_value(name, at, end)
            }
            Lookup::Skipped => Ok(()),
            Lookup::External => malformed(
                at,
                format!(
                    "the external entity {} is not allowed in an attribute",
                    shown(name)
                ),
            ),
            refused => refuse(refused, name, at),
        }
    }

    fn lookup(&self, name: &[u8]) -> Lookup {
        self.dtd.map_or(Lookup::Undeclared, |dtd| dtd.entity(name))
    }

    /// Continues with the text of `entity`, then at `end`.
    fn enter(&mut self, entity: EntityId, at: usize, end: usize) -> Result<(), Interrupt> {
        let open = &mut self.core.entities.open;
        let depth = open.len() as u64;
        if open.iter().any(|it| it.entity == entity) {
            let name = self.dtd.map_or(&[][..], |dtd| dtd.entity_name(entity));
            return malformed(at, format!("the entity {} contains itself", shown(name)));
        }
        let max = self.core.limits.max_entity_depth;
        if depth >= max {
            return exceeded(at, "max_entity_depth", max, depth + 1);
        }
        open.reserve(1)?;
        self.report_repairs(at)?;
        if self.level == 0 {
            self.core.entities.position = self.line_counter.move_to(self.text, at);
        }
        let len = self.dtd.map_or(0, |dtd| dtd.replacement_text(entity).len());
        let consumed = self.core.entities.position.byte_offset - self.core.document_start;
        if let Err(limit) = self.core.amplification.expand(len as u64, consumed) {
            return beyond(at, limit);
        }
        let cost = ENTITY_COST + len / BYTES_PER_CREDIT;
        self.charge(cost);
        self.core.entities.open.push(OpenEntity {
            entity,
            at: 0,
            floor: self.core.element_stack.depth(),
        })?;
        self.at = end;
        Err(Interrupt::InputChanged)
    }

    /// The text of the innermost entity is used up, or does not suffice for what was begun in it.
    pub fn leave(&mut self, dtd: &Dtd) -> Result<(), Interrupt> {
        let Some(innermost) = self.core.entities.open.last() else {
            return Ok(());
        };
        let in_value = self.core.in_tag() && self.level > self.core.tag.level;
        let whole = in_value || self.core.is_between();
        let balanced = in_value || self.core.element_stack.depth() == innermost.floor;
        if self.at == self.text.len() && whole && balanced {
            self.core.entities.open.pop();
            return Ok(());
        }
        let name = shown(dtd.entity_name(innermost.entity));
        let help = match self.text.get(self.at) {
            Some(b'&') => " (recover: [:ampersands] takes the '&' as it is)",
            _ => "",
        };
        malformed(
            self.at,
            format!("the entity {name} does not end what it begins{help}"),
        )
    }
}

#[cold]
fn refuse<T>(lookup: Lookup, name: &[u8], at: usize) -> Result<T, Interrupt> {
    let name = shown(name);
    let reason = match lookup {
        Lookup::Unparsed => format!("the entity {name} is data, not text"),
        Lookup::DeclaredInParameterEntity => {
            format!("the entity {name} is declared where a standalone document must not declare it")
        }
        _ => {
            format!("the entity {name} is not declared (recover: [:entities] lets it through)")
        }
    };
    malformed(at, reason)
}
