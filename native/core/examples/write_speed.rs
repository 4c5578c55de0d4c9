//! Writing alone: what a document holds is read once into memory, then written as often as the last argument says.
//!
//! `write_speed WRITER FILE TIMES` prints `bytes cpu_nanoseconds`, the latter for all the times together, reading not
//! included. WRITER is `quick_xml`, whose `Writer` escapes and checks nothing else, or `bounded`, this crate with all its
//! checks. Both write into one buffer that has room for all.

mod clock;

use bounded_core::arena::account::Account;
use bounded_core::xml::write::{
    CheckedName, PieceSink, WriteError, WriteOptions, Writer, WrittenName, check_name,
};
use bounded_core::xml::{Attributes, Flow, Limits, Name, Options, Parser, Prolog, Sink, Status};
use clock::cpu_nanoseconds;
use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};
use std::error::Error;

/// As in the NIF library.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Attributes of a tag that are checked together.
const FEW: usize = 16;

enum Part {
    Start {
        name: Box<str>,
        attributes: Vec<(Box<str>, Box<str>)>,
        /// Its end follows.
        empty: bool,
    },
    End(Box<str>),
    Text(Box<str>),
}

type Write = fn(&[Part], &mut Vec<u8>) -> Result<(), Box<dyn Error>>;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: write_speed quick_xml|bounded FILE TIMES";
    let write: Write = match arguments.next().as_deref() {
        Some("quick_xml") => with_quick_xml,
        Some("bounded") => with_bounded,
        _ => return Err(usage.into()),
    };
    let document = std::fs::read(arguments.next().ok_or(usage)?)?;
    let times: u32 = arguments.next().as_deref().unwrap_or("1").parse()?;
    let parts = read(&document)?;
    let mut out = Vec::with_capacity(2 * document.len());
    // Its memory is there before it is measured.
    write(&parts, &mut out)?;
    let cpu = cpu_nanoseconds();
    for _ in 0..times {
        out.clear();
        write(&parts, &mut out)?;
    }
    println!("{} {}", out.len(), cpu_nanoseconds() - cpu);
    Ok(())
}

fn with_quick_xml(parts: &[Part], out: &mut Vec<u8>) -> Result<(), Box<dyn Error>> {
    let mut writer = quick_xml::Writer::new(out);
    for part in parts {
        match part {
            Part::Start {
                name,
                attributes,
                empty,
            } => {
                let mut tag = BytesStart::new(&**name);
                for (name, value) in attributes {
                    tag.push_attribute((&**name, &**value));
                }
                writer.write_event(match empty {
                    true => Event::Empty(tag),
                    false => Event::Start(tag),
                })?;
            }
            Part::End(name) => writer.write_event(Event::End(BytesEnd::new(&**name)))?,
            Part::Text(text) => writer.write_event(Event::Text(BytesText::new(text)))?,
        }
    }
    Ok(())
}

struct Whole<'a>(&'a mut Vec<u8>);

impl PieceSink for Whole<'_> {
    fn piece(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

fn with_bounded(parts: &[Part], out: &mut Vec<u8>) -> Result<(), Box<dyn Error>> {
    let mut writer = Writer::new(WriteOptions::default(), &Account::root()).map_err(shown)?;
    let mut sink = Whole(out);
    let mut pairs = Vec::with_capacity(FEW);
    for part in parts {
        match part {
            Part::Start {
                name,
                attributes,
                empty,
            } => {
                start(&mut writer, name, attributes, &mut pairs, &mut sink)?;
                if *empty {
                    writer.end(&mut sink).map_err(shown)?;
                }
            }
            Part::End(name) => {
                let name = WrittenName::Plain(checked(name)?);
                writer.end_named(name, &mut sink).map_err(shown)?;
            }
            Part::Text(text) => writer.text(text.as_bytes(), &mut sink).map_err(shown)?,
        }
    }
    writer.finish(&mut sink).map_err(shown)
}

fn start<'a>(
    writer: &mut Writer,
    name: &str,
    attributes: &'a [(Box<str>, Box<str>)],
    pairs: &mut Vec<(CheckedName<'a>, &'a [u8])>,
    sink: &mut impl PieceSink,
) -> Result<(), Box<dyn Error>> {
    let name = checked(name)?;
    if attributes.len() <= FEW {
        pairs.clear();
        for (name, value) in attributes {
            pairs.push((checked(name)?, value.as_bytes()));
        }
        return writer.tag(name, pairs, sink).map_err(shown);
    }
    writer
        .start(WrittenName::Plain(name), false, sink)
        .map_err(shown)?;
    for (name, value) in attributes {
        let name = WrittenName::Plain(checked(name)?);
        writer
            .attribute(name, value.as_bytes(), sink)
            .map_err(shown)?;
    }
    Ok(())
}

#[inline(always)]
fn checked(name: &str) -> Result<CheckedName<'_>, Box<dyn Error>> {
    check_name(name.as_bytes()).map_err(|fault| fault.1.into())
}

fn shown(error: impl Into<WriteError>) -> Box<dyn Error> {
    format!("{:?}", error.into()).into()
}

fn read(document: &[u8]) -> Result<Vec<Part>, Box<dyn Error>> {
    let options = Options {
        limits: Limits::trusted(),
        ..Options::default()
    };
    let mut parser = Parser::new(options, &Account::root());
    let mut parts = Parts(Vec::new());
    for chunk in document.chunks(65_536) {
        parser.feed(chunk).map_err(|error| format!("{error:?}"))?;
        drain(&mut parser, &mut parts)?;
    }
    parser.finish();
    drain(&mut parser, &mut parts)?;
    Ok(parts.0)
}

fn drain(parser: &mut Parser, sink: &mut impl Sink) -> Result<(), Box<dyn Error>> {
    while parser.run(sink).map_err(|error| format!("{error:?}"))? == Status::Full {}
    Ok(())
}

struct Parts(Vec<Part>);

impl Sink for Parts {
    fn start_document(&mut self, _prolog: &Prolog<'_>) -> Flow {
        Flow::Accepted
    }

    fn start_element(&mut self, name: Name<'_>, attributes: &Attributes<'_>) -> Flow {
        self.0.push(Part::Start {
            name: name.local.into(),
            attributes: attributes
                .iter()
                .map(|attribute| (attribute.name.local.into(), attribute.value.into()))
                .collect(),
            empty: false,
        });
        Flow::Accepted
    }

    fn end_element(&mut self, name: Name<'_>) -> Flow {
        match self.0.last_mut() {
            Some(Part::Start { empty, .. }) => *empty = true,
            _ => self.0.push(Part::End(name.local.into())),
        }
        Flow::Accepted
    }

    fn characters(&mut self, text: &str) -> Flow {
        self.0.push(Part::Text(text.into()));
        Flow::Accepted
    }

    fn end_document(&mut self) -> Flow {
        Flow::Accepted
    }
}
