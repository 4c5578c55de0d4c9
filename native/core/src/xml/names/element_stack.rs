//! The elements that are open: those whose names have no number have them on one byte stack.

use crate::arena::account::{Account, Refusal};
use crate::arena::charged_vec::ChargedVec;
use crate::sync::Arc;
use crate::xml::api::sink::Name;
use crate::xml::names::namespaces::Namespaces;
use crate::xml::names::table::{KnownNames, NameId};
use crate::xml::syntax::utf8;

/// An open element.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Open {
    /// The number of its name, if it has one.
    pub id: Option<NameId>,
    /// Bytes of its prefix and the colon.
    pub prefix: u32,
    /// Index of its namespace.
    pub namespace: u32,
    /// Namespace declarations in scope around it.
    pub outside: u32,
    /// And within it.
    pub inside: u32,
    /// Where its name starts on the byte stack, if it has no number.
    pub start: u32,
}

impl Open {
    /// An element as it is without namespaces.
    #[inline(always)]
    pub fn new(id: Option<NameId>) -> Open {
        Open {
            id,
            prefix: 0,
            namespace: Namespaces::NONE,
            outside: 0,
            inside: 0,
            start: 0,
        }
    }
}

#[derive(Debug)]
pub(crate) struct OpenElements {
    names: ChargedVec<u8>,
    stack: ChargedVec<Open>,
}

impl OpenElements {
    pub fn new(account: &Arc<Account>) -> OpenElements {
        OpenElements {
            names: ChargedVec::new(account),
            stack: ChargedVec::new(account),
        }
    }

    #[inline]
    pub fn depth(&self) -> usize {
        self.stack.len()
    }

    /// The number of the innermost open element's name.
    #[inline]
    pub fn innermost_id(&self) -> Option<NameId> {
        self.stack.last()?.id
    }

    /// Opens an element whose name has a number, and which declares no namespaces.
    #[inline(always)]
    pub fn push_known(&mut self, id: NameId) -> Result<(), Refusal> {
        self.push(b"", Open::new(Some(id)))
    }

    /// Closes all elements but so many, if they are such.
    #[inline(always)]
    pub fn close_known(&mut self, depth: usize) {
        self.stack.truncate(depth);
    }

    /// The name of the innermost open element.
    #[inline(always)]
    pub fn innermost<'a>(&'a self, known: &'a KnownNames) -> Option<&'a [u8]> {
        let open = self.stack.last()?;
        Some(match open.id {
            Some(id) => known.bytes(id),
            None => &self.names[open.start as usize..],
        })
    }

    /// The name of the innermost open element, as a sink wants it.
    #[inline(always)]
    pub fn innermost_name<'a>(
        &'a self,
        known: &'a KnownNames,
        namespaces: &'a Namespaces,
    ) -> Option<Name<'a>> {
        let open = self.stack.last()?;
        let qualified = utf8::text(self.innermost(known)?);
        Some(Name {
            qualified,
            local: &qualified[open.prefix as usize..],
            id: open.id,
            namespace: namespaces.get(open.namespace),
        })
    }

    /// Namespace declarations in scope.
    #[inline]
    pub fn namespaces(&self) -> usize {
        self.stack.last().map_or(0, |open| open.inside as usize)
    }

    /// Opens an element of this name.
    #[inline(always)]
    pub fn push(&mut self, name: &[u8], mut open: Open) -> Result<(), Refusal> {
        open.start = self.names.len() as u32;
        if open.id.is_none() {
            self.stack.reserve(1)?;
            self.names.extend_from_slice(name)?;
        }
        self.stack.push(open)
    }

    /// Closes the innermost element; returns how many namespace declarations are in scope around it.
    #[inline(always)]
    pub fn pop(&mut self) -> usize {
        match self.stack.pop() {
            Some(open) => {
                self.names.truncate(open.start as usize);
                open.outside as usize
            }
            None => 0,
        }
    }
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::xml::names::table::Role;

    #[test]
    fn closes_in_the_reverse_order() {
        let root = Account::root();
        let mut known = KnownNames::new(&root);
        let mut open = OpenElements::new(&root);
        for name in ["a", "bcd", "e:f"] {
            let id = known.learn(name.as_bytes(), Role::Element);
            let id = id.filter(|_| name != "bcd");
            open.push(name.as_bytes(), Open::new(id)).unwrap();
        }
        assert_eq!(open.depth(), 3);
        for name in ["e:f", "bcd", "a"] {
            assert_eq!(open.innermost(&known), Some(name.as_bytes()));
            assert_eq!(open.innermost_id().is_none(), name == "bcd");
            open.pop();
        }
        assert_eq!(open.innermost(&known), None);
    }
}
