//! The same verdict and the same events as the expat library, except where the two are known to differ.
#![no_main]

use bounded_core::xml::chars::{decode, is_name_char};
use bounded_core::xml::{Emit, ErrorKind, Limits, Options};
use bounded_fuzz::events::{Event, Outcome, OwnedName};
use bounded_fuzz::expat::{self, Rejection, SEPARATOR, Told, Verdict, code};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((&flags, document)) = bytes.split_first() else {
        return;
    };
    let options = Options {
        namespaces: flags & 1 == 1,
        limits: Limits::trusted(),
        emit: Emit {
            comments: true,
            processing_instructions: true,
            ..Emit::default()
        },
        ..Options::default()
    };
    let ours = Outcome::of(&options, false, std::iter::once(document));
    let theirs = expat::parse(document, options.namespaces);
    if is_known_difference(&ours, &theirs, document) {
        return;
    }
    assert_eq!(
        ours.error.is_none(),
        theirs.rejection.is_none(),
        "{:?}\n{:?}",
        ours.error,
        theirs.rejection
    );
    if ours.error.is_none() {
        assert_eq!(told(&ours, options.namespaces), theirs.told);
    }
});

/// Differences that are right, each with its reason.
fn is_known_difference(ours: &Outcome, theirs: &Verdict, document: &[u8]) -> bool {
    if let Some(error) = &ours.error {
        // Limits are ours alone; encodings that we refuse by name, such as UCS-4, fail there otherwise.
        if matches!(error.kind, ErrorKind::Limit | ErrorKind::Unsupported) {
            return true;
        }
    }
    match &theirs.rejection {
        Some(Rejection {
            code: code::AMPLIFICATION_LIMIT_BREACH,
            ..
        }) => true,
        // It knows four encodings.
        Some(Rejection {
            code: code::UNKNOWN_ENCODING,
            ..
        }) => true,
        // Its names are those of the fourth edition: the fifth allows more.
        Some(Rejection {
            code: code::INVALID_TOKEN,
            byte_offset,
            ..
        }) => {
            let here = document.get(*byte_offset..).and_then(decode);
            here.is_some_and(|(char, _)| char >= 0x80 && is_name_char(char))
        }
        _ => false,
    }
}

/// Our events as expat would tell them.
fn told(outcome: &Outcome, namespaces: bool) -> Vec<Told> {
    let mut events = Vec::new();
    for (_, event) in &outcome.events {
        match event.clone() {
            Event::StartElement(element, attributes) => {
                let attributes = attributes
                    .into_iter()
                    .filter(|(attribute, _)| !namespaces || !is_declaration(attribute))
                    .map(|(attribute, value)| (name(attribute), value))
                    .collect();
                expat::push(&mut events, Told::Start(name(element), attributes));
            }
            Event::EndElement(element) => expat::push(&mut events, Told::End(name(element))),
            Event::Characters(text) | Event::Cdata(text) => {
                expat::push(&mut events, Told::Text(text));
            }
            Event::Comment(text) => expat::push(&mut events, Told::Comment(text)),
            Event::Instruction(target, data) => {
                expat::push(&mut events, Told::Instruction(target, data));
            }
            // It has no event for the first three, and passes over an external entity in silence.
            Event::StartDocument(..)
            | Event::Doctype(..)
            | Event::EndDocument
            | Event::SkippedEntity(_) => {}
        }
    }
    events
}

/// Expat keeps declarations of namespaces to itself.
fn is_declaration((qualified, ..): &OwnedName) -> bool {
    qualified == "xmlns" || qualified.starts_with("xmlns:")
}

fn name((_, local, uri): OwnedName) -> String {
    match uri {
        Some(uri) => format!("{uri}{SEPARATOR}{local}"),
        None => local,
    }
}
