//! Converts the result of `BoundedXml.Selection.parse!/2`.

use crate::xml::select::plan::{Action, Extras, Field, Plan, Record};
use crate::xml::terms::{self, RawTerm, Terms};
use bounded_core::xml::{AttributeTest, NamespaceTest, Predicate, SelectorBuilder, Step, StepId};
use rustler::{Error, NifResult, Term};
use std::cell::Cell;

mod words {
    rustler::atoms! { raw, fields, attribute, around, records }
}

/// A step of a path: whether any depth is allowed before it, its namespace (`nil` for any, empty for none), its local name
/// (`nil` for any) and its predicates.
type PathStep<'a> = (bool, Option<String>, Option<String>, Term<'a>);

/// A predicate: the namespace and local name of its attribute, and a comparison with a value unless both are nil.
type StepPredicate<'a> = (String, String, Option<bool>, Option<String>);

/// A path: the atom that precedes its records or nil, its steps, and what its records are.
type PathOf<'a> = (Term<'a>, Term<'a>, Term<'a>);

/// A field: its key, whether it is a list, its name if it is required, its steps, and what it is.
type FieldOf<'a> = (Term<'a>, bool, Option<String>, Term<'a>, Term<'a>);

/// Records may be in each other this deep.
const MAX_NESTED: usize = 8;

pub fn plan(selection: Term) -> NifResult<Plan> {
    let (paths, extras): (Term, Extras) = selection.decode()?;
    let draft = Draft::of(paths)?;
    // With one path to trees, the name of an element tells whether it is selected.
    let whole = draft.labels.len() == 1 && draft.records.is_empty() && extras.is_none();
    let below: Vec<u64> = draft
        .nodes
        .iter()
        .map(|&at| draft.builder.below(at))
        .collect();
    let selector = draft.builder.build(whole).ok_or(Error::BadArg)?;
    let (mut records, mut fields) = (draft.records, draft.fields);
    for (record, below) in records.iter_mut().zip(below) {
        record.below = below;
    }
    for (hit, action) in draft.actions.iter().enumerate() {
        let mark = selector.mark(hit as u32);
        match *action {
            Action::Text(field) | Action::Raw(field) | Action::Attribute(field) => {
                fields[field].mark = mark;
                records[fields[field].record].marks |= mark;
            }
            Action::Inner(record) => {
                records[record].guard = mark;
                records[record].marks |= mark;
            }
            _ => {}
        }
    }
    let is_first = |action: &Action| matches!(action, Action::Value(_) | Action::Around(_));
    let empty_list = Terms::new(selection.get_env()).empty_list;
    let blank = |field: &Field| match field.many {
        true => empty_list,
        false => terms::nil().as_c_arg(),
    };
    let blanks = fields.iter().map(blank).collect();
    let has_first_round = draft.actions.iter().any(is_first);
    Ok(Plan {
        has_first_round,
        selector,
        labels: draft.labels,
        actions: draft.actions,
        records,
        fields,
        keys: draft.keys,
        blanks,
        around: draft.around,
        extras,
    })
}

pub fn states(selection: Term) -> NifResult<usize> {
    let (paths, _extras): (Term, Extras) = selection.decode()?;
    Ok(Draft::of(paths)?.builder.count())
}

#[derive(Default)]
struct Draft {
    builder: SelectorBuilder,
    labels: Vec<Option<RawTerm>>,
    actions: Vec<Action>,
    records: Vec<Record>,
    /// The steps that lead to the records.
    nodes: Vec<StepId>,
    fields: Vec<Field>,
    keys: Vec<RawTerm>,
    around: Vec<AttributeTest>,
}

impl Draft {
    fn of(paths: Term) -> NifResult<Draft> {
        let mut draft = Draft::default();
        each(paths, |path| draft.path(path))?;
        Ok(draft)
    }

    fn path(&mut self, path: Term) -> NifResult<()> {
        let (label, steps, output): PathOf = path.decode()?;
        let label = atom(label)?;
        let label = (label != terms::nil().as_c_arg()).then_some(label);
        let root = self.builder.root();
        if output.is_atom() && output.decode::<rustler::Atom>()? == words::raw() {
            let at = self::steps(&mut self.builder, root, steps, true)?;
            let record = self.record(at, label, None, false);
            self.labels.push(label);
            self.act(at, Action::Record(record), false);
            let field = self.only_field(record);
            self.act(at, Action::Raw(field), false);
            return Ok(());
        }
        if output.is_atom() {
            let at = self::steps(&mut self.builder, root, steps, false)?;
            self.act(at, Action::Tree(self.labels.len()), false);
            self.labels.push(label);
            return Ok(());
        }
        let (kind, content): (rustler::Atom, Term) = output.decode()?;
        let at = self::steps(&mut self.builder, root, steps, true)?;
        let record = self.record(at, label, None, kind == words::fields());
        self.labels.push(label);
        match kind {
            kind if kind == words::fields() => {
                self.act(at, Action::Record(record), false);
                self.record_fields(record, content, 0)
            }
            kind if kind == words::attribute() => {
                self.act(at, Action::Value(record), false);
                let (uri, local): (String, String) = content.decode()?;
                let field = self.only_field(record);
                self.fields[field].attribute = Some(test(uri, local));
                Ok(())
            }
            _ => Err(Error::BadArg),
        }
    }

    /// The field of a record that is no map.
    fn only_field(&mut self, record: usize) -> usize {
        let field = self.field(record, terms::nil().as_c_arg(), false, None);
        self.records[record].fields.end += 1;
        self.records[record].all.end += 1;
        field
    }

