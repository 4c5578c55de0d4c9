//! What a selection asks for: the paths, and what is made of the elements at each.

mod decode;
mod extras;

use crate::xml::terms::RawTerm;
use bounded_core::xml::{AttributeTest, Attributes, NameId, Selector};
pub use extras::Extras;
use rustler::{NifResult, Term};
use std::cell::Cell;
use std::ops::Range;

/// What is to be done about an element that a path leads to. The number of an action is that of its hit, see
/// [`Selector::hits`]: those of a record come before those of its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is a record, a tree. The number is that of its path.
    Tree(usize),
    /// Its attribute is a record. The numbers are those of records and fields from here on.
    Value(usize),
    /// It is a record with fields.
    Record(usize),
    /// It is a record in a record.
    Inner(usize),
    /// Its text is a field.
    Text(usize),
    /// Its source text is a field.
    Raw(usize),
    /// Its attribute is a field.
    Attribute(usize),
    /// Its attribute is kept for the records in it.
    Around(usize),
}

/// A record that is made of fields.
#[derive(Debug)]
pub struct Record {
    pub label: Option<RawTerm>,
    /// It is a map of its fields; otherwise the only field is the record.
    pub is_map: bool,
    /// Of a record in a record: the field that it is in.
    pub parent: Option<usize>,
    /// The record that it is in, or itself.
    pub root: usize,
    /// Its fields, and those with the fields of records in it.
    pub fields: Range<usize>,
    pub all: Range<usize>,
    /// The states of the paths of its fields, and of fields in it.
    pub below: u64,
    /// The mark that it is open in another record, and that with those of its own fields.
    pub guard: u64,
    pub marks: u64,
    /// Those of its fields that must be there.
    pub required: Vec<usize>,
    /// Fields that are attributes of elements around it, and which.
    pub around: Vec<(usize, usize)>,
}

/// A field of a record.
#[derive(Debug)]
pub struct Field {
    pub record: usize,
    /// The record that this one is in, or itself.
    pub root: usize,
    /// All that there are, as a list.
    pub many: bool,
    /// It has one value, in a record that is in no other.
    pub is_single: bool,
    /// The name of a field that must be there.
    pub required: Option<String>,
    pub attribute: Option<AttributeTest>,
    /// The number of the attribute's name in the document, once it was found.
    pub name: Cell<Option<NameId>>,
    /// While its mark is set, it is there already.
    pub mark: u64,
}

impl Field {
    /// Its attribute, if it is there.
    #[inline(always)]
    pub fn find<'a>(&self, attributes: &Attributes<'a>) -> Option<&'a [u8]> {
        let test = self.attribute.as_ref()?;
        test.find_known(attributes, &self.name).map(str::as_bytes)
    }
}

/// What a selection asks for.
pub struct Plan {
    pub selector: Selector,
    /// By the number of a path, the atom that its records are labelled with.
    labels: Vec<Option<RawTerm>>,
    pub actions: Vec<Action>,
    pub records: Vec<Record>,
    pub fields: Vec<Field>,
    /// The keys of the fields.
    pub keys: Vec<RawTerm>,
    /// What each of them is in a record in which nothing was found of it.
    pub blanks: Vec<RawTerm>,
    /// The attributes that are kept of elements around records.
    pub around: Vec<AttributeTest>,
    pub extras: Extras,
    /// Whether any action comes before those of records: see `FieldSink::enter`.
    pub has_first_round: bool,
}

impl Plan {
    pub fn new(selection: Term) -> NifResult<Plan> {
        decode::plan(selection)
    }

    /// The atom that the records of a path are labelled with.
    #[inline]
    pub fn label(&self, path: usize) -> Option<RawTerm> {
        self.labels.get(path).copied().flatten()
    }

    /// Whether every record is a tree, and nothing more.
    pub fn is_trees(&self) -> bool {
        self.records.is_empty() && self.extras.is_none()
    }

    /// Whether the sink has to know where records begin.
    pub fn needs_positions(&self) -> bool {
        let names_place = |field: &Field| field.required.is_some();
        self.extras.needs_positions() || self.has_raw() || self.fields.iter().any(names_place)
    }

    /// Whether source texts are asked for.
    pub fn has_raw(&self) -> bool {
        let is_raw = |action: &Action| matches!(action, Action::Raw(_));
        self.actions.iter().any(is_raw)
    }

    /// About the bytes that it has allocated.
    pub fn bytes(&self) -> u64 {
        let fields = self.fields.len() * (size_of::<Field>() + 64);
        let records = self.records.len() * (size_of::<Record>() + 32);
        (fields + records + self.actions.len() * 224 + 1024) as u64
    }
}

/// The number of states that the paths of a selection have, of which there may be
/// [`bounded_core::xml::SelectorBuilder::MAX_STATES`].
pub fn states(selection: Term) -> NifResult<usize> {
    decode::states(selection)
}
