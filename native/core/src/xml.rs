//! A streaming XML parser that holds little, whatever the document.
//!
//! Sans-IO: bytes go in with [`Parser::feed`] in pieces of any size, events come out of [`Parser::run`]
//! into a [`Sink`]. The same document gives the same events, and the same error at the same place,
//! however it is cut.
//!
//! ```text
//! feed(bytes) --> input (validated UTF-8) --> run: scanner --> Sink
//!                                                   |
//!                                             Status / Error
//! ```
//!
//! quick-xml is a rival in the benchmarks, not a part: it cannot be fed without blocking nor stopped
//! inside a token, accepts most malformed documents, and even so this scanner, with every check on, took
//! between 0.22 and 0.42 of its CPU time on the five kinds of documents (`examples/scan_speed.rs`). It is
//! the oracle of `tests/quick_xml.rs`: what is accepted here, it reads alike.

mod attention;
mod attributes;
mod blocks;
pub mod chars;
mod class;
mod core;
mod doctype;
pub mod dtd;
mod duplicates;
mod encoding;
mod end_tag;
mod entities;
mod error;
pub mod expansion;
mod halt;
mod input;
mod known;
mod limits;
mod marks;
mod markup;
pub mod names;
mod namespaces;
mod open;
mod options;
mod parser;
mod path;
mod places;
mod plain;
mod position;
mod prolog;
mod qualify;
mod reference;
mod run;
mod scanner;
mod sink;
mod skim;
mod start_element;
mod survey;
mod tag;
mod text;
mod utf8;
mod value;

pub use attributes::Attributes;
pub use encoding::is_encoding;
pub use error::{DocumentError, Error, ErrorKind, ExceededLimit};
pub use known::NameId;
pub use limits::{Limits, UNLIMITED};
pub use options::{DoctypePolicy, Emit, Options, Roots, TextMode};
pub use parser::{Parser, Status};
pub use path::{NamespaceTest, Selector, Step};
pub use position::Position;
pub use sink::{Attribute, Doctype, Flow, Interest, Name, Namespace, Prolog, Sink};

/// The most bytes of text in one piece.
pub const TEXT_PIECE: usize = 65_536;
