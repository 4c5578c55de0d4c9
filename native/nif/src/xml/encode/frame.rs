//! The remaining work of a list, a tag or a long text.

use crate::xml::terms::{RawTerm, Terms};
use rustler::Term;

/// A string that is written in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Long {
    Text,
    /// A value, a comment, a section or an instruction: it is ended behind the last part.
    Run,
}

/// Trees, texts and events.
#[derive(Clone, Copy, Debug)]
pub struct Items {
    pub rest: RawTerm,
    /// Elements that are open around them, which they cannot end.
    pub floor: usize,
    /// They are the children of a tree, which ends behind them.
    pub closes: bool,
}

#[derive(Clone, Copy, Debug)]
pub enum Frame {
    Items(Items),
    /// A tag whose declarations are looked for before its name is written.
    Declarations {
        rest: RawTerm,
        name: RawTerm,
        attributes: RawTerm,
        /// A tree's. An event has none.
        children: Option<RawTerm>,
        expanded: bool,
    },
    Attributes {
        rest: RawTerm,
        children: Option<RawTerm>,
    },
    /// The children of a tree, searched for text before they are indented.
    Search {
        rest: RawTerm,
        children: RawTerm,
    },
    Part {
        binary: RawTerm,
        offset: usize,
        long: Long,
    },
}

const ITEMS: u8 = 0;
const DECLARATIONS: u8 = 1;
const ATTRIBUTES: u8 = 2;
const SEARCH: u8 = 3;
const PART: u8 = 4;

/// As a term: a kind, three terms, a number and a truth value.
type Fields<'a> = (u8, Term<'a>, Term<'a>, Term<'a>, usize, bool);

impl Frame {
    pub fn to_term(self, terms: &Terms) -> RawTerm {
        let nil = terms.encode(());
        let (kind, a, b, c, number, flag) = match self {
            Frame::Items(items) => (ITEMS, items.rest, nil, nil, items.floor, items.closes),
            Frame::Declarations {
                rest,
                name,
                attributes,
                children,
                expanded,
            } => {
                let both = terms.tuple([name, attributes]);
                (
                    DECLARATIONS,
                    rest,
                    children.unwrap_or(nil),
                    both,
                    0,
                    expanded,
                )
            }
            Frame::Attributes { rest, children } => {
                (ATTRIBUTES, rest, children.unwrap_or(nil), nil, 0, false)
            }
            Frame::Search { rest, children } => (SEARCH, rest, children, nil, 0, false),
            Frame::Part {
                binary,
                offset,
                long,
            } => (PART, binary, nil, nil, offset, long == Long::Run),
        };
        terms.encode((
            kind,
            terms.wrap(a),
            terms.wrap(b),
            terms.wrap(c),
            number,
            flag,
        ))
    }

    pub fn from_term(terms: &Terms, term: RawTerm) -> Option<Frame> {
        let (kind, a, b, c, number, flag): Fields<'_> = terms.wrap(term).decode().ok()?;
        let (a, b, c) = (a.as_c_arg(), b.as_c_arg(), c.as_c_arg());
        // An empty tuple is no list of children.
        let children = match terms.elements::<0>(b) {
            Some(_) => None,
            None => Some(b),
        };
        Some(match kind {
            ITEMS => Frame::Items(Items {
                rest: a,
                floor: number,
                closes: flag,
            }),
            DECLARATIONS => {
                let [name, attributes] = terms.elements::<2>(c)?;
                Frame::Declarations {
                    rest: a,
                    name,
                    attributes,
                    children,
                    expanded: flag,
                }
            }
            ATTRIBUTES => Frame::Attributes { rest: a, children },
            SEARCH => Frame::Search {
                rest: a,
                children: b,
            },
            PART => Frame::Part {
                binary: a,
                offset: number,
                long: if flag { Long::Run } else { Long::Text },
            },
            _ => return None,
        })
    }
}
