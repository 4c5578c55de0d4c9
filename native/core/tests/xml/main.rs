//! The parser from outside, as one program: the compiler makes a parser of its own for each sink, and would for each program.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod conformance;
mod cuts;
mod declared;
mod events;
mod interest;
mod progress;
mod quick_xml;
mod recover;
mod roots;
mod source;
mod support;
mod text;
mod whitespace;
