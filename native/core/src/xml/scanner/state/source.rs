//! The source text of elements, for sinks that take it, and where it lies in the original.
//!
//! Nothing is copied while an element is open: its text stays in the input, and is passed to the sink before the input goes, before
//! another element that the sink is told of, and before its end. Only of a start tag that is cut the front is kept, since it
//! is not known yet whether its element is wanted.
//!
//! ```text
//! <feed><entry id="1">...<content type="ht|ml">...</content>
//!                        kept, then  ^ from      ^ at
//! ```
//!
//! What comes out of an entity has no text of its own in the document: its source is the reference.

use crate::arena::account::{Account, Refusal};
use crate::arena::incremental_buf::IncrementalBuf;
use crate::sync::Arc;
use crate::xml::api::options::Options;
use crate::xml::api::sink::{Flow, Sink};
use crate::xml::input::line_counter::LineCounter;
use crate::xml::scanner::interrupt::Interrupt;

/// The most bytes that are passed at once.
const PIECE: usize = 65_536;

/// The credit that an event costs, the work of the sink included.
pub(crate) const EVENT_COST: usize = 100;

/// This number of bytes that the sink copies cost a unit of credit.
const BYTES_PER_CREDIT: usize = 8;

#[derive(Debug)]
pub(crate) struct Source {
    /// The sink may take source text.
    raw: bool,
    /// The sink wants to know where tags and elements end.
    ends: bool,
    /// The sink takes the text now.
    taken: bool,
    /// Index in the input of what was not passed yet.
    from: usize,
    /// The front of a start tag that was cut, and how much of it was passed.
    kept: IncrementalBuf,
    passed: usize,
    /// That tag was accepted: what is left of it comes before what is at `from`.
    ready: bool,
    /// The reference whose replacement text is scanned, as it is written, and the offset behind it.
    reference: IncrementalBuf,
    reference_end: u64,
}

/// A start tag: where it lies in the text being scanned.
pub(crate) struct TagPlace<'a> {
    pub text: &'a [u8],
    pub start: usize,
    pub end: usize,
    pub level: usize,
    pub line_counter: &'a LineCounter,
}

impl Source {
    pub fn new(options: &Options, most: usize, account: &Arc<Account>) -> Source {
        Source {
            raw: options.raw,
            ends: options.end_offsets,
            taken: false,
            from: 0,
            kept: IncrementalBuf::new(account, most),
            passed: 0,
            ready: false,
            reference: IncrementalBuf::new(account, most),
            reference_end: 0,
        }
    }

    /// Whether the sink is told anything of this.
    #[inline(always)]
    pub fn is_watched(&self) -> bool {
        self.raw || self.ends
    }

    /// Whether the sink is told where elements end.
    pub fn tells_ends(&self) -> bool {
        self.ends
    }

    pub fn reference_end(&self) -> u64 {
        self.reference_end
    }

    /// The start tag from `start` on was scanned up to `at`, and its text is about to go. Refused, nothing has changed.
    pub fn keep(&mut self, tag: &[u8]) -> Result<(), Refusal> {
        match self.raw {
            true => self.kept.extend_from_slice(tag),
            false => Ok(()),
        }
    }

    /// The first bytes of the input went.
    pub fn discard(&mut self, bytes: usize) {
        self.from = self.from.saturating_sub(bytes);
    }

    /// A reference to an entity whose replacement text comes next.
    pub fn enter(&mut self, reference: &[u8], end: u64) -> Result<(), Refusal> {
        self.reference_end = end;
        if self.raw {
            self.reference.clear();
            self.reference.extend_from_slice(reference)?;
        }
        Ok(())
    }

    /// Passes the text before `end`, if the sink takes it. After an interrupt this can be called again.
    pub fn pass<S: Sink>(
        &mut self,
        text: &[u8],
        end: usize,
        credit: &mut usize,
        sink: &mut S,
    ) -> Result<(), Interrupt> {
        if !self.taken {
            return Ok(());
        }
        if self.ready {
            while self.passed < self.kept.len() {
                self.passed += give(&self.kept[self.passed..], credit, sink)?;
            }
            self.forget_tag();
        }
        while self.from < end {
            let Some(rest) = text.get(self.from..end) else {
                break;
            };
            self.from += give(rest, credit, sink)?;
        }
        Ok(())
    }

    fn forget_tag(&mut self) {
        self.kept.clear();
        self.passed = 0;
        self.ready = false;
    }

    /// A start tag is about to be passed to the sink.
    #[inline(never)]
    pub fn before_tag<S: Sink>(
        &mut self,
        tag: TagPlace<'_>,
        credit: &mut usize,
        sink: &mut S,
    ) -> Result<(), Interrupt> {
        let reference = match tag.level {
            0 => {
                self.pass(tag.text, tag.start, credit, sink)?;
                None
            }
            _ => {
                let cost = self.reference.len() / BYTES_PER_CREDIT;
                *credit = credit.saturating_sub(cost);
                Some(&self.reference[..])
            }
        };
        if self.raw && sink.reference(reference) == Flow::Retry {
            return Err(Interrupt::Full);
        }
        if self.ends {
            sink.end_offset(match tag.level {
                0 => tag.line_counter.offset(tag.text, tag.end),
                _ => self.reference_end,
            });
        }
        Ok(())
    }

    /// A start tag that begins at `start` was read, whether or not it was passed.
    #[inline(never)]
    pub fn after_tag<S: Sink>(&mut self, start: usize, level: usize, sink: &S) {
        let before = self.taken;
        self.taken = self.raw && sink.takes_raw();
        if level > 0 {
            return;
        }
        let is_cut = !self.ready && !self.kept.is_empty();
        if !self.taken {
            self.forget_tag();
        } else if is_cut || !before {
            self.from = start;
            self.ready = is_cut;
        }
    }

    /// An element's end was passed to the sink.
    #[inline(never)]
    pub fn after_end<S: Sink>(&mut self, sink: &S) {
        self.taken = self.raw && sink.takes_raw();
        if !self.taken {
            self.forget_tag();
        }
    }
}

/// Passes some of `rest`; returns how much.
fn give<S: Sink>(rest: &[u8], credit: &mut usize, sink: &mut S) -> Result<usize, Interrupt> {
    if *credit == 0 {
        return Err(Interrupt::Full);
    }
    let piece = &rest[..rest.len().min(PIECE)];
    *credit = credit.saturating_sub(EVENT_COST + piece.len() / BYTES_PER_CREDIT);
    match sink.raw(piece) {
        Flow::Accepted => Ok(piece.len()),
        Flow::Retry => Err(Interrupt::Full),
    }
}
