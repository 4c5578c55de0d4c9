//! The elements that are open, by their names as written.

use crate::arena::account::{Account, Refusal};
use crate::arena::chunked_stack::ChunkedStack;
use crate::arena::incremental_buf::IncrementalBuf;
use crate::sync::Arc;
use crate::xml::write::name::{CheckedName, HEAD};
use std::fmt::Write;

/// What is known of an element's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Unknown,
    /// No text: its children are indented.
    Elements,
    /// Nothing may be added to it, nor to what is in it.
    Mixed,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenElement {
    /// The first bytes of its name, with zeros behind them.
    pub head: [u8; HEAD],
    /// Bytes of its name.
    len: u32,
    pub content: Content,
    /// Where its name begins, if that is longer than a head.
    start: usize,
    /// Its children so far.
    pub children: u64,
}

pub(crate) struct OpenElements {
    /// Those that are longer than a head. Neither moves as a whole when it grows: of a million elements that takes too long.
    names: IncrementalBuf,
    elements: ChunkedStack<OpenElement>,
}

/// Elements that a path names, and bytes that it shows of each.
const PATH_STEPS: usize = 12;
const STEP_BYTES: usize = 60;

/// Levels that are entered without asking for memory.
const LEVELS: usize = 16;

impl OpenElements {
    pub fn new(account: &Arc<Account>) -> Result<OpenElements, Refusal> {
        let mut elements = ChunkedStack::new(account);
        elements.reserve(LEVELS)?;
        Ok(OpenElements {
            names: IncrementalBuf::new(account, usize::MAX),
            elements,
        })
    }

    #[inline(always)]
    pub fn depth(&self) -> usize {
        self.elements.len()
    }

    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// Makes room for one more, so that it is not refused.
    #[inline(always)]
    pub fn reserve(&mut self, name: &CheckedName<'_>) -> Result<(), Refusal> {
        if name.bytes.len() > HEAD {
            self.names.reserve(name.bytes.len())?;
        }
        self.elements.reserve(1)
    }

    #[inline(always)]
    pub fn push(&mut self, name: &CheckedName<'_>, content: Content) -> Result<(), Refusal> {
        let start = self.names.len();
        if name.bytes.len() > HEAD {
            self.names.extend_from_slice(name.bytes)?;
        }
        self.elements.push(OpenElement {
            head: name.head,
            // No name is longer than `MAX_NAME_BYTES`, but for a prefix.
            len: name.bytes.len() as u32,
            content,
            start,
            children: 0,
        })
    }

    #[inline(always)]
    pub fn last(&self) -> Option<(&[u8], &OpenElement)> {
        let last = self.elements.last()?;
        Some((self.name(last), last))
    }

    #[inline(always)]
    fn name<'a>(&'a self, element: &'a OpenElement) -> &'a [u8] {
        let len = element.len as usize;
        match element.head.get(..len) {
            Some(name) => name,
            None => &self.names[element.start..element.start + len],
        }
    }

    #[inline(always)]
    pub fn last_mut(&mut self) -> Option<&mut OpenElement> {
        self.elements.last_mut()
    }

    #[inline(always)]
    pub fn pop(&mut self) {
        if let Some(last) = self.elements.last()
            && last.len as usize > HEAD
        {
            self.names.truncate(last.start);
        }
        self.elements.pop();
    }

    /// The way to the innermost one: `/rss/channel[1]/item[3]`.
    pub fn path(&self) -> String {
        let mut path = String::new();
        let shown = self.depth().saturating_sub(PATH_STEPS);
        if shown > 0 {
            path.push_str("...");
        }
        let mut parent = shown.checked_sub(1).and_then(|it| self.elements.get(it));
        for element in (shown..self.depth()).filter_map(|it| self.elements.get(it)) {
            let name = self.name(element);
            let name = String::from_utf8_lossy(&name[..name.len().min(STEP_BYTES)]);
            path.push('/');
            path.push_str(&name);
            if let Some(parent) = parent {
                // Writing to a string cannot fail.
                let _ = write!(path, "[{}]", parent.children);
            }
            parent = Some(element);
        }
        path
    }
}
