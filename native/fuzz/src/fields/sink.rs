//! The sink: collects the fields that the selector finds in the tags of one pass over the document.

use crate::events::{self, Calls, MEMORY};
use crate::fields::{Asked, Field, Found, Read};
use crate::input::Case;
use bounded_core::arena::account::Account;
use bounded_core::xml::{
    Attributes, Flow, INSIDE, Interest, Name, Parser, Prolog, Selector, SelectorBuilder, Sink,
    Step, StepId,
};

/// The number of the record's hit: those of the fields follow it.
const RECORD: u32 = 0;

/// The records that one pass over the document finds.
pub fn records(asked: &Asked, case: &Case<'_>) -> Read {
    let account = Account::child(&Account::root(), MEMORY);
    let mut parser = Parser::new(case.options.clone(), &account);
    let mut sink = FieldSink::new(asked, case.reluctant);
    let error = events::drive(&mut parser, &mut sink, case.cuts.chunks(case.document));
    drop(parser);
    assert_eq!(account.reserved(), 0, "native bytes left behind");
    (sink.records, error)
}

/// What ends with an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Record,
    /// The text that was found as this.
    Text(usize),
    Inner,
}

struct FieldSink<'a> {
    asked: &'a Asked,
    selector: Selector,
    /// The states in a record.
    below: u64,
    in_record: bool,
    /// Elements open whose tags were told, but for those that are wanted within only.
    depth: usize,
    /// In an element that is wanted as a whole, the context of each.
    contexts: Vec<u64>,
    ends: Vec<(usize, End)>,
    marks: u64,
    is_there: Vec<bool>,
    found: Vec<Found>,
    records: Vec<Vec<Found>>,
    reluctant: bool,
    refused: Option<String>,
    full: bool,
    told: usize,
}

fn follow(builder: &mut SelectorBuilder, from: StepId, steps: &[Step], own: bool) -> StepId {
    let Some((last, before)) = steps.split_last() else {
        return from;
    };
    let mut at = from;
    for step in before {
        at = builder.step(at, step.clone(), false);
    }
    builder.step(at, last.clone(), own)
}

impl<'a> FieldSink<'a> {
    fn new(asked: &'a Asked, reluctant: bool) -> FieldSink<'a> {
        let mut builder = SelectorBuilder::new();
        let root = builder.root();
        let record = follow(&mut builder, root, &asked.record, true);
        builder.hit(record, RECORD, false);
        let hit = |builder: &mut SelectorBuilder, from, index: usize, field: &Field| {
            let at = follow(builder, from, &field.steps, false);
            builder.hit(at, index as u32 + 1, !field.many);
        };
        for (index, field) in asked.own().iter().enumerate() {
            hit(&mut builder, record, index, field);
        }
        if asked.has_inner {
            let index = Asked::INNER;
            let inner = follow(&mut builder, record, &asked.fields[index].steps, true);
            builder.guard(inner, index as u32 + 1);
            builder.hit(inner, index as u32 + 1, false);
            hit(&mut builder, inner, index + 1, &asked.fields[index + 1]);
        }
        let below = builder.below(record);
        FieldSink {
            asked,
            selector: builder.build(false).expect("a path has steps, and few"),
            below,
            in_record: false,
            depth: 0,
            contexts: Vec::new(),
            ends: Vec::new(),
            marks: 0,
            is_there: vec![false; asked.fields.len()],
            found: Vec::new(),
            records: Vec::new(),
            reluctant,
            refused: None,
            full: false,
            told: 0,
        }
    }

    /// Whether an event is taken: a reluctant sink takes it the second time.
    fn takes(&mut self, event: impl FnOnce() -> String) -> bool {
        self.told += 1;
        if self.reluctant {
            let event = event();
            match self.refused.take() {
                None => {
                    self.refused = Some(event);
                    return false;
                }
                Some(before) => assert_eq!(before, event, "told again, and differently"),
            }
        }
        true
    }

    /// Takes the hits of a tag that opens at `depth`. Returns the context in its element.
    fn enter(&mut self, name: &Name<'_>, attributes: &Attributes<'_>, context: u64) -> u64 {
        let within = self.selector.enter(name, attributes, context);
        let hits = self.selector.hits().to_vec();
        for hit in hits {
            self.take(hit, attributes);
        }
        within
    }

    fn take(&mut self, hit: u32, attributes: &Attributes<'_>) {
        let depth = self.depth + 1;
        if hit == RECORD {
            if !self.in_record {
                self.in_record = true;
                self.is_there.fill(false);
                self.ends.push((depth, End::Record));
            }
            return;
        }
        if !self.in_record {
            return;
        }
        let index = hit as usize - 1;
        let field = &self.asked.fields[index];
        if self.asked.has_inner && index == Asked::INNER {
            self.found.push(Found::Begin);
            self.is_there[index + 1] = false;
            self.marks |= self.selector.mark(hit);
            self.ends.push((depth, End::Inner));
            return;
        }
        if self.is_there[index] && !field.many {
            return;
        }
        let value = match &field.attribute {
            Some(test) => match test.find(attributes) {
                Some(value) => value.to_owned(),
                None => return,
            },
            None => {
                self.ends.push((depth, End::Text(self.found.len())));
                String::new()
            }
        };
        self.found.push(Found::Value(index, value));
        self.is_there[index] = true;
        if !field.many {
            self.marks |= self.selector.mark(hit);
        }
    }

    fn end(&mut self) {
        while let Some(&(depth, end)) = self.ends.last()
            && depth == self.depth
        {
            self.ends.pop();
            match end {
                End::Text(_) => {}
                End::Inner => {
                    self.found.push(Found::End);
                    let inner = Asked::INNER as u32 + 1;
                    self.marks &= !(self.selector.mark(inner) | self.selector.mark(inner + 1));
                }
                End::Record => {
                    self.in_record = false;
                    self.marks = 0;
                    self.records.push(std::mem::take(&mut self.found));
                }
            }
        }
    }

    fn add(&mut self, text: &str) {
        for (_, end) in &self.ends {
            if let End::Text(entry) = end
                && let Some(Found::Value(_, value)) = self.found.get_mut(*entry)
            {
                value.push_str(text);
            }
        }
    }
}

impl Calls for FieldSink<'_> {
    fn told(&self) -> usize {
        self.told
    }

