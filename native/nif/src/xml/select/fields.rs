//! Selected elements as maps of their fields.
//!
//! Most values are made into terms as they are read (`direct`). The others are copied into buffers and noted in a journal
//! (`capture`). When the record ends, the journal is made into terms from its end to its beginning (`make`), so that no list has to be
//! turned round. Trees go through here too where options add to each of them (`plan/extras.rs`).

mod around;
mod capture;
mod direct;
mod make;
mod raw;
mod sink;

pub use sink::FieldSink;

use crate::xml::config::RecordLimits;
use crate::xml::large::Wait;
use crate::xml::select::journal::Journal;
use crate::xml::select::plan::Plan;
use crate::xml::select::record_size::RecordSize;
use crate::xml::string_cache::HitScore;
use crate::xml::terms::{RawTerm, Terms};
use bounded_core::arena::account::{Account, Refusal};
use bounded_core::arena::charged_vec::ChargedVec;
use bounded_core::arena::chunked_buf::ChunkedBuf;
use bounded_core::xml::{ExceededLimit, Position};
use std::sync::Arc;

/// Where a document begins.
const START: Position = Position {
    line: 1,
    column: 1,
    byte_offset: 0,
};

/// Which kind of element is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// None that is selected.
    Outside,
    Tree,
    Record,
}

/// What ends with an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The text that becomes a term at once.
    Leaf,
    /// A text, whose entry in the journal has this number.
    Text(usize),
    /// A source text, the same.
    Raw(usize),
    /// A record, or one in a record.
    Record,
    Inner(usize),
    /// An attribute that was kept, whose bytes begin here.
    Around(usize),
}

/// An attribute of an element that is open.
#[derive(Clone, Copy, Debug)]
struct Around {
    slot: usize,
    start: usize,
    end: usize,
}

/// Why a record cannot be made.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    Exceeded(ExceededLimit),
    /// It has not this field.
    Missing(usize),
}

/// The state of the records with fields between calls.
pub struct Fields {
    mode: Mode,
    /// The record that is open.
    record: usize,
    /// The number of open elements whose start tags the sink has received.
    depth: usize,
    /// Of an element whose content is received as a whole, and those in it, the contexts; those in which nothing is looked for,
    /// and all in them, are only counted.
    contexts: ChargedVec<u64>,
    blind: usize,
    /// What ends at which depth, the innermost last.
    ends: ChargedVec<(usize, End)>,
    open_texts: usize,
    leaf: direct::Leaf,
    raw: raw::Raw,
    /// The marks of what was found, or is open.
    marks: u64,
    /// By the number of a field, whether it was found.
    found: Box<[bool]>,
    journal: Journal,
    texts: ChunkedBuf,
    values: ChunkedBuf,
    /// Attributes of open elements around records.
    around: ChargedVec<Around>,
    around_values: ChunkedBuf,
    size: RecordSize,
    capture: capture::Progress,
    make: make::Progress,
    scores: Box<[HitScore]>,
    /// Where the last tag begins whose position was received, and the record.
    tag_position: Position,
    position: Position,
    /// Where the last tag or element ended, as far as that was received.
    end_offset: u64,
    fault: Option<Fault>,
}

impl Fields {
    pub fn new(plan: &Plan, limits: RecordLimits, account: &Arc<Account>) -> Fields {
        let count = plan.fields.len();
        Fields {
            mode: Mode::Outside,
            record: 0,
            depth: 0,
            contexts: ChargedVec::new(account),
            blind: 0,
            ends: ChargedVec::new(account),
            open_texts: 0,
            leaf: direct::Leaf::None,
            raw: raw::Raw::new(account),
            marks: 0,
            found: vec![false; count].into(),
            journal: Journal::new(account),
            texts: ChunkedBuf::new(account),
            values: ChunkedBuf::new(account),
            around: ChargedVec::new(account),
            around_values: ChunkedBuf::new(account),
            size: RecordSize::new(limits),
            capture: capture::Progress::default(),
            make: make::Progress::new(count),
            scores: vec![HitScore::NEW; count].into(),
            tag_position: START,
            position: START,
            end_offset: 0,
            fault: None,
        }
    }

    /// Bytes that it has allocated before anything is read.
    pub fn bytes(plan: &Plan) -> u64 {
        let each = size_of::<bool>() + size_of::<HitScore>() + size_of::<RawTerm>();
        (size_of::<Fields>() + plan.fields.len() * each) as u64
    }

    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Where the record begins that has the fault.
    pub fn position(&self) -> Position {
        self.position
    }

    /// A number that grows while a record is made.
    pub fn progress(&self) -> u64 {
        self.make.done() + self.capture.done() + self.raw.done()
    }

    /// Whether terms were made in this call that the next one needs.
    pub fn is_touched(&self) -> bool {
        self.make.is_touched()
    }

    pub fn is_broken(&self) -> bool {
        self.make.is_broken()
    }

    /// Whether a record is open, or being made.
    pub fn is_making(&self) -> bool {
        self.make.is_begun()
    }

    /// Begins a call with what the one before ended with.
    pub fn resume(&mut self, plan: &Plan, terms: &Terms, built: RawTerm) {
        for score in &mut self.scores {
            *score = score.another_call();
        }
        let all = plan
            .records
            .get(self.record)
            .map(|record| record.all.clone());
        self.make.resume(all.unwrap_or(0..0), terms, built);
    }

    /// The terms that are made so far, for `resume`.
    pub fn suspend(&self, plan: &Plan, terms: &Terms) -> RawTerm {
        let all = plan
            .records
            .get(self.record)
            .map(|record| record.all.clone());
        self.make.suspend(all.unwrap_or(0..0), terms)
    }

    /// Nothing is kept for what is in a tree.
    fn end_around(&mut self) {
        let depth = self.depth + 1;
        while let Some(&(at, End::Around(start))) = self.ends.last()
            && at == depth
        {
            self.around.pop();
            self.around_values.truncate(start);
            self.ends.pop();
        }
    }

    /// The record was made: the next one begins with nothing.
    fn clear(&mut self) {
        self.mode = Mode::Outside;
        self.marks = 0;
        self.journal.clear();
        self.texts.clear();
        self.values.clear();
        self.raw.text.clear();
        self.size.clear();
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Stop {
        Stop::Wait(Wait::Refused(refusal))
    }
}

/// Why an element cannot be entered yet, or not at all.
enum Stop {
    Wait(Wait),
    Fault(Fault),
}
