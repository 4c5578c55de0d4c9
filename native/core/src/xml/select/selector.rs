//! Which elements the paths of a selection lead to: a nondeterministic finite automaton.
//!
//! The paths are a tree of steps: two that begin alike share their first steps. A step leads to up to two states, each with a
//! number: one where the next step is a child of its element, one where it may be at any depth. The states that are reached in an
//! element, one bit each, are the context, which decides about the elements in it.
//!
//! ```text
//! r/item, r/item/@id, r//note        states: {root: r} {r: item} {r: //note}
//! ```
//!
//! The remaining bits are marks. In a context that has a mark, the selector does not look for the elements that it stands for.

mod builder;

use crate::xml::api::attributes::Attributes;
use crate::xml::api::sink::{Interest, Name};
use crate::xml::names::table::NameId;
use crate::xml::select::path::Step;
pub use builder::{SelectorBuilder, StepId};
use std::ops::Range;

/// Set in every context inside an element whose end the sink must see, whatever else is selected.
pub const INSIDE: u64 = 1 << 63;

/// Returns which elements are selected.
#[derive(Debug)]
pub struct Selector {
    states: Box<[State]>,
    edges: Box<[Edge]>,
    hits: Box<[u32]>,
    /// The states before the root element, and those of all contexts.
    root: u64,
    mask: u64,
    /// By the number of a hit, its mark; 0 without one.
    marks: Box<[u64]>,
    /// What the last elements of some names were, by the low bits of the names' numbers, and which of them was entered last.
    recent: Box<[Entered; RECENT]>,
    entered: usize,
    /// The elements that are hit are wanted as a whole.
    whole: bool,
}

/// The steps that may follow another one: those of its children, or those at any depth.
#[derive(Debug)]
struct State {
    edges: Range<usize>,
    deep: bool,
    /// With all these marks it is done with.
    done: u64,
}

#[derive(Debug)]
struct Edge {
    step: Step,
    /// The number of the name that it was seen to accept, if that is the only one.
    id: Option<NameId>,
    /// The states that it leads to.
    to: u64,
    hits: Range<usize>,
    done: u64,
}

/// The result of entering an element.
#[derive(Debug, Default)]
struct Entered {
    /// The number of its name, 0 if its attributes matter or it has none, and the context around it.
    id: usize,
    around: u64,
    within: u64,
    hits: Vec<u32>,
}

/// The number of results that are kept, a power of two.
const RECENT: usize = 32;

/// Whether a context has all of some marks.
#[inline(always)]
fn has(context: u64, done: u64) -> bool {
    done != 0 && context & done == done
}

impl Selector {
    /// The interest in an element whose parent has this context, 0 around root elements.
    #[inline]
    pub fn interest(&mut self, name: &Name<'_>, context: u64) -> Interest {
        let (mut to, mut asks, mut all) = (0, false, false);
        let whole = self.whole;
        let stay = self.each_edge(name, context, |edge, _hits| {
            let needs_attributes = !edge.step.predicates.is_empty();
            all = whole && !needs_attributes && !edge.hits.is_empty();
            asks |= needs_attributes || !edge.hits.is_empty();
            to |= edge.to;
            !all
        });
        to |= stay;
        match to {
            _ if all => Interest::All,
            _ if asks => Interest::Tags(context),
            0 => Interest::Nothing,
            _ => Interest::Within(to | context & !self.mask),
        }
    }

    /// The context in an element of this tag, without the marks of the context around it. [`Selector::hits`] are its hits.
    #[inline]
    pub fn enter(&mut self, name: &Name<'_>, attributes: &Attributes<'_>, context: u64) -> u64 {
        // A whole word: copied as an option, the number would be loaded wider than it was just stored, which is a store-forwarding
        // stall.
        let id = name.id.map_or(0, NameId::index);
        self.entered = id % RECENT;
        let recent = &self.recent[self.entered];
        if id != 0 && recent.id == id && recent.around == context && name.namespace.is_none() {
            return recent.within;
        }
        self.look_up(name, attributes, context);
        self.recent[self.entered].within
    }

    #[inline(never)]
    fn look_up(&mut self, name: &Name<'_>, attributes: &Attributes<'_>, context: u64) {
        let mut hits = std::mem::take(&mut self.recent[self.entered].hits);
        hits.clear();
        let (mut to, mut depends) = (0, name.namespace.is_some());
        let stay = self.each_edge(name, context, |edge, all| {
            depends |= !edge.step.predicates.is_empty();
            if edge.step.accepts_attributes(attributes) {
                hits.extend_from_slice(&all[edge.hits.clone()]);
                to |= edge.to;
            }
            true
        });
        if hits.len() > 1 {
            hits.sort_unstable();
        }
        self.recent[self.entered] = Entered {
            id: name.id.filter(|_| !depends).map_or(0, NameId::index),
            around: context,
            within: to | stay,
            hits,
        };
    }

    /// Calls `visit` with each edge that an element of this name takes from the context, and with all hits, until it answers false.
    /// Returns the states at any depth, which are not left.
    #[inline(always)]
    fn each_edge(
        &mut self,
        name: &Name<'_>,
        context: u64,
        mut visit: impl FnMut(&Edge, &[u32]) -> bool,
    ) -> u64 {
        let mut stay = 0;
        let mut from = self.reached(context);
        while from != 0 {
            let state = &self.states[from.trailing_zeros() as usize];
            if state.deep && !has(context, state.done) {
                stay |= from & from.wrapping_neg();
            }
            from &= from - 1;
            for edge in &mut self.edges[state.edges.clone()] {
                if has(context, edge.done) || !accepts(edge, name) {
                    continue;
                }
                if !visit(edge, &self.hits) {
                    return stay;
                }
            }
        }
        stay
    }

    /// The hits of the element that was entered last, in the order of the paths.
    #[inline]
    pub fn hits(&self) -> &[u32] {
        &self.recent[self.entered].hits
    }

    /// The mark of a hit, 0 if it has none.
    #[inline]
    pub fn mark(&self, hit: u32) -> u64 {
        self.marks.get(hit as usize).copied().unwrap_or(0)
    }

    /// The bits of contexts that are marks.
    #[inline]
    pub fn mark_bits(&self) -> u64 {
        !self.mask & !INSIDE
    }

    /// Whether anything is looked for in this context.
    #[inline]
    pub fn looks(&self, context: u64) -> bool {
        self.reached(context) != 0
    }

    #[inline]
    fn reached(&self, context: u64) -> u64 {
        match context {
            // Around root elements.
            0 => self.root,
            _ => context & self.mask,
        }
    }
}

fn accepts(edge: &mut Edge, name: &Name<'_>) -> bool {
    if edge.id.is_some() && name.id.is_some() && name.namespace.is_none() {
        return edge.id == name.id;
    }
    let accepts = edge.step.accepts(name);
    let is_only = edge.step.local.is_some() && name.namespace.is_none();
    if accepts && is_only && name.local.len() == name.qualified.len() {
        edge.id = name.id;
    }
    accepts
}

#[cfg(all(test, not(loom)))]
mod tests;
