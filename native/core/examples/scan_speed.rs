//! Scanning alone: counts events and bytes of text and attributes, makes nothing of them.
//!
//! `scan_speed PARSER FILE TIMES` prints `events text_bytes cpu_nanoseconds wall_nanoseconds`, the latter
//! for all the times together, reading the file not included. PARSER is `quick_xml`, a rival in `bench/`
//! with all its checks, or `bounded`, this crate: the one to profile. `nothing` is the same for a sink that
//! wants nothing of the root element.
//!
//! `scan_speed kernels` prints which kernels this processor and this build use, `avx512` for example.

mod clock;

use bounded_core::arena::account::Account;
use bounded_core::xml::{Attributes, Flow, Interest, Name, Options, Parser, Prolog, Sink, Status};
use clock::cpu_nanoseconds;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use std::error::Error;
use std::time::Instant;

/// As in the NIF library.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: scan_speed quick_xml|bounded|nothing FILE TIMES, or scan_speed kernels";
    let count: fn(&[u8]) -> Counting = match arguments.next().as_deref() {
        Some("quick_xml") => with_quick_xml,
        Some("bounded") => with_bounded,
        Some("nothing") => with_nothing_wanted,
        Some("kernels") => {
            println!("{}", bounded_core::xml::kernel_set());
            return Ok(());
        }
        _ => return Err(usage.into()),
    };
    let path = arguments.next().ok_or(usage)?;
    let times: u32 = arguments.next().as_deref().unwrap_or("1").parse()?;
    let document = std::fs::read(path)?;
    let mut counted = Counted::default();
    let (cpu, wall) = (cpu_nanoseconds(), Instant::now());
    for _ in 0..times {
        counted = count(&document)?;
    }
    println!(
        "{} {} {} {}",
        counted.events,
        counted.text_bytes,
        cpu_nanoseconds() - cpu,
        wall.elapsed().as_nanos()
    );
    Ok(())
}

#[derive(Default)]
struct Counted {
    events: u64,
    text_bytes: usize,
    attribute_bytes: usize,
}

/// Wants nothing of any element.
struct Choosy(Counted);

type Counting = Result<Counted, Box<dyn Error>>;

fn with_quick_xml(document: &[u8]) -> Counting {
    // What it is given must be UTF-8; this check is the fastest there is.
    let document = simdutf8::basic::from_utf8(document)?;
    let mut reader = Reader::from_str(document);
    reader.config_mut().enable_all_checks(true);
    let mut counted = Counted::default();
    loop {
        match reader.read_event()? {
            Event::Eof => return Ok(counted),
            Event::Start(tag) => {
                counted.events += 1;
                attributes(&tag, &mut counted)?;
            }
            Event::Empty(tag) => {
                counted.events += 2;
                attributes(&tag, &mut counted)?;
            }
            Event::Text(text) => {
                counted.events += 1;
                counted.text_bytes += text.len();
            }
            Event::CData(text) => {
                counted.events += 1;
                counted.text_bytes += text.len();
            }
            Event::GeneralRef(reference) => {
                counted.text_bytes += match reference.resolve_char_ref()? {
                    Some(character) => character.len_utf8(),
                    None => quick_xml::escape::resolve_xml_entity(&reference).map_or(0, str::len),
                };
            }
            _ => counted.events += 1,
        }
    }
}

fn attributes(tag: &BytesStart<'_>, counted: &mut Counted) -> Result<(), Box<dyn Error>> {
    for attribute in tag.attributes() {
        let value = attribute?.normalized_value(XmlVersion::Implicit1_0)?;
        counted.attribute_bytes += std::hint::black_box(value.len());
    }
    Ok(())
}

fn with_bounded(document: &[u8]) -> Counting {
    let mut counted = Counted::default();
    parse(document, &mut counted)?;
    Ok(counted)
}

fn with_nothing_wanted(document: &[u8]) -> Counting {
    let mut choosy = Choosy(Counted::default());
    parse(document, &mut choosy)?;
    Ok(choosy.0)
}

fn parse(document: &[u8], sink: &mut impl Sink) -> Result<(), Box<dyn Error>> {
    let mut parser = Parser::new(Options::default(), &Account::root());
    for chunk in document.chunks(65_536) {
        parser.feed(chunk).map_err(|error| format!("{error:?}"))?;
        drain(&mut parser, sink)?;
    }
    parser.finish();
    drain(&mut parser, sink)
}

fn drain(parser: &mut Parser, sink: &mut impl Sink) -> Result<(), Box<dyn Error>> {
    while parser.run(sink).map_err(|error| format!("{error:?}"))? == Status::Full {}
    Ok(())
}

impl Sink for Counted {
    fn start_document(&mut self, _prolog: &Prolog<'_>) -> Flow {
        self.events += 1;
        Flow::Accepted
    }

    fn start_element(&mut self, _name: Name<'_>, attributes: &Attributes<'_>) -> Flow {
        self.events += 1;
        for attribute in attributes.iter() {
            self.attribute_bytes += std::hint::black_box(attribute.value.len());
        }
        Flow::Accepted
    }

    fn end_element(&mut self, _name: Name<'_>) -> Flow {
        self.events += 1;
        Flow::Accepted
    }

    fn characters(&mut self, text: &str) -> Flow {
        self.events += 1;
        self.text_bytes += text.len();
        Flow::Accepted
    }

    fn end_document(&mut self) -> Flow {
        self.events += 1;
        Flow::Accepted
    }
}

impl Sink for Choosy {
    const SELECTS: bool = true;

    fn interest(&mut self, _name: &Name<'_>, _context: u64) -> Interest {
        Interest::Nothing
    }

    fn start_document(&mut self, prolog: &Prolog<'_>) -> Flow {
        self.0.start_document(prolog)
    }

    fn start_element(&mut self, name: Name<'_>, attributes: &Attributes<'_>) -> Flow {
        self.0.start_element(name, attributes)
    }

    fn end_element(&mut self, name: Name<'_>) -> Flow {
        self.0.end_element(name)
    }

    fn characters(&mut self, text: &str) -> Flow {
        self.0.characters(text)
    }

    fn end_document(&mut self) -> Flow {
        self.0.end_document()
    }
}
