//! Selected elements as trees.

use crate::xml::config::RecordLimits;
use crate::xml::large::{LARGE, Wait};
use crate::xml::select::plan::Plan;
use crate::xml::select::record_size::RecordSize;
use crate::xml::select::tree::{Closed, Tree};
use crate::xml::terms::{self, RawTerm};
use crate::xml::values::Values;
use bounded_core::arena::account::Account;
use bounded_core::arena::chunked_buf::ChunkedBuf;
use bounded_core::xml::{
    Attributes, ExceededLimit, Flow, Interest, Name, Prolog, Recovered, Sink, TEXT_PIECE,
};
use std::sync::Arc;

/// A shorter text is the last piece of its run: others are full but for a part of a character.
const FULL_PIECE: usize = TEXT_PIECE - 3;

/// The state of a selection between calls.
pub struct Selection {
    pub plan: Plan,
    /// The path that selected the element which is open.
    pub path: usize,
    pub tree: Tree,
    size: RecordSize,
    /// The start tag of this event is included already: the event was passed before.
    counted: bool,
    /// Pieces of a text of which more may come.
    text: ChunkedBuf,
    /// Bytes of this event's piece that were added already: the event was passed before.
    begun: usize,
    /// The limit that a record went beyond.
    exceeded: Option<ExceededLimit>,
}

impl Selection {
    pub fn new(plan: Plan, limits: RecordLimits, account: &Arc<Account>) -> Selection {
        Selection {
            plan,
            path: 0,
            tree: Tree::new(account),
            size: RecordSize::new(limits),
            counted: false,
            text: ChunkedBuf::new(account),
            begun: 0,
            exceeded: None,
        }
    }

    pub fn exceeded(&self) -> Option<ExceededLimit> {
        self.exceeded
    }
}

/// Builds trees of the events of one call.
pub struct RecordSink<'a, 'env> {
    pub values: Values<'a, 'env>,
    pub selection: &'a mut Selection,
}

impl RecordSink<'_, '_> {
    #[cold]
    fn wait(&mut self, wait: impl Into<Wait>) -> Flow {
        self.values.batch.wait(wait.into());
        Flow::Retry
    }

    #[cold]
    fn too_large(&mut self, exceeded: ExceededLimit) -> Flow {
        self.selection.exceeded = Some(exceeded);
        self.wait(Wait::Paused)
    }

    /// Adds a piece to a text.
    #[cold]
    fn piece(&mut self, piece: &str) -> Flow {
        let Selection {
            size, text, begun, ..
        } = &mut *self.selection;
        let piece = piece.as_bytes();
        let strings = usize::from(text.len() == *begun);
        if *begun == 0
            && let Err(exceeded) = size.add(piece.len(), strings)
        {
            return self.too_large(exceeded);
        }
        while *begun < piece.len() {
            match text.extend(&piece[*begun..]) {
                Ok(written) => *begun += written,
                Err(refusal) => return self.wait(refusal),
            }
        }
        *begun = 0;
        self.values.batch.count(0, piece.len());
        Flow::Accepted
    }

    /// Makes a child of a text that came in pieces. False: it has to wait.
    #[cold]
    fn end_text(&mut self) -> bool {
        let Selection { text, tree, .. } = &mut *self.selection;
        let (len, terms) = (text.len(), self.values.terms);
        if let Err(refusal) = tree.reserve() {
            self.values.batch.wait(refusal.into());
            return false;
        }
        let child = if len > LARGE {
            let rest = |offset| text.slices(offset, len - offset);
            if let Err(wait) = self.values.large.fill(0, len, rest) {
                self.values.batch.wait(wait);
                return false;
            }
            self.values.large.take(&terms)
        } else {
            self.values.batch.count(0, len);
            Some(terms.binary_from(len, text.slices(0, len)))
        };
        let Some(child) = child else { return false };
        tree.add(child, &terms);
        text.clear();
        true
    }

    /// Whether a text that came in pieces still has to wait before it is a child.
    #[inline(always)]
    fn is_text_unfinished(&mut self) -> bool {
        !self.selection.text.is_empty() && !self.end_text()
    }

    /// Closes the innermost element; returns the record if that is it. `None`: it has to wait.
    #[inline(always)]
    pub fn close(&mut self) -> Option<Option<RawTerm>> {
        if self.values.batch.is_full() || self.is_text_unfinished() {
            return None;
        }
        let Selection {
            plan,
            path,
            tree,
            size,
            ..
        } = &mut *self.selection;
        if let Err(refusal) = tree.reserve() {
            let _ = self.wait(refusal);
            return None;
        }
        match tree.close(&self.values.terms, self.values.batch) {
            Closed::NotYet => {
                let _ = self.wait(Wait::Paused);
                None
            }
            Closed::Inner => {
                self.values.batch.count(1, 0);
                Some(None)
            }
            Closed::Whole(mut record) => {
                size.clear();
                if let Some(label) = plan.label(*path) {
                    record = self.values.terms.tuple([label, record]);
                }
                Some(Some(record))
            }
        }
    }

