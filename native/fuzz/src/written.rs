//! Writes what was read, and reads it again.

use crate::events::{Event, MEMORY, Outcome};
use bounded_core::arena::account::Account;
use bounded_core::xml::write::{
    Empty, LONGEST_VERSION, PIECE, PieceSink, Quote, WriteError, WriteOptions, Writer,
    WrittenDoctype, WrittenName, check_name,
};
use bounded_core::xml::{Emit, Options};
use std::iter::once;

/// Bits of the flags.
const DOCTYPE: u8 = 1;
const SINGLE: u8 = 2;
const EXPAND: u8 = 4;

#[derive(Default)]
struct Whole(Vec<u8>);

impl PieceSink for Whole {
    fn piece(&mut self, bytes: &[u8]) {
        assert!(!bytes.is_empty() && bytes.len() <= PIECE);
        assert!(std::str::from_utf8(bytes).is_ok(), "a character is cut");
        self.0.extend_from_slice(bytes);
    }
}

/// Why the events of a document are not those of what they are written as; nothing where they are, or where `document`
/// is malformed, refers to what it does not have, or has what the writer refuses.
pub fn difference(document: &[u8], flags: u8) -> Option<String> {
    // Comments and instructions of an internal subset are events, and part of the subset: not both at once.
    let with_doctype = flags & DOCTYPE != 0;
    let options = Options {
        emit: Emit {
            cdata: true,
            comments: !with_doctype,
            processing_instructions: !with_doctype,
            doctype: with_doctype,
        },
        ..Options::default()
    };
    let read = |document: &[u8]| Outcome::of(&options, false, once(document));
    let first = read(document);
    let events: Vec<Event> = first.events.into_iter().map(|(_, event)| event).collect();
    let is_refused = |event: &Event| match event {
        Event::SkippedEntity(_) => true,
        Event::StartDocument(Some(version), ..) => version.len() > LONGEST_VERSION,
        _ => false,
    };
    if first.error.is_some() || events.iter().any(is_refused) {
        return None;
    }
    let written = match write(&events, flags) {
        Ok(written) => written,
        Err(error) => return Some(format!("cannot write: {error:?}")),
    };
    let again = read(&written);
    if let Some(error) = again.error {
        return Some(format!("what was written cannot be read: {error:?}"));
    }
    let again = again.events.into_iter().map(|(_, event)| event);
    let (first, again) = (comparable(events.into_iter()), comparable(again));
    (first != again).then(|| format!("read {first:?}, written and read {again:?}"))
}

/// Texts side by side as one, and no encoding.
fn comparable(events: impl Iterator<Item = Event>) -> Vec<Event> {
    let mut joined = Vec::new();
    for event in events {
        match (joined.last_mut(), event) {
            (Some(Event::Characters(text)), Event::Characters(more))
            | (Some(Event::Cdata(text)), Event::Cdata(more)) => text.push_str(&more),
            (_, Event::StartDocument(version, _, standalone)) => {
                joined.push(Event::StartDocument(version, None, standalone));
            }
            (_, event) => joined.push(event),
        }
    }
    joined
}

fn write(events: &[Event], flags: u8) -> Result<Vec<u8>, WriteError> {
    let options = WriteOptions {
        empty: match flags & EXPAND {
            0 => Empty::Collapse,
            _ => Empty::Expand,
        },
        quote: match flags & SINGLE {
            0 => Quote::Double,
            _ => Quote::Single,
        },
        ..WriteOptions::default()
    };
    let account = Account::child(&Account::root(), MEMORY);
    let mut writer = Writer::new(options, &account)?;
    let mut sink = Whole::default();
    for event in events {
        put(&mut writer, event, &mut sink)?;
    }
    writer.finish(&mut sink)?;
    drop(writer);
    assert_eq!(account.reserved(), 0, "native bytes left behind");
    Ok(sink.0)
}

fn put(writer: &mut Writer, event: &Event, sink: &mut Whole) -> Result<(), WriteError> {
    match event {
        Event::StartDocument(None, None, None) | Event::EndDocument => Ok(()),
        Event::StartDocument(version, encoding, standalone) => {
            let version = version.as_deref().unwrap_or("1.0");
            writer.declaration(version.as_bytes(), encoding.is_some(), *standalone, sink)
        }
        Event::StartElement(name, attributes) => {
            writer.start(plain(&name.0), false, sink)?;
            for (name, value) in attributes {
                writer.attribute(plain(&name.0), value.as_bytes(), sink)?;
            }
            Ok(())
        }
        Event::EndElement(name) => writer.end_named(plain(&name.0), sink),
        Event::Characters(text) => writer.text(text.as_bytes(), sink),
        Event::Cdata(text) => writer.cdata(text.as_bytes(), sink),
        Event::Comment(text) => writer.comment(text.as_bytes(), sink),
        Event::Instruction(target, data) => {
            writer.instruction(target.as_bytes(), data.as_bytes(), sink)
        }
        Event::Doctype(name, public_id, system_id, subset) => writer.doctype(
            &WrittenDoctype {
                name: name.as_bytes(),
                public_id: public_id.as_deref().map(str::as_bytes),
                system_id: system_id.as_deref().map(str::as_bytes),
                internal_subset: subset.as_deref().map(str::as_bytes),
            },
            sink,
        ),
        Event::SkippedEntity(name) => writer.reference(name.as_bytes(), sink),
    }
}

fn plain(name: &str) -> WrittenName<'_> {
    match check_name(name.as_bytes()) {
        Ok(name) => WrittenName::Plain(name),
        Err(error) => panic!("{name} was read as a name: {error:?}"),
    }
}
