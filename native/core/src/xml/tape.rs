//! One selected element and what is in it, kept until its end tag.
//!
//! The tape is read from its end: a list of the VM is built from its last cell, so every child is in
//! place when it is needed, and reading can stop and go on at any step.

mod names;

use self::names::Names;
use super::attributes::Attributes;
use super::known::NameId;
use super::sink::{Name, Namespace};
use crate::quota::{Account, Refusal};
use crate::segments::Segments;
use crate::sync::Arc;

/// What one step of the tape holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// A start tag: the element's name. Its attributes follow.
    Open,
    AttributeName,
    /// Follows the attribute's name.
    AttributeValue,
    Text,
    /// The name of an entity that was not expanded.
    SkippedEntity,
    Close,
}

/// One step of the tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TapeStep {
    pub kind: StepKind,
    /// For a name: its number, if it has one.
    pub id: Option<NameId>,
    namespace: u32,
    start: u32,
    len: u32,
}

const NO_NAMESPACE: u32 = u32::MAX;

impl TapeStep {
    /// Bytes of its string.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// For a name: which of [`Tape::namespace`] it is in.
    pub fn namespace(&self) -> Option<u32> {
        (self.namespace != NO_NAMESPACE).then_some(self.namespace)
    }
}

/// Why an event is not, or not wholly, on the tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TapeStop {
    /// No memory: tell the same event again later.
    Refused(Refusal),
    /// Enough was copied for one call: tell the same event again.
    Paused,
    /// The record would take this many bytes, more than the tape's limit.
    TooLarge(u64),
}

impl From<Refusal> for TapeStop {
    fn from(refusal: Refusal) -> TapeStop {
        TapeStop::Refused(refusal)
    }
}

#[derive(Clone, Copy, Debug)]
struct Uri {
    id: u32,
    start: u32,
    len: u32,
}

/// Of all namespaces on the tape, the last ones are looked at for one that is there already.
const RECENT_URIS: usize = 8;

/// A record being recorded.
#[derive(Debug)]
pub struct Tape {
    steps: Segments<TapeStep>,
    bytes: Segments<u8>,
    uris: Segments<Uri>,
    names: Names,
    /// Bytes of all names on the tape that are in `names`, each as often as it is on the tape.
    named: u64,
    limit: u64,
    depth: usize,
    deepest: usize,
    /// Strings of the event being told that are on the tape, from an earlier telling.
    kept: usize,
    /// Bytes of the string after them that are there too.
    begun: usize,
    /// Strings of the event told so far, this time.
    told: usize,
    /// Bytes that may still be copied in this call.
    budget: usize,
}

impl Tape {
    /// A tape for records of at most `limit` bytes: their strings, and 16 bytes for each.
    pub fn new(limit: u64, account: &Arc<Account>) -> Tape {
        Tape {
            steps: Segments::new(account),
            bytes: Segments::new(account),
            uris: Segments::new(account),
            names: Names::new(account),
            named: 0,
            limit: limit.min(u32::MAX.into()),
            depth: 0,
            deepest: 0,
            kept: 0,
            begun: 0,
            told: 0,
            budget: 0,
        }
    }

    /// How many bytes may be copied before an event answers [`TapeStop::Paused`].
    pub fn set_budget(&mut self, bytes: usize) {
        self.budget = bytes;
    }

    /// Whether a record has begun.
    #[inline]
    pub fn is_recording(&self) -> bool {
        self.depth > 0
    }

    /// The limit in bytes.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// The most elements that were open at once.
    pub fn deepest(&self) -> usize {
        self.deepest
    }

    pub fn len(&self) -> usize {
        self.steps.len()
    }

    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The step at `index`, if there is one.
    #[inline]
    pub fn step(&self, index: usize) -> Option<&TapeStep> {
        self.steps.get(index)
    }

    /// The string of a step that is a name with a number.
    #[inline]
    pub fn known_name(&self, step: &TapeStep) -> Option<&[u8]> {
        self.names.get(step.id?)
    }

    /// The bytes of any other step's string, where they are in one piece.
    #[inline]
    pub fn whole(&self, step: &TapeStep) -> Option<&[u8]> {
        self.bytes.slice(step.start as usize, step.len())
    }

    /// The same from `offset` on, in a few slices.
    #[inline]
    pub fn text(&self, step: &TapeStep, offset: usize) -> impl Iterator<Item = &[u8]> {
        self.bytes.slices(
            step.start as usize + offset,
            step.len().saturating_sub(offset),
        )
    }

    /// The identity of a namespace, and its URI in a few slices.
    pub fn namespace(&self, index: u32) -> Option<(u32, impl Iterator<Item = &[u8]>)> {
        let uri = self.uris.get(index as usize)?;
        Some((
            uri.id,
            self.bytes.slices(uri.start as usize, uri.len as usize),
        ))
    }

    /// A start tag.
    pub fn open(&mut self, name: &Name<'_>, attributes: &Attributes<'_>) -> Result<(), TapeStop> {
        self.told = 0;
        self.put_name(StepKind::Open, name)?;
        for attribute in attributes.iter() {
            self.put_name(StepKind::AttributeName, &attribute.name)?;
            self.put(StepKind::AttributeValue, NO_NAMESPACE, attribute.value)?;
        }
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        self.kept = 0;
        Ok(())
    }

