//! A streaming XML parser whose memory is bounded for every document.
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
//! quick-xml takes part in writing ([`mod@write`]). In reading it is a rival in the benchmarks, not a part: it cannot be fed without blocking nor stopped
//! inside a token, accepts most malformed documents, and even so this scanner, with every check on, took
//! between 0.22 and 0.42 of its CPU time on the five kinds of documents (`examples/scan_speed.rs`). It is
//! the oracle of `tests/xml/quick_xml.rs`: what is accepted here, it reads alike.

mod api;
pub mod dtd;
mod encoding;
mod fast;
mod input;
pub mod names;
mod parser;
mod scanner;
mod select;
mod simd;
mod syntax;
pub mod write;

pub use api::attributes::Attributes;
pub use api::error::{DocumentError, Error, ErrorKind, ExceededLimit};
pub use api::limits::{Limits, UNLIMITED};
pub use api::options::{DoctypePolicy, Emit, Options, Recover, Recovered, Roots, TextMode};
pub use api::sink::{Attribute, Doctype, Flow, Ignore, Interest, Name, Namespace, Prolog, Sink};
pub use encoding::{encodings, is_encoding};
pub use input::position::Position;
pub use names::table::NameId;
pub use parser::{Parser, Status};
pub use select::path::{AttributeTest, NamespaceTest, Predicate, Step};
pub use select::selector::{INSIDE, Selector, SelectorBuilder, StepId};
pub use simd::kernel_set;
pub use syntax::chars;

/// The most bytes of text in one piece.
pub const TEXT_PIECE: usize = 65_536;
