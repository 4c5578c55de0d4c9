//! How far the document type declaration was read.

use crate::xml::dtd::{DtdParser, Head, SubsetEnd};

/// The first bytes of a document type declaration.
pub(crate) const OPEN: &[u8] = b"<!DOCTYPE";

/// How far a document type declaration was read. Offsets count from its '<'.
#[derive(Debug)]
pub(crate) struct Declaration {
    pub part: Part,
    /// Up to where it was searched for the end of its head.
    pub searched: usize,
    /// The quote that the search is within.
    pub quote: Option<u8>,
    pub head: Option<Head>,
    /// Behind the '['.
    pub subset: usize,
    pub subset_end: SubsetEnd,
    /// Where the ']' is, or where the text ends that has none.
    pub close: usize,
    pub is_cut: bool,
    pub parser: Option<DtdParser>,
    /// A comment or instruction of the subset that is in `Core::aside` and is not emitted yet.
    pub unsent: Option<Aside>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Head,
    Subset,
    Event,
    Declarations,
    Tail,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Aside {
    Comment,
    Instruction,
}

impl Declaration {
    pub fn new() -> Declaration {
        Declaration {
            part: Part::Head,
            searched: OPEN.len(),
            quote: None,
            head: None,
            subset: 0,
            subset_end: SubsetEnd::default(),
            close: 0,
            is_cut: false,
            parser: None,
            unsent: None,
        }
    }

    /// A number that grows as the declaration is read.
    pub fn work(&self) -> u64 {
        let read = self.parser.as_ref().map_or(0, DtdParser::work);
        (self.part as u64) + self.subset_end.searched() as u64 + read
    }

    /// Where the head ends: at a '[' or '>' outside of quotes.
    pub fn find_head(&mut self, text: &[u8]) -> Option<usize> {
        for (index, &byte) in text.iter().enumerate().skip(self.searched) {
            match (self.quote, byte) {
                (None, b'[' | b'>') => {
                    self.searched = index;
                    return Some(index);
                }
                (None, b'"' | b'\'') => self.quote = Some(byte),
                (Some(quote), _) if quote == byte => self.quote = None,
                _ => {}
            }
        }
        self.searched = text.len();
        None
    }
}
