//! The walk: looks at every element of the document, and goes up from it as its path says.

use crate::events::{Event, Outcome, OwnedName};
use crate::fields::{Asked, Field, Found};
use bounded_core::xml::{AttributeTest, NamespaceTest, Predicate, Step};
use std::ops::Range;

/// An element, its parent, the numbers of the elements in it with its own, and its text.
struct Element<'a> {
    name: &'a OwnedName,
    attributes: &'a [(OwnedName, String)],
    parent: Option<usize>,
    inside: Range<usize>,
    text: Range<usize>,
    is_closed: bool,
}

struct Tree<'a> {
    elements: Vec<Element<'a>>,
    text: String,
}

/// The records of a document that end in what was read of it.
pub fn records(asked: &Asked, whole: &Outcome) -> Vec<Vec<Found>> {
    let tree = Tree::of(whole);
    let (mut records, mut at) = (Vec::new(), 0);
    while at < tree.elements.len() {
        if !tree.leads(&asked.record, None, Some(at)) {
            at += 1;
            continue;
        }
        // There are no records in records but those that are asked for.
        let record = &tree.elements[at];
        if record.is_closed {
            records.push(tree.record(asked, at));
        }
        at = record.inside.end;
    }
    records
}

impl<'a> Tree<'a> {
    fn of(whole: &'a Outcome) -> Tree<'a> {
        let (mut elements, mut text) = (Vec::<Element>::new(), String::new());
        let mut open = Vec::new();
        for (_, event) in &whole.events {
            match event {
                Event::StartElement(name, attributes) => {
                    elements.push(Element {
                        name,
                        attributes,
                        parent: open.last().copied(),
                        inside: elements.len()..usize::MAX,
                        text: text.len()..usize::MAX,
                        is_closed: false,
                    });
                    open.push(elements.len() - 1);
                }
                Event::EndElement(_) => {
                    let count = elements.len();
                    if let Some(element) = open.pop().and_then(|index| elements.get_mut(index)) {
                        element.inside.end = count;
                        element.text.end = text.len();
                        element.is_closed = true;
                    }
                }
                Event::Characters(more) | Event::Cdata(more) => text.push_str(more),
                _ => {}
            }
        }
        Tree { elements, text }
    }

    fn record(&self, asked: &Asked, record: usize) -> Vec<Found> {
        let mut found = Vec::new();
        let mut is_there = vec![false; asked.fields.len()];
        let mut inner: Option<usize> = None;
        for at in self.elements[record].inside.clone() {
            if inner.is_some_and(|inner| at >= self.elements[inner].inside.end) {
                found.push(Found::End);
                inner = None;
            }
            for (index, field) in asked.own().iter().enumerate() {
                self.field(index, field, record, at, &mut is_there, &mut found);
            }
            if !asked.has_inner {
                continue;
            }
            let steps = &asked.fields[Asked::INNER].steps;
            if inner.is_none() && self.leads(steps, Some(record), Some(at)) {
                found.push(Found::Begin);
                is_there[Asked::INNER + 1] = false;
                inner = Some(at);
            }
            if let Some(inner) = inner {
                let index = Asked::INNER + 1;
                let field = &asked.fields[index];
                self.field(index, field, inner, at, &mut is_there, &mut found);
            }
        }
        if inner.is_some() {
            found.push(Found::End);
        }
        found
    }

    /// Takes a field of the record at `from` if it is the element at `at`.
    fn field(
        &self,
        index: usize,
        field: &Field,
        from: usize,
        at: usize,
        is_there: &mut [bool],
        found: &mut Vec<Found>,
    ) {
        if is_there[index] && !field.many || !self.leads(&field.steps, Some(from), Some(at)) {
            return;
        }
        let element = &self.elements[at];
        let value = match &field.attribute {
            Some(test) => element.attribute(test),
            None => self.text.get(element.text.clone()),
        };
        if let Some(value) = value {
            is_there[index] = true;
            found.push(Found::Value(index, value.to_owned()));
        }
    }

    /// Whether steps lead from an element to one below it, or from around the root.
    fn leads(&self, steps: &[Step], from: Option<usize>, to: Option<usize>) -> bool {
        let Some((last, before)) = steps.split_last() else {
            return from == to;
        };
        let Some(element) = to.filter(|_| from != to).map(|to| &self.elements[to]) else {
            return false;
        };
        if !element.is_named(last) {
            return false;
        }
        let mut around = element.parent;
        loop {
            if self.leads(before, from, around) {
                return true;
            }
            match around {
                Some(index) if last.descendant => around = self.elements[index].parent,
                _ => return false,
            }
        }
    }
}

impl Element<'_> {
    fn is_named(&self, step: &Step) -> bool {
        let (_, local, uri) = self.name;
        let is_local = step.local.as_deref().is_none_or(|it| it == local);
        let is_there = match &step.namespace {
            NamespaceTest::Any => true,
            NamespaceTest::Uri(wanted) => uri.as_deref().unwrap_or("") == &**wanted,
        };
        let holds = |predicate: &Predicate| match predicate {
            Predicate::Has(test) => self.attribute(test).is_some(),
            Predicate::Equals(test, value) => self.attribute(test) == Some(value),
            Predicate::Differs(test, value) => {
                self.attribute(test).is_some_and(|it| it != &**value)
            }
        };
        is_local && is_there && step.predicates.iter().all(holds)
    }

    fn attribute(&self, test: &AttributeTest) -> Option<&str> {
        let is_it = |(_, local, uri): &OwnedName| {
            *local == *test.local && uri.as_deref().unwrap_or("") == &*test.uri
        };
        let found = self.attributes.iter().find(|(name, _)| is_it(name));
        found.map(|(_, value)| value.as_str())
    }
}
