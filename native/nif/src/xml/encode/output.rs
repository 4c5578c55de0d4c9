//! Turns pieces of written XML into binaries.

use crate::xml::terms::{RawTerm, Terms};
use bounded_core::xml::write::PieceSink;
use rustler::Env;

/// The pieces of one call, last one first. Each is small enough to be an ordinary binary, which the VM counts, rather than a
/// charged one.
pub struct Output<'env> {
    terms: Terms<'env>,
    pieces: RawTerm,
}

impl<'env> Output<'env> {
    pub fn new(env: Env<'env>) -> Output<'env> {
        let terms = Terms::new(env);
        Output {
            pieces: terms.empty_list,
            terms,
        }
    }

    /// The pieces as a list, last one first.
    pub fn pieces(&self) -> RawTerm {
        self.pieces
    }
}

impl PieceSink for Output<'_> {
    #[inline(never)]
    fn piece(&mut self, bytes: &[u8]) {
        let piece = self.terms.binary(bytes);
        self.pieces = self.terms.cell(piece, self.pieces);
    }
}