    fn record(
        &mut self,
        at: StepId,
        label: Option<RawTerm>,
        parent: Option<usize>,
        is_map: bool,
    ) -> usize {
        let number = self.records.len();
        let first = self.fields.len();
        self.records.push(Record {
            label,
            is_map,
            parent,
            root: parent.map_or(number, |field| self.records[self.fields[field].record].root),
            fields: first..first,
            all: first..first,
            below: 0,
            guard: 0,
            marks: 0,
            required: Vec::new(),
            around: Vec::new(),
        });
        self.nodes.push(at);
        number
    }

    /// The fields of a record lie side by side, and those of records in it behind them.
    fn record_fields(&mut self, record: usize, fields: Term, nested: usize) -> NifResult<()> {
        if nested == MAX_NESTED {
            return Err(Error::BadArg);
        }
        let first = self.fields.len();
        let mut inner = Vec::new();
        each(fields, |term| {
            let (key, many, required, steps, source): FieldOf = term.decode()?;
            if required.is_some() {
                self.records[record].required.push(self.fields.len());
            }
            let field = self.field(record, atom(key)?, many, required);
            if source.is_atom() {
                let at = self::steps(&mut self.builder, self.nodes[record], steps, false)?;
                let action = match source.decode::<rustler::Atom>()? == words::raw() {
                    true => Action::Raw(field),
                    false => Action::Text(field),
                };
                self.act_in(record, at, action, many);
                return Ok(());
            }
            let (kind, content): (rustler::Atom, Term) = source.decode()?;
            if kind == words::records() {
                inner.push((field, steps, content));
                return Ok(());
            }
            let (uri, local): (String, String) = content.decode()?;
            if kind == words::around() {
                let root = self.builder.root();
                let at = self::steps(&mut self.builder, root, steps, false)?;
                let slot = self.around.len();
                self.act(at, Action::Around(slot), false);
                self.around.push(test(uri, local));
                self.records[record].around.push((field, slot));
            } else {
                self.fields[field].attribute = Some(test(uri, local));
                let at = self::steps(&mut self.builder, self.nodes[record], steps, false)?;
                self.act_in(record, at, Action::Attribute(field), many);
            }
            Ok(())
        })?;
        self.records[record].fields = first..self.fields.len();
        for (field, steps, content) in inner {
            let at = self::steps(&mut self.builder, self.nodes[record], steps, true)?;
            let record = self.record(at, None, Some(field), true);
            self.builder.guard(at, self.actions.len() as u32);
            self.act(at, Action::Inner(record), false);
            self.record_fields(record, content, nested + 1)?;
        }
        self.records[record].all = first..self.fields.len();
        Ok(())
    }

    fn field(
        &mut self,
        record: usize,
        key: RawTerm,
        many: bool,
        required: Option<String>,
    ) -> usize {
        self.fields.push(Field {
            record,
            root: self.records[record].root,
            many,
            is_single: !many && self.records[record].parent.is_none(),
            required,
            attribute: None,
            name: Cell::new(None),
            mark: 0,
        });
        self.keys.push(key);
        self.fields.len() - 1
    }

    /// The action of a field of `record`. The record's own element is passed once anyway: a mark would change the context in it for
    /// nothing.
    fn act_in(&mut self, record: usize, at: StepId, action: Action, many: bool) {
        let once = !many && at != self.nodes[record];
        self.act(at, action, once);
    }

    /// The number of an action is that of its hit.
    fn act(&mut self, at: StepId, action: Action, once: bool) {
        self.builder.hit(at, self.actions.len() as u32, once);
        self.actions.push(action);
    }
}

/// Only an atom outlives this call.
fn atom(term: Term) -> NifResult<RawTerm> {
    match term.is_atom() {
        true => Ok(term.as_c_arg()),
        false => Err(Error::BadArg),
    }
}

fn test(uri: String, local: String) -> AttributeTest {
    AttributeTest {
        uri: uri.into(),
        local: local.into(),
    }
}

/// Adds the steps of a path below `from`; returns the last one. With `own`, no other path shares that.
fn steps(builder: &mut SelectorBuilder, from: StepId, steps: Term, own: bool) -> NifResult<StepId> {
    let mut at = from;
    let mut rest = steps;
    while !rest.is_empty_list() {
        let (step, tail) = rest.list_get_cell()?;
        let (descendant, namespace, local, predicates): PathStep = step.decode()?;
        let step = Step {
            descendant,
            local: local.map(Into::into),
            namespace: match namespace {
                Some(uri) => NamespaceTest::Uri(uri.into()),
                None => NamespaceTest::Any,
            },
            predicates: self::predicates(predicates)?,
        };
        at = builder.step(at, step, own && tail.is_empty_list());
        rest = tail;
    }
    Ok(at)
}

fn predicates(terms: Term) -> NifResult<Box<[Predicate]>> {
    let mut predicates = Vec::new();
    each(terms, |term| {
        let (uri, local, equal, value): StepPredicate = term.decode()?;
        let test = test(uri, local);
        predicates.push(match (equal, value) {
            (None, None) => Predicate::Has(test),
            (Some(true), Some(value)) => Predicate::Equals(test, value.into()),
            (Some(false), Some(value)) => Predicate::Differs(test, value.into()),
            _ => return Err(Error::BadArg),
        });
        Ok(())
    })?;
    Ok(predicates.into())
}

/// Calls `work` with each item of a list. Rustler's own iterator panics at the end of an improper one.
fn each<'a>(list: Term<'a>, mut work: impl FnMut(Term<'a>) -> NifResult<()>) -> NifResult<()> {
    let mut rest = list;
    while !rest.is_empty_list() {
        let (item, tail) = rest.list_get_cell()?;
        work(item)?;
        rest = tail;
    }
    Ok(())
}