    fn begin_call(&mut self) {
        self.full = false;
    }
}

impl Sink for FieldSink<'_> {
    const SELECTS: bool = true;
    const MARKS: bool = true;
    const LEAVES: bool = true;

    fn interest(&mut self, name: &Name<'_>, context: u64) -> Interest {
        self.selector.interest(name, context)
    }

    fn tag(
        &mut self,
        name: Name<'_>,
        attributes: &Attributes<'_>,
        context: u64,
    ) -> Option<Interest> {
        if !self.takes(|| format!("tag {name:?} {context}")) {
            return None;
        }
        assert!(self.contexts.is_empty(), "asked where all is wanted");
        let within = self.enter(&name, attributes, context);
        self.full = self.reluctant;
        let depth = self.depth + 1;
        let (states, inside) = match self.in_record {
            true => (within & self.below, INSIDE),
            false => (within, 0),
        };
        let context = states | self.marks | inside;
        let mut ends = self.ends.iter().filter(|(at, _)| *at == depth).peekable();
        let is_told = ends.peek().is_some();
        if ends.any(|(_, end)| matches!(end, End::Text(_))) {
            self.depth = depth;
            self.contexts.push(context);
            return Some(Interest::All);
        }
        Some(match states {
            _ if is_told => {
                self.depth = depth;
                Interest::Tags(context | INSIDE)
            }
            0 => Interest::Nothing,
            _ => Interest::Within(context),
        })
    }

    fn leaf(
        &mut self,
        name: Name<'_>,
        attributes: &Attributes<'_>,
        context: u64,
        text: &str,
    ) -> bool {
        if self.reluctant {
            return false;
        }
        let interest = self.tag(name, attributes, context);
        if interest == Some(Interest::All) && !text.is_empty() {
            assert_eq!(self.characters(text), Flow::Accepted);
        }
        if matches!(interest, Some(Interest::All | Interest::Tags(_))) {
            assert_eq!(self.end_element(name), Flow::Accepted);
        }
        true
    }

    fn marks(&self) -> (u64, u64) {
        (self.selector.mark_bits(), self.marks)
    }

    fn start_document(&mut self, _prolog: &Prolog<'_>) -> Flow {
        Flow::Accepted
    }

    /// In an element that is wanted as a whole.
    fn start_element(&mut self, name: Name<'_>, attributes: &Attributes<'_>) -> Flow {
        if !self.takes(|| format!("start {name:?}")) {
            return Flow::Retry;
        }
        let around = *self.contexts.last().expect("a tag was told before");
        let context = around & !self.selector.mark_bits() | self.marks;
        let within = match self.selector.looks(context) {
            true => self.enter(&name, attributes, context),
            false => 0,
        };
        self.contexts.push(within & self.below | INSIDE);
        self.depth += 1;
        self.full = self.reluctant;
        Flow::Accepted
    }

    fn end_element(&mut self, name: Name<'_>) -> Flow {
        if !self.takes(|| format!("end {name:?}")) {
            return Flow::Retry;
        }
        self.end();
        self.contexts.pop();
        self.depth = self.depth.checked_sub(1).expect("it was opened");
        self.full = self.reluctant;
        Flow::Accepted
    }

    fn characters(&mut self, text: &str) -> Flow {
        if !self.takes(|| format!("text {text}")) {
            return Flow::Retry;
        }
        self.add(text);
        self.full = self.reluctant;
        Flow::Accepted
    }

    fn cdata(&mut self, text: &str) -> Flow {
        self.characters(text)
    }

    fn end_document(&mut self) -> Flow {
        Flow::Accepted
    }

    fn is_full(&self) -> bool {
        self.full
    }
}
