//! The stack of open elements. Names without a number are on a byte stack of their own.
#![allow(unsafe_code)]

use crate::arena::account::{Account, Refusal};
use crate::arena::chunked_stack::ChunkedStack;
use crate::arena::incremental_buf::IncrementalBuf;
use crate::sync::Arc;
use crate::xml::api::sink::Name;
use crate::xml::names::namespaces::Namespaces;
use crate::xml::names::table::{NameId, NameTable};
use crate::xml::syntax::utf8;

/// An open element.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenElement {
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

impl OpenElement {
    /// An element as it is without namespaces.
    #[inline(always)]
    pub fn new(id: Option<NameId>) -> OpenElement {
        OpenElement {
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
pub(crate) struct ElementStack {
    /// Long names in many elements are hundreds of megabytes: too much to move at once, as are elements by the ten thousand.
    names: IncrementalBuf,
    stack: ChunkedStack<OpenElement>,
}

impl ElementStack {
    pub fn new(account: &Arc<Account>) -> ElementStack {
        ElementStack {
            names: IncrementalBuf::new(account, usize::MAX),
            stack: ChunkedStack::new(account),
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
        self.push(b"", OpenElement::new(Some(id)))
    }

    /// Closes the innermost element, whose name has a number.
    #[inline(always)]
    pub fn pop_known(&mut self) {
        self.stack.pop();
    }

    /// The name of the innermost open element.
    #[inline(always)]
    pub fn innermost<'a>(&'a self, name_table: &'a NameTable) -> Option<&'a [u8]> {
        let open = self.stack.last()?;
        Some(match open.id {
            Some(id) => name_table.bytes(id),
            None => &self.names[open.start as usize..],
        })
    }

    /// The name of the innermost open element, as a sink wants it.
    #[inline(always)]
    pub fn innermost_name<'a>(
        &'a self,
        name_table: &'a NameTable,
        namespaces: &'a Namespaces,
    ) -> Option<Name<'a>> {
        let open = self.stack.last()?;
        // SAFETY: names are parts of validated text, cut beside ASCII characters.
        let qualified = unsafe { utf8::text(self.innermost(name_table)?) };
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
    pub fn push(&mut self, name: &[u8], mut open: OpenElement) -> Result<(), Refusal> {
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
                if open.id.is_none() {
                    self.names.truncate(open.start as usize);
                }
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
        let mut names = NameTable::new(&root);
        let mut stack = ElementStack::new(&root);
        for name in ["a", "bcd", "e:f"] {
            let id = names.learn(name.as_bytes(), Role::Element);
            let id = id.filter(|_| name != "bcd");
            stack.push(name.as_bytes(), OpenElement::new(id)).unwrap();
        }
        assert_eq!(stack.depth(), 3);
        for name in ["e:f", "bcd", "a"] {
            assert_eq!(stack.innermost(&names), Some(name.as_bytes()));
            assert_eq!(stack.innermost_id().is_none(), name == "bcd");
            stack.pop();
        }
        assert_eq!(stack.innermost(&names), None);
    }
}
