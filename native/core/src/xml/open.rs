//! The elements that are open: their names on one byte stack.

use super::namespaces::Namespaces;
use super::sink::Name;
use super::utf8;
use crate::charged::ChargedVec;
use crate::quota::{Account, Refusal};
use crate::sync::Arc;

/// An open element.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Open {
    /// Where its name starts on the byte stack.
    start: u32,
    /// Bytes of its prefix and the colon.
    pub prefix: u32,
    /// Index of its namespace.
    pub namespace: u32,
    /// Namespace declarations in scope around it.
    outside: u32,
    /// And within it.
    inside: u32,
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

    /// The name of the innermost open element.
    #[inline]
    pub fn innermost(&self) -> Option<&[u8]> {
        let open = self.stack.last()?;
        Some(&self.names[open.start as usize..])
    }

    /// The name of the innermost open element, as a sink wants it.
    #[inline]
    pub fn innermost_name<'a>(&'a self, namespaces: &'a Namespaces) -> Option<Name<'a>> {
        let open = self.stack.last()?;
        let qualified = utf8::text(&self.names[open.start as usize..]);
        Some(Name {
            qualified,
            local: &qualified[open.prefix as usize..],
            namespace: namespaces.get(open.namespace),
        })
    }

    /// Namespace declarations in scope.
    #[inline]
    pub fn namespaces(&self) -> usize {
        self.stack.last().map_or(0, |open| open.inside as usize)
    }

    /// Opens an element.
    #[inline]
    pub fn push(
        &mut self,
        name: &[u8],
        prefix: u32,
        namespace: u32,
        outside: u32,
        inside: u32,
    ) -> Result<(), Refusal> {
        self.stack.reserve(1)?;
        let start = self.names.len() as u32;
        self.names.extend_from_slice(name)?;
        self.stack.push(Open {
            start,
            prefix,
            namespace,
            outside,
            inside,
        })
    }

    /// Closes the innermost element; returns how many namespace declarations are in scope around it.
    #[inline]
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

    #[test]
    fn closes_in_the_reverse_order() {
        let mut open = OpenElements::new(&Account::root());
        for name in ["a", "bcd", "e:f"] {
            open.push(name.as_bytes(), 0, Namespaces::NONE, 0, 0)
                .unwrap();
        }
        assert_eq!(open.depth(), 3);
        assert_eq!(open.innermost(), Some(&b"e:f"[..]));
        open.pop();
        assert_eq!(open.innermost(), Some(&b"bcd"[..]));
        open.pop();
        open.pop();
        assert_eq!(open.innermost(), None);
    }
}
