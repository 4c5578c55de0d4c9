//! A sink that records every event, and ways to feed a document to a parser.

pub mod choosy;

use bounded_core::arena::account::Account;
use bounded_core::xml::{
    Attributes, Doctype, DocumentError, Emit, Error, Flow, Limits, Name, Options, Parser, Position,
    Prolog, Recovered, Sink, Status,
};

/// An event, and where it began when positions were asked for.
pub type Event = (Option<Position>, String);

/// The outcome of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub events: Vec<Event>,
    pub error: Option<DocumentError>,
    /// The recovered errors: the kind, the text as written, and the position.
    pub recovered: Vec<String>,
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
    pub recovered: Vec<String>,
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
            return Flow::Retry;
        }
        self.asked = None;
        self.events.push((self.position.take(), event));
        self.seen += 1;
        Flow::Accepted
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

    fn recovered(&mut self, what: Recovered, written: &str, (line, column): (u64, u64)) {
        assert!(!self.is_full(), "told of {written:?} when full");
        let recovered = format!("{what:?} {written:?} {line}:{column}");
        self.recovered.push(recovered);
        self.seen += 1;
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
        recovered: std::mem::take(&mut recorder.recovered),
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

/// The second of James Clark's canonical forms, in which the suite's outputs are written.
pub fn canonical(document: &[u8]) -> String {
    let options = Options {
        limits: Limits::trusted(),
        emit: Emit {
            processing_instructions: true,
            doctype: true,
            ..Emit::default()
        },
        ..Options::default()
    };
    let mut parser = Parser::new(options, &Account::root());
    let mut sink = Canonical::default();
    parser
        .feed(document)
        .expect("a root account refuses nothing");
    parser.finish();
    while let Ok(Status::Full) = parser.run(&mut sink) {}
    let doctype = notations(&parser, &sink.doctype).unwrap_or_default();
    let (before, after) = sink.text.split_at(sink.prolog.unwrap_or(0));
    format!("{before}{doctype}{after}")
}

/// The declarations of notations, in canonical form.
fn notations(parser: &Parser, name: &str) -> Option<String> {
    let mut lines: Vec<(Vec<u8>, String)> = Vec::new();
    for notation in parser.declarations()?.notations() {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (name, system) = (text(notation.name), notation.system.map(text));
        let line = match (notation.public.map(text), system) {
            (None, None) => format!("<!NOTATION {name}>\n"),
            (None, Some(system)) => format!("<!NOTATION {name} SYSTEM '{system}'>\n"),
            (Some(public), None) => format!("<!NOTATION {name} PUBLIC '{public}'>\n"),
            (Some(public), Some(system)) => {
                format!("<!NOTATION {name} PUBLIC '{public}' '{system}'>\n")
            }
        };
        lines.push((notation.name.to_vec(), line));
    }
    lines.sort();
    let lines: String = lines.into_iter().map(|(_, line)| line).collect();
    (!lines.is_empty()).then(|| format!("<!DOCTYPE {name} [\n{lines}]>\n"))
}

#[derive(Default)]
struct Canonical {
    text: String,
    /// The name of the document type.
    doctype: String,
    /// How much text came before the root element.
    prolog: Option<usize>,
}

impl Canonical {
    fn escape(&mut self, text: &str) {
        for char in text.chars() {
            match char {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '"' => self.text.push_str("&quot;"),
                '\t' => self.text.push_str("&#9;"),
                '\n' => self.text.push_str("&#10;"),
                '\r' => self.text.push_str("&#13;"),
                char => self.text.push(char),
            }
        }
    }
}

impl Sink for Canonical {
    fn start_document(&mut self, _prolog: &Prolog<'_>) -> Flow {
        Flow::Accepted
    }

    fn start_element(&mut self, name: Name<'_>, attributes: &Attributes<'_>) -> Flow {
        let mut sorted: Vec<(&str, &str)> = attributes
            .iter()
            .map(|attribute| (attribute.name.qualified, attribute.value))
            .collect();
        sorted.sort_unstable();
        self.prolog.get_or_insert(self.text.len());
        self.text.push('<');
        self.text.push_str(name.qualified);
        for (name, value) in sorted {
            self.text.push(' ');
            self.text.push_str(name);
            self.text.push_str("=\"");
            self.escape(value);
            self.text.push('"');
        }
        self.text.push('>');
        Flow::Accepted
    }

    fn end_element(&mut self, name: Name<'_>) -> Flow {
        self.text.push_str("</");
        self.text.push_str(name.qualified);
        self.text.push('>');
        Flow::Accepted
    }

    fn characters(&mut self, text: &str) -> Flow {
        self.escape(text);
        Flow::Accepted
    }

    fn doctype(&mut self, doctype: &Doctype<'_>) -> Flow {
        self.doctype = doctype.name.to_string();
        Flow::Accepted
    }

    fn processing_instruction(&mut self, target: &str, data: &str) -> Flow {
        self.text.push_str("<?");
        self.text.push_str(target);
        self.text.push(' ');
        self.text.push_str(data);
        self.text.push_str("?>");
        Flow::Accepted
    }

    fn end_document(&mut self) -> Flow {
        Flow::Accepted
    }
}
