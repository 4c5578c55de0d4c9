//! A sink that writes down everything it is told, and ways to feed a document to a parser.
#![allow(dead_code, clippy::expect_used)]

use bounded_core::quota::Account;
use bounded_core::xml::{
    Attributes, Doctype, DocumentError, Error, Flow, Name, Options, Parser, Position, Prolog, Sink,
    Status,
};

/// An event, and where it began when positions were asked for.
pub type Event = (Option<Position>, String);

/// What a document came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub events: Vec<Event>,
    pub error: Option<DocumentError>,
}

impl Outcome {
    pub fn texts(&self) -> Vec<&str> {
        self.events
            .iter()
            .map(|(_, event)| event.as_str())
            .collect()
    }

    /// Kind, reason, line, column and offset of the error.
    pub fn error_line(&self) -> String {
        match &self.error {
            None => "ok".into(),
            Some(error) => format!("{:?}: {error}", error.kind),
        }
    }
}

#[derive(Default)]
pub struct Recorder {
    pub events: Vec<Event>,
    position: Option<Position>,
    /// Full after this many events of one call; 0 is never.
    pub per_call: usize,
    seen: usize,
    /// Every event is wanted twice.
    pub ask_twice: bool,
    asked: Option<String>,
}

impl Recorder {
    fn tell(&mut self, event: String) -> Flow {
        if self.ask_twice && self.asked.as_ref() != Some(&event) {
            self.asked = Some(event);
            return Flow::Again;
        }
        self.asked = None;
        self.events.push((self.position.take(), event));
        self.seen += 1;
        Flow::Taken
    }
}

fn shown(name: Name<'_>) -> String {
    match name.namespace {
        Some(namespace) => format!("{{{}}}{}", namespace.uri, name.local),
        None => name.local.to_string(),
    }
}

impl Sink for Recorder {
    fn position(&mut self, position: Position) {
        self.position = Some(position);
    }

    fn start_document(&mut self, prolog: &Prolog<'_>) -> Flow {
        self.tell(format!(
            "document {:?} {:?} {:?}",
            prolog.version, prolog.encoding, prolog.standalone
        ))
    }

    fn start_element(&mut self, name: Name<'_>, attributes: &Attributes<'_>) -> Flow {
        let attributes: String = attributes
            .iter()
            .map(|attribute| format!(" {}={:?}", shown(attribute.name), attribute.value))
            .collect();
        self.tell(format!("<{}{attributes}>", shown(name)))
    }

    fn end_element(&mut self, name: Name<'_>) -> Flow {
        self.tell(format!("</{}>", shown(name)))
    }

    fn characters(&mut self, text: &str) -> Flow {
        assert!(!text.is_empty());
        self.tell(format!("text {text:?}"))
    }

    fn cdata(&mut self, text: &str) -> Flow {
        self.tell(format!("cdata {text:?}"))
    }

    fn comment(&mut self, text: &str) -> Flow {
        self.tell(format!("comment {text:?}"))
    }

    fn processing_instruction(&mut self, target: &str, data: &str) -> Flow {
        self.tell(format!("pi {target:?} {data:?}"))
    }

    fn doctype(&mut self, doctype: &Doctype<'_>) -> Flow {
        self.tell(format!("{doctype:?}"))
    }

    fn skipped_entity(&mut self, name: &str) -> Flow {
        self.tell(format!("skipped {name}"))
    }

    fn end_document(&mut self) -> Flow {
        self.tell("end".into())
    }

    fn is_full(&self) -> bool {
        self.per_call > 0 && self.seen >= self.per_call
    }
}

/// Parses the pieces of a document, `per_call` events a call.
pub fn parse_pieces<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    options: &Options,
    per_call: usize,
) -> Outcome {
    let mut recorder = Recorder {
        per_call,
        ..Recorder::default()
    };
    record(pieces, options, &mut recorder)
}

fn record<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    options: &Options,
    recorder: &mut Recorder,
) -> Outcome {
    let account = Account::root();
    let mut parser = Parser::new(options.clone(), &account);
    let mut error = None;
    for piece in pieces {
        parser.feed(piece).expect("a root account refuses nothing");
        error = run(&mut parser, recorder).err();
        if error.is_some() {
            break;
        }
    }
    if error.is_none() {
        parser.finish();
        error = run(&mut parser, recorder).err();
    }
    if let Some(error) = &error {
        let again = run(&mut parser, recorder);
        assert_eq!(again.as_ref(), Err(error), "an error is final");
    }
    drop(parser);
    assert_eq!(account.reserved(), 0);
    Outcome {
        events: std::mem::take(&mut recorder.events),
        error,
    }
}

fn run(parser: &mut Parser, recorder: &mut Recorder) -> Result<Status, DocumentError> {
    loop {
        recorder.seen = 0;
        match parser.run(recorder) {
            Ok(Status::Full) => {}
            Ok(status) => return Ok(status),
            Err(Error::Document(error)) => return Err(*error),
            Err(Error::Refused(refusal)) => panic!("{refusal:?}"),
        }
    }
}

/// Parses a document in one piece.
pub fn parse(document: &[u8], options: &Options) -> Outcome {
    parse_pieces([document], options, 0)
}

/// Parses a document in pieces of `size` bytes.
pub fn parse_by(document: &[u8], size: usize, options: &Options) -> Outcome {
    parse_pieces(document.chunks(size), options, 0)
}

/// Parses a document uncut, cut at every place, byte by byte and event by event: always the same.
pub fn parse_every_way(document: &[u8], options: &Options) -> Outcome {
    let whole = parse(document, options);
    let show = || String::from_utf8_lossy(document).into_owned();
    for size in [1, 2, 3, 7] {
        assert_eq!(
            parse_by(document, size, options),
            whole,
            "by {size}: {}",
            show()
        );
    }
    assert_eq!(parse_pieces([document], options, 1), whole, "{}", show());
    assert_eq!(
        parse_pieces(document.chunks(1), options, 1),
        whole,
        "{}",
        show()
    );
    for cut in 0..document.len() {
        let (front, back) = document.split_at(cut);
        let outcome = parse_pieces([front, back], options, 0);
        assert_eq!(outcome, whole, "cut at {cut}: {}", show());
    }
    let mut recorder = Recorder {
        ask_twice: true,
        ..Recorder::default()
    };
    assert_eq!(
        record([document], options, &mut recorder),
        whole,
        "{}",
        show()
    );
    whole
}
