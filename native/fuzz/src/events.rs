//! Runs the parser and records its events.

use bounded_core::arena::account::Account;
use bounded_core::xml::{
    Attributes, Doctype, DocumentError, Error, Flow, Interest, Name, Options, Parser, Position,
    Prolog, Sink, Status,
};

/// No input of a fuzzer's size needs more native memory than this.
pub const MEMORY: u64 = 16 << 20;

/// Calls that do nothing: more of them in a row than this is a hang.
const PATIENCE: usize = 100_000;

/// A name as a sink receives it; the id of a namespace differs from run to run and is left out.
pub type OwnedName = (String, String, Option<String>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    StartDocument(Option<String>, Option<String>, Option<bool>),
    StartElement(OwnedName, Vec<(OwnedName, String)>),
    EndElement(OwnedName),
    Characters(String),
    Cdata(String),
    Comment(String),
    Instruction(String, String),
    Doctype(String, Option<String>, Option<String>, Option<String>),
    SkippedEntity(String),
    EndDocument,
}

/// The outcome of a document.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub events: Vec<(Option<Position>, Event)>,
    pub error: Option<DocumentError>,
}

impl Outcome {
    /// Parses `chunks`. With `reluctant` the sink is full after every event and takes each event only
    /// when it is told for the second time.
    pub fn of<'a>(
        options: &Options,
        reluctant: bool,
        chunks: impl Iterator<Item = &'a [u8]>,
    ) -> Outcome {
        Outcome::told(
            options,
            Recorder::<false> {
                reluctant,
                ..Recorder::default()
            },
            chunks,
        )
    }

    /// The same where of some elements not everything is wanted: which, their names tell.
    pub fn of_some<'a>(options: &Options, chunks: impl Iterator<Item = &'a [u8]>) -> Outcome {
        Outcome::told(options, Recorder::<true>::default(), chunks)
    }

    fn told<'a, const SELECTS: bool>(
        options: &Options,
        mut recorder: Recorder<SELECTS>,
        chunks: impl Iterator<Item = &'a [u8]>,
    ) -> Outcome {
        let account = Account::child(&Account::root(), MEMORY);
        let mut parser = Parser::new(options.clone(), &account);
        let error = drive(&mut parser, &mut recorder, chunks);
        drop(parser);
        assert_eq!(account.reserved(), 0, "native bytes left behind");
        Outcome {
            events: recorder.events,
            error,
        }
    }
}

/// A sink of which is known how much it was told.
pub(crate) trait Calls: Sink {
    /// The number of its events, told again or not.
    fn told(&self) -> usize;

    /// The parser is called: it is not full.
    fn begin_call(&mut self);
}

/// Parses `chunks`; says what error ends the document, if one does.
pub(crate) fn drive<'a>(
    parser: &mut Parser,
    recorder: &mut impl Calls,
    mut chunks: impl Iterator<Item = &'a [u8]>,
) -> Option<DocumentError> {
    let mut idle = 0;
    loop {
        let told = recorder.told();
        recorder.begin_call();
        let error = match parser.run(recorder) {
            Ok(Status::Done) => return None,
            Ok(Status::Full) => {
                idle = if recorder.told() == told { idle + 1 } else { 0 };
                assert!(idle < PATIENCE, "the parser makes no progress");
                continue;
            }
            Ok(Status::NeedInput) => match chunks.next() {
                Some(chunk) => parser.feed(chunk).err(),
                None => {
                    parser.finish();
                    None
                }
            },
            Err(error) => Some(error),
        };
        match error {
            None => {}
            Some(Error::Document(error)) => {
                let again = parser.run(recorder);
                assert_eq!(
                    again,
                    Err(Error::Document(error.clone())),
                    "an error is final"
                );
                return Some(*error);
            }
            Some(Error::Refused(refusal)) => panic!("more than {MEMORY} bytes: {refusal:?}"),
        }
    }
}

