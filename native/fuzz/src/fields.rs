//! The fields of records, as the core's selector finds them in one pass, against a walk over the tree of the same document.
//!
//! The input is a case, followed by a recipe: a path to the records, and four fields of each record. A recipe refers to names by their
//! number in the document, so that its paths match elements of any document.

mod sink;
mod walk;

use crate::events::{Event, Outcome, OwnedName};
use crate::input::Case;
use bounded_core::xml::{AttributeTest, DocumentError, NamespaceTest, Predicate, Step};
use std::iter::once;

/// Bytes of a recipe: how the record's path is, three steps, and four bytes for each field.
const RECIPE: usize = 4 + 4 * FIELDS;

const FIELDS: usize = 4;

/// Bits of a step: its name's number is in the lowest five, and that of its predicate in the next two.
const DEEP: u8 = 0x80;
const NAME: u8 = 0x1F;

/// The number of a name that stands for any.
const ANY: u8 = NAME;

/// What is asked for. The last two fields are a record in the record and its only field, if `has_inner`.
#[derive(Debug)]
struct Asked {
    record: Vec<Step>,
    fields: [Field; FIELDS],
    has_inner: bool,
}

/// A field of a record: where it is, and whether all of them are wanted or the first one.
#[derive(Debug)]
struct Field {
    steps: Vec<Step>,
    /// Otherwise it is the text of an element.
    attribute: Option<AttributeTest>,
    many: bool,
}

impl Asked {
    /// The number of the field that is a record, whose field is the next one.
    const INNER: usize = FIELDS - 2;

    /// The fields of the record itself.
    fn own(&self) -> &[Field] {
        &self.fields[..if self.has_inner { Asked::INNER } else { FIELDS }]
    }
}

/// What was found of a record, in the order in which it begins in the document.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    Value(usize, String),
    /// A record in the record.
    Begin,
    End,
}

/// Why the records of a document are others than a walk finds, if they are.
pub fn difference(bytes: &[u8]) -> Option<String> {
    let mut case = Case::read(bytes)?;
    let (recipe, document) = case.document.split_first_chunk::<RECIPE>()?;
    case.document = document;
    // Without positions the parser takes the fast path through tags. The events are the same.
    case.options.positions = false;
    let whole = Outcome::of(&case.options, false, once(document));
    let asked = asked(recipe, &whole);
    let walked = walk::records(&asked, &whole);
    let read = sink::records(&asked, &case);
    let same = walked == read.0 && whole.error == read.1;
    (!same).then(|| {
        format!(
            "{asked:?}\n{:?}, cut as {:?}\nwalked: {walked:?} {:?}\nread: {read:?}",
            case.options, case.cuts, whole.error
        )
    })
}

/// The records that were read to their end, and why no more were.
type Read = (Vec<Vec<Found>>, Option<DocumentError>);

fn asked(recipe: &[u8; RECIPE], whole: &Outcome) -> Asked {
    let vocabulary = Vocabulary::of(whole, recipe[0] & 8 != 0);
    let steps = |bytes: &[u8]| bytes.iter().map(|&byte| vocabulary.step(byte)).collect();
    Asked {
        record: steps(&recipe[1..2 + usize::from(recipe[0] % 3)]),
        fields: std::array::from_fn(|index| {
            let [flags, first, second, attribute] =
                std::array::from_fn(|at| recipe[4 + 4 * index + at]);
            let count = usize::from(flags >> 4) % 3;
            Field {
                steps: steps(&[first, second][..count]),
                attribute: (flags & 1 != 0).then(|| vocabulary.attribute(attribute).0),
                many: flags & 2 != 0,
            }
        }),
        has_inner: recipe[0] & 4 != 0,
    }
}

/// Names in a document, and values of attributes.
struct Vocabulary {
    elements: Vec<OwnedName>,
    attributes: Vec<(OwnedName, String)>,
    /// Steps ask for the namespaces, too.
    with_namespaces: bool,
}

impl Vocabulary {
    fn of(whole: &Outcome, with_namespaces: bool) -> Vocabulary {
        let (mut elements, mut attributes) = (Vec::new(), Vec::new());
        for (_, event) in &whole.events {
            if let Event::StartElement(name, with) = event {
                if !elements.contains(name) && elements.len() < usize::from(ANY) {
                    elements.push(name.clone());
                }
                attributes.extend(with.iter().cloned());
            }
        }
        Vocabulary {
            elements,
            attributes,
            with_namespaces,
        }
    }

    fn step(&self, byte: u8) -> Step {
        let number = byte & NAME;
        let name = match number {
            ANY => None,
            number => pick(&self.elements, number),
        };
        let (test, value) = self.attribute(number);
        let predicate = match byte >> 5 & 3 {
            1 => Some(Predicate::Has(test)),
            2 => Some(Predicate::Equals(test, value)),
            3 => Some(Predicate::Differs(test, value)),
            _ => None,
        };
        Step {
            descendant: byte & DEEP != 0,
            local: name.map(|(_, local, _)| local.as_str().into()),
            namespace: match name {
                Some((_, _, uri)) if self.with_namespaces => {
                    NamespaceTest::Uri(uri.as_deref().unwrap_or("").into())
                }
                _ => NamespaceTest::Any,
            },
            predicates: predicate.into_iter().collect(),
        }
    }

    /// An attribute that some element has, and its value there.
    fn attribute(&self, number: u8) -> (AttributeTest, Box<str>) {
        let (name, value) = match pick(&self.attributes, number) {
            Some(((_, local, uri), value)) => ((uri.as_deref(), local.as_str()), value.as_str()),
            None => ((None, "a"), ""),
        };
        let test = AttributeTest {
            uri: name.0.unwrap_or("").into(),
            local: name.1.into(),
        };
        (test, value.into())
    }
}

fn pick<T>(from: &[T], number: u8) -> Option<&T> {
    from.get(usize::from(number) % from.len().max(1))
}
