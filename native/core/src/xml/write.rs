//! Writing XML that is well-formed, or saying where it would not be.
//!
//! ```text
//! tags, values, texts --> Writer: checks names, characters, nesting --> Pieces: at most 64 KiB each --> PieceSink
//!                            |            |             |                   |
//!                       OpenElements  Attributes    Namespaces          a charged buffer
//! ```
//!
//! Texts and values take one pass that copies, escapes and checks ([`crate::xml::simd::escape`]). quick-xml writes
//! declarations, comments, instructions and CDATA sections, whose rules are checked here: its `Writer` checks nothing.
//!
//! A step that is refused because the quota has no room has written nothing, and can be repeated. After a fault nothing can
//! be written.
#![forbid(unsafe_code)]

mod attributes;
mod checks;
mod doctype;
mod escaping;
mod fault;
mod indent;
mod markup;
mod name;
mod namespaces;
mod open_elements;
mod pieces;
mod run;
mod tags;
mod writer;

pub use doctype::WrittenDoctype;
pub use escaping::{PartError, PartFault, Unescaped, escape, unescape};
pub use fault::{Fault, FaultKind, WriteError};
pub use markup::LONGEST_VERSION;
pub use name::{CheckedName, WrittenName, check_name};
pub use pieces::{PIECE, PieceSink};
pub use run::RunKind;
pub use tags::ShortText;
pub use writer::{Empty, Quote, WriteOptions, Writer};

/// Attributes of one element: as many as the reader takes under raised limits.
pub const MAX_ATTRIBUTES: usize = 16_384;

/// Bytes of one name: as many as the reader takes.
pub const MAX_NAME_BYTES: usize = 262_144;
