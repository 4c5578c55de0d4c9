//! A tree of elements as terms, built from its outermost start tag to its end tag, across calls.
//!
//! Terms of one call cannot be kept for the next. The elements that are open when a call ends travel through the
//! caller: a list of frames, the innermost element's first. A frame is taken off when something is added
//! to its element, so that no call depends on how deep or how large the tree is already.

use crate::xml::batch::Batch;
use crate::xml::terms::{RawTerm, Terms};
use bounded_core::arena::account::{Account, Refusal};
use bounded_core::arena::charged_vec::ChargedVec;
use std::sync::Arc;

/// An open element. Terms of this call.
#[derive(Clone, Copy)]
struct Frame {
    name: RawTerm,
    attributes: RawTerm,
    /// A list of the children of earlier calls, the last one first.
    earlier: RawTerm,
    /// Where its other children begin.
    first: usize,
}

pub struct Tree {
    /// Elements that were opened or added to in this call, from the outermost on.
    frames: ChargedVec<Frame>,
    /// Their children of this call.
    children: ChargedVec<RawTerm>,
    /// The frames of the other elements. A term of this call.
    outer: RawTerm,
    /// The last children of the innermost element, which closes: their list grows at its front.
    closing: Option<RawTerm>,
    /// How many elements are open.
    depth: usize,
    /// Something was built in this call.
    touched: bool,
    /// The caller returned other terms than it was given.
    broken: bool,
    /// Children that were put before others of their element.
    moved: u64,
}

/// The result of closing an element.
pub enum Closed {
    /// It goes on in another call.
    NotYet,
    /// It is a child now.
    Inner,
    /// It is the whole tree.
    Whole(RawTerm),
}

impl Tree {
    pub fn new(account: &Arc<Account>) -> Tree {
        Tree {
            frames: ChargedVec::new(account),
            children: ChargedVec::new(account),
            outer: RawTerm::default(),
            closing: None,
            depth: 0,
            touched: false,
            broken: false,
            moved: 0,
        }
    }

    /// A number that grows while an element closes.
    pub fn progress(&self) -> u64 {
        self.moved
    }

    /// Elements that are open.
    #[inline(always)]
    pub fn depth(&self) -> u64 {
        self.depth as u64
    }

    pub fn is_touched(&self) -> bool {
        self.touched
    }

    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Begins a call with what the one before ended with.
    pub fn resume(&mut self, terms: &Terms, built: RawTerm) {
        self.frames.clear();
        self.children.clear();
        self.touched = false;
        self.outer = built;
        if self.closing.is_some() {
            match terms.uncons(built) {
                Some((list, outer)) => (self.closing, self.outer) = (Some(list), outer),
                None => self.broken = true,
            }
        }
    }

    /// The terms that are built so far, for `resume`.
    pub fn suspend(&self, terms: &Terms) -> RawTerm {
        let mut outer = self.outer;
        let ends = self.frames.iter().skip(1).map(|frame| frame.first);
        let ends = ends.chain([self.children.len()]);
        for (frame, end) in self.frames.iter().zip(ends) {
            let children = self.children.get(frame.first..end).unwrap_or_default();
            let earlier = children
                .iter()
                .fold(frame.earlier, |list, &child| terms.cell(child, list));
            let frame = terms.tuple([frame.name, frame.attributes, earlier]);
            outer = terms.cell(frame, outer);
        }
        match self.closing {
            Some(list) => terms.cell(list, outer),
            None => outer,
        }
    }

    /// Makes room for what one event adds.
    #[inline(always)]
    pub fn reserve(&mut self) -> Result<(), Refusal> {
        // Its own frame, and that of the element around it.
        self.frames.reserve(2)?;
        self.children.reserve(1)
    }

    /// Opens an element in the innermost one. There is room.
    #[inline(always)]
    pub fn open(&mut self, name: RawTerm, attributes: RawTerm, terms: &Terms) {
        let frame = Frame {
            name,
            attributes,
            earlier: terms.empty_list,
            first: self.children.len(),
        };
        self.broken |= self.frames.push(frame).is_err();
        self.depth += 1;
        self.touched = true;
    }

    /// Adds a child to the innermost element. There is room.
    #[inline(always)]
    pub fn add(&mut self, child: RawTerm, terms: &Terms) {
        let added = self.has_frame(terms) && self.children.push(child).is_ok();
        self.broken |= !added;
        self.touched = true;
    }

    /// Closes the innermost element. There is room.
    #[inline(always)]
    pub fn close(&mut self, terms: &Terms, batch: &mut Batch) -> Closed {
        self.touched = true;
        if !self.has_frame(terms) {
            self.broken = true;
            return Closed::NotYet;
        }
        let Some(&frame) = self.frames.last() else {
            return Closed::NotYet;
        };
        let mut list = match self.closing {
            Some(list) => list,
            None => terms.list(self.children.get(frame.first..).unwrap_or_default()),
        };
        self.children.truncate(frame.first);
        if frame.earlier != terms.empty_list {
            match self.prepend(frame.earlier, list, terms, batch) {
                Some(whole) => list = whole,
                None => return Closed::NotYet,
            }
        }
        self.frames.pop();
        self.depth -= 1;
        let element = terms.tuple([frame.name, frame.attributes, list]);
        if self.depth == 0 {
            return Closed::Whole(element);
        }
        self.add(element, terms);
        Closed::Inner
    }

    /// Puts the children of earlier calls before `list`, the last one first: all, or as many as the call takes.
    #[cold]
    fn prepend(
        &mut self,
        earlier: RawTerm,
        list: RawTerm,
        terms: &Terms,
        batch: &mut Batch,
    ) -> Option<RawTerm> {
        let (mut earlier, mut list) = (earlier, list);
        while let Some((child, rest)) = terms.uncons(earlier) {
            if batch.is_full() {
                self.closing = Some(list);
                if let Some(frame) = self.frames.last_mut() {
                    frame.earlier = earlier;
                }
                return None;
            }
            batch.count(1, 0);
            self.moved += 1;
            list = terms.cell(child, list);
            earlier = rest;
        }
        self.closing = None;
        Some(list)
    }

    /// Moves the frame of the innermost element here, unless it is. Returns whether there is one.
    #[inline(always)]
    fn has_frame(&mut self, terms: &Terms) -> bool {
        !self.frames.is_empty() || self.take_frame(terms).is_some()
    }

    #[cold]
    fn take_frame(&mut self, terms: &Terms) -> Option<()> {
        let (frame, outer) = terms.uncons(self.outer)?;
        let [name, attributes, earlier] = terms.elements(frame)?;
        self.outer = outer;
        let frame = Frame {
            name,
            attributes,
            earlier,
            first: 0,
        };
        self.frames.push(frame).ok()
    }
}
