//! Where `xml:space` says that white space is text.

use crate::arena::account::{Account, Refusal};
use crate::arena::charged_vec::ChargedVec;
use crate::sync::Arc;

/// The number of open elements while the root element is open, at least.
const OUTSIDE: usize = 1;

/// An `xml:space` attribute in force.
#[derive(Clone, Copy, Debug)]
struct Declared {
    /// Elements open, the attribute's own included.
    depth: usize,
    preserve: bool,
}

/// The `xml:space` attributes of the elements that are open.
#[derive(Debug)]
pub(crate) struct PreservedSpace {
    declared: ChargedVec<Declared>,
    /// The value of the innermost one.
    pub preserve: bool,
    /// When fewer elements are open, the innermost one is no longer in force; 1 without one. So one comparison
    /// finds the end tags that close an element with such an attribute, or the root element.
    pub floor: usize,
}

impl PreservedSpace {
    pub fn new(account: &Arc<Account>) -> PreservedSpace {
        PreservedSpace {
            declared: ChargedVec::new(account),
            preserve: false,
            floor: OUTSIDE,
        }
    }

    /// Makes room for one more.
    pub fn reserve(&mut self) -> Result<(), Refusal> {
        self.declared.reserve(1)
    }

    /// The element that opened last, the `depth`th, has this value of `xml:space`. Others than the two that
    /// XML knows mean nothing.
    pub fn open(&mut self, value: &[u8], depth: usize) -> Result<(), Refusal> {
        let preserve = match value {
            b"preserve" => true,
            b"default" => false,
            _ => return Ok(()),
        };
        self.declared.push(Declared { depth, preserve })?;
        self.settle();
        Ok(())
    }

    /// An element closed, fewer than `floor` are open.
    #[cold]
    pub fn close(&mut self, depth: usize) {
        if self.declared.last().is_some_and(|it| it.depth > depth) {
            self.declared.pop();
            self.settle();
        }
    }

    fn settle(&mut self) {
        let innermost = self.declared.last();
        self.preserve = innermost.is_some_and(|it| it.preserve);
        self.floor = innermost.map_or(OUTSIDE, |it| it.depth);
    }
}