    /// Opens a selected element, with the namespace declarations in scope if they are asked for.
    ///
    /// Not in line: in the loop over what a tag is, it would be prepared for at each tag.
    #[inline(never)]
    pub fn start_record(&mut self, name: &Name<'_>, attributes: &Attributes<'_>) -> Flow {
        if self.values.batch.is_full() {
            return Flow::Retry;
        }
        match self.selection.plan.extras.scope {
            true => self.open::<true>(name, attributes),
            false => self.open::<false>(name, attributes),
        }
    }

    /// Opens a selected element, or one that is in it.
    #[inline(always)]
    fn open<const SCOPE: bool>(&mut self, name: &Name<'_>, attributes: &Attributes<'_>) -> Flow {
        let Selection {
            tree,
            size,
            counted,
            ..
        } = &mut *self.selection;
        if let Err(refusal) = tree.reserve() {
            return self.wait(refusal);
        }
        let (names, values) = attributes.sizes();
        if !*counted {
            let mut bytes = name.local.len() + names + values;
            if self.values.interner.has_namespaces() {
                bytes += size.namespaces(name.namespace, attributes);
            }
            let mut strings = 1 + 2 * attributes.len();
            if SCOPE {
                bytes += attributes.inherited_bytes();
                strings += 2 * attributes.inherited_len();
            }
            if let Err(exceeded) = size.add_element(tree.depth() + 1, bytes, strings) {
                return self.too_large(exceeded);
            }
        }
        let list = match attributes.is_empty() {
            _ if SCOPE => self.values.attributes_in_scope(attributes),
            true => Some(self.values.terms.empty_list),
            false => self.values.attributes(attributes, (names, values)),
        };
        let Selection { tree, counted, .. } = &mut *self.selection;
        *counted = list.is_none();
        let Some(list) = list else {
            return Flow::Retry;
        };
        let terms = &self.values.terms;
        let name = self.values.interner.name(terms, *name);
        tree.open(name, list, terms);
        self.values.batch.count(1, 0);
        Flow::Accepted
    }
}

impl Sink for RecordSink<'_, '_> {
    const SELECTS: bool = true;

    fn start_document(&mut self, _prolog: &Prolog<'_>) -> Flow {
        Flow::Accepted
    }

    #[inline]
    fn interest(&mut self, name: &Name<'_>, context: u64) -> Interest {
        self.selection.plan.selector.interest(name, context)
    }

    #[inline(always)]
    fn start_element(&mut self, name: Name<'_>, attributes: &Attributes<'_>) -> Flow {
        if self.values.batch.is_full() {
            return Flow::Retry;
        }
        if self.is_text_unfinished() {
            return Flow::Retry;
        }
        self.open::<false>(&name, attributes)
    }

    fn tag(
        &mut self,
        name: Name<'_>,
        attributes: &Attributes<'_>,
        context: u64,
    ) -> Option<Interest> {
        if self.values.batch.is_full() {
            return None;
        }
        let Selection { plan, path, .. } = &mut *self.selection;
        let within = plan.selector.enter(&name, attributes, context);
        let Some(&hit) = plan.selector.hits().first() else {
            return Some(match within {
                0 => Interest::Nothing,
                _ => Interest::Within(within),
            });
        };
        *path = hit as usize;
        match self.start_element(name, attributes) {
            Flow::Accepted => Some(Interest::All),
            Flow::Retry => None,
        }
    }

    #[inline(always)]
    fn end_element(&mut self, _name: Name<'_>) -> Flow {
        match self.close() {
            None => return Flow::Retry,
            Some(None) => {}
            Some(Some(record)) => self.values.batch.push(record),
        }
        Flow::Accepted
    }

    #[inline(always)]
    fn characters(&mut self, text: &str) -> Flow {
        if self.values.batch.is_full() {
            return Flow::Retry;
        }
        let Selection {
            tree,
            size,
            text: pieces,
            ..
        } = &mut *self.selection;
        if text.len() >= FULL_PIECE || !pieces.is_empty() {
            return self.piece(text);
        }
        if let Err(refusal) = tree.reserve() {
            return self.wait(refusal);
        }
        if let Err(exceeded) = size.add(text.len(), 1) {
            return self.too_large(exceeded);
        }
        let terms = &self.values.terms;
        let child = self.values.interner.text(terms, text.as_bytes());
        tree.add(child, terms);
        self.values.batch.count(1, text.len());
        Flow::Accepted
    }

    fn skipped_entity(&mut self, name: &str) -> Flow {
        if self.values.batch.is_full() || self.is_text_unfinished() {
            return Flow::Retry;
        }
        let Selection { tree, size, .. } = &mut *self.selection;
        if let Err(refusal) = tree.reserve() {
            return self.wait(refusal);
        }
        if let Err(exceeded) = size.add(name.len(), 1) {
            return self.too_large(exceeded);
        }
        let terms = &self.values.terms;
        let name = terms.binary(name.as_bytes());
        let child = terms.tuple([terms::skipped_entity().as_c_arg(), name]);
        tree.add(child, terms);
        self.values.batch.count(1, 0);
        Flow::Accepted
    }

    fn recovered(&mut self, what: Recovered, written: &str, place: (u64, u64)) {
        let event = self.values.terms.recovered(what, written, place);
        self.values.batch.count(0, written.len());
        self.values.batch.push(event);
    }

    fn end_document(&mut self) -> Flow {
        Flow::Accepted
    }

    #[inline(always)]
    fn is_full(&self) -> bool {
        self.values.batch.is_full()
    }
}