/// With `SELECTS` it does not want everything.
#[derive(Default)]
struct Recorder<const SELECTS: bool> {
    reluctant: bool,
    events: Vec<(Option<Position>, Event)>,
    position: Option<Position>,
    /// The event that was answered with `Retry`.
    refused: Option<Event>,
    full: bool,
    told: usize,
}

impl<const SELECTS: bool> Recorder<SELECTS> {
    fn note(&mut self, event: Event) -> Flow {
        self.told += 1;
        if self.reluctant {
            match self.refused.take() {
                None => {
                    self.refused = Some(event);
                    return Flow::Retry;
                }
                Some(before) => assert_eq!(before, event, "told again, and differently"),
            }
            self.full = true;
        }
        self.events.push((self.position.take(), event));
        Flow::Accepted
    }
}

impl<const SELECTS: bool> Calls for Recorder<SELECTS> {
    fn told(&self) -> usize {
        self.told
    }

    fn begin_call(&mut self) {
        self.full = false;
    }
}

fn owned(name: Name<'_>) -> OwnedName {
    let uri = name.namespace.map(|namespace| namespace.uri.to_owned());
    (name.qualified.to_owned(), name.local.to_owned(), uri)
}

impl<const SELECTS: bool> Sink for Recorder<SELECTS> {
    const SELECTS: bool = SELECTS;

    fn interest(&mut self, name: &Name<'_>, context: u64) -> Interest {
        match (name.local.len() as u64 + context) % 5 {
            1 => Interest::Within(context + 1),
            2 => Interest::Nothing,
            3 => Interest::Within(context),
            4 => Interest::Tags(context + 1),
            _ => Interest::All,
        }
    }

    fn tag(
        &mut self,
        name: Name<'_>,
        attributes: &Attributes<'_>,
        context: u64,
    ) -> Option<Interest> {
        match (
            self.start_element(name, attributes),
            attributes.iter().count() % 2,
        ) {
            (Flow::Retry, _) => None,
            (Flow::Accepted, 0) => Some(Interest::Tags(context)),
            (Flow::Accepted, _) => Some(Interest::All),
        }
    }

    fn position(&mut self, position: Position) {
        self.position = Some(position);
    }

    fn start_document(&mut self, prolog: &Prolog<'_>) -> Flow {
        self.note(Event::StartDocument(
            prolog.version.map(str::to_owned),
            prolog.encoding.map(str::to_owned),
            prolog.standalone,
        ))
    }

    fn start_element(&mut self, name: Name<'_>, attributes: &Attributes<'_>) -> Flow {
        let attributes = attributes
            .iter()
            .map(|attribute| (owned(attribute.name), attribute.value.to_owned()))
            .collect();
        self.note(Event::StartElement(owned(name), attributes))
    }

    fn end_element(&mut self, name: Name<'_>) -> Flow {
        self.note(Event::EndElement(owned(name)))
    }

    fn characters(&mut self, text: &str) -> Flow {
        assert!(!text.is_empty());
        self.note(Event::Characters(text.to_owned()))
    }

    fn cdata(&mut self, text: &str) -> Flow {
        self.note(Event::Cdata(text.to_owned()))
    }

    fn comment(&mut self, text: &str) -> Flow {
        self.note(Event::Comment(text.to_owned()))
    }

    fn processing_instruction(&mut self, target: &str, data: &str) -> Flow {
        self.note(Event::Instruction(target.to_owned(), data.to_owned()))
    }

    fn doctype(&mut self, doctype: &Doctype<'_>) -> Flow {
        self.note(Event::Doctype(
            doctype.name.to_owned(),
            doctype.public_id.map(str::to_owned),
            doctype.system_id.map(str::to_owned),
            doctype.internal_subset.map(str::to_owned),
        ))
    }

    fn skipped_entity(&mut self, name: &str) -> Flow {
        self.note(Event::SkippedEntity(name.to_owned()))
    }

    fn end_document(&mut self) -> Flow {
        self.note(Event::EndDocument)
    }

    fn is_full(&self) -> bool {
        self.full
    }
}
