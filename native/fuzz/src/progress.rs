//! Documents with one long token: what the target `progress` reads. A fuzzer's bytes are a recipe, since a document as long as
//! the parser's window would be beyond its reach.

#[path = "../../core/tests/xml/progress/kinds.rs"]
mod kinds;

use crate::input::{Cuts, recover};
use bounded_core::xml::{Limits, Options};

/// Bytes of a recipe; what follows them repeats in place of the kind's own token.
const RECIPE: usize = 7;

/// The longest token is about two to the power of this.
const LONGEST: u32 = 18;

/// Chunks of a document, so that cutting it into bytes takes no longer than a fuzzer waits.
const CHUNKS: usize = 4_096;

/// A document, the limits that it is read under, and a way to cut it.
#[derive(Debug)]
pub struct Case {
    pub kind: &'static str,
    pub options: Options,
    pub cuts: Cuts,
    pub document: Vec<u8>,
}

impl Case {
    /// Reads a recipe; `None` when there is none.
    pub fn read(bytes: &[u8]) -> Option<Case> {
        let (recipe, unit) = bytes.split_first_chunk::<RECIPE>()?;
        let [kind, exponent, less, flags, longest, seed, more] = *recipe;
        let kind = &kinds::KINDS[usize::from(kind) % kinds::KINDS.len()];
        let len = (1usize << (u32::from(exponent) % (LONGEST + 1))) + usize::from(more) * 7;
        let len = len.saturating_sub(usize::from(less)).max(1);
        let document = match std::str::from_utf8(unit) {
            Ok(unit) if !unit.is_empty() => {
                let (_, before, _, behind) = *kind;
                let unit = unit.repeat(len.div_ceil(unit.len()));
                [before, &unit, behind].concat().into_bytes()
            }
            _ => kinds::document(kind, len),
        };
        let shortest = document.len() / CHUNKS + 1;
        Some(Case {
            kind: kind.0,
            options: Options {
                limits: if flags & 1 == 0 {
                    kinds::raised()
                } else {
                    Limits::default()
                },
                namespaces: flags & 2 != 0,
                positions: flags & 4 != 0,
                recover: recover(flags >> 3),
                ..Options::default()
            },
            cuts: Cuts::new(
                shortest + (1usize << (u32::from(longest) % 17)),
                seed.into(),
            ),
            document,
        })
    }
}