    /// An end tag. True when it ends the record.
    pub fn close(&mut self) -> Result<bool, TapeStop> {
        self.one(StepKind::Close, "")?;
        self.depth = self.depth.saturating_sub(1);
        Ok(self.depth == 0)
    }

    /// Text; two in a row become one.
    pub fn characters(&mut self, text: &str) -> Result<(), TapeStop> {
        self.one(StepKind::Text, text)
    }

    pub fn skipped_entity(&mut self, name: &str) -> Result<(), TapeStop> {
        self.one(StepKind::SkippedEntity, name)
    }

    /// Forgets the record and gives back what a small one does not need.
    pub fn clear(&mut self) {
        self.steps.clear();
        self.bytes.clear();
        self.uris.clear();
        self.named = 0;
        self.depth = 0;
        self.deepest = 0;
    }

    fn one(&mut self, kind: StepKind, text: &str) -> Result<(), TapeStop> {
        self.told = 0;
        self.put(kind, NO_NAMESPACE, text)?;
        self.kept = 0;
        Ok(())
    }

    #[inline]
    fn put_name(&mut self, kind: StepKind, name: &Name<'_>) -> Result<(), TapeStop> {
        let namespace = match name.namespace {
            Some(namespace) if self.told >= self.kept => self.put_uri(namespace)?,
            _ => NO_NAMESPACE,
        };
        match name.id {
            Some(id) => self.put_known(kind, id, namespace, name),
            None => self.put(kind, namespace, name.local),
        }
    }

    /// Writes a name of which only the number has to be on the tape.
    #[inline]
    fn put_known(
        &mut self,
        kind: StepKind,
        id: NameId,
        namespace: u32,
        name: &Name<'_>,
    ) -> Result<(), TapeStop> {
        self.told += 1;
        if self.told <= self.kept {
            return Ok(());
        }
        let len = name.local.len();
        self.check(len)?;
        self.names.keep(id, name)?;
        self.steps.push(TapeStep {
            kind,
            id: Some(id),
            namespace,
            start: 0,
            len: len as u32,
        })?;
        self.named += len as u64;
        self.kept += 1;
        Ok(())
    }

    fn put_uri(&mut self, namespace: Namespace<'_>) -> Result<u32, TapeStop> {
        let count = self.uris.len();
        for index in (count.saturating_sub(RECENT_URIS)..count).rev() {
            if self
                .uris
                .get(index)
                .is_some_and(|uri| uri.id == namespace.id)
            {
                return Ok(index as u32);
            }
        }
        self.check(namespace.uri.len())?;
        // A retry after a refusal leaves what was written of it behind, unused.
        let start = self.bytes.len() as u32;
        let mut rest = namespace.uri.as_bytes();
        while !rest.is_empty() {
            rest = &rest[self.bytes.extend(rest)?..];
        }
        self.uris.push(Uri {
            id: namespace.id,
            start,
            len: namespace.uri.len() as u32,
        })?;
        Ok(count as u32)
    }

    /// Writes one string of the event, unless an earlier telling has.
    #[inline]
    fn put(&mut self, kind: StepKind, namespace: u32, text: &str) -> Result<(), TapeStop> {
        self.told += 1;
        if self.told <= self.kept {
            return Ok(());
        }
        if self.begun == 0 {
            self.check(text.len())?;
            if text.len() <= self.budget
                && kind != StepKind::Text
                && let Some(start) = self.bytes.append(text.as_bytes())
            {
                self.begun = text.len();
                self.budget -= text.len();
                self.steps.push(TapeStep {
                    kind,
                    id: None,
                    namespace,
                    start: start as u32,
                    len: text.len() as u32,
                })?;
                self.kept += 1;
                self.begun = 0;
                return Ok(());
            }
        }
        while self.begun < text.len() {
            let rest = &text.as_bytes()[self.begun..];
            let part = &rest[..rest.len().min(self.budget)];
            if part.is_empty() {
                return Err(TapeStop::Paused);
            }
            let written = self.bytes.extend(part)?;
            self.begun += written;
            self.budget -= written;
        }
        let start = (self.bytes.len() - text.len()) as u32;
        match self.steps.last_mut() {
            Some(last)
                if kind == StepKind::Text
                    && last.kind == kind
                    && last.start + last.len == start =>
            {
                last.len += text.len() as u32;
            }
            _ => self.steps.push(TapeStep {
                kind,
                id: None,
                namespace,
                start,
                len: text.len() as u32,
            })?,
        }
        self.kept += 1;
        self.begun = 0;
        Ok(())
    }

    #[inline]
    fn check(&self, more: usize) -> Result<(), TapeStop> {
        let steps = (self.steps.len() as u64 + 1) * size_of::<TapeStep>() as u64;
        let needed = steps + self.named + (self.bytes.len() + more) as u64;
        if needed > self.limit {
            return Err(TapeStop::TooLarge(needed));
        }
        Ok(())
    }
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used)]
mod tests;
