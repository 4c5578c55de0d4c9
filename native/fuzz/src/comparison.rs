//! Compares the results of the expat library and of this parser for the same document.

use crate::events::{Event, Outcome, OwnedName};
use crate::expat::{self, Rejection, SEPARATOR, Told, Verdict, code};
use bounded_core::xml::chars::is_name_char;
use bounded_core::xml::{Emit, ErrorKind, Limits, Options};

/// The difference between the two, unless it is a known one; `None` without a difference.
pub fn difference(document: &[u8], namespaces: bool) -> Option<String> {
    let options = Options {
        namespaces,
        limits: Limits::trusted(),
        emit: Emit {
            comments: true,
            processing_instructions: true,
            ..Emit::default()
        },
        ..Options::default()
    };
    let ours = Outcome::of(&options, false, std::iter::once(document));
    let theirs = expat::parse(document, namespaces);
    if is_known_difference(&ours, &theirs, document, namespaces) {
        return None;
    }
    match (&ours.error, &theirs.rejection) {
        (Some(_), Some(_)) => None,
        (None, None) => {
            let told = told(&ours, namespaces);
            (told != theirs.told).then(|| format!("ours: {told:?}\nexpat: {:?}", theirs.told))
        }
        (error, rejection) => Some(format!("ours: {error:?}\nexpat: {rejection:?}")),
    }
}

/// Errors in the value of a declaration, in the words of this parser.
const IN_VALUES: [&str; 5] = [
    "no '<' is allowed in an attribute value, nor in an entity",
    "no '%' is allowed",
    "'&' starts a reference",
    "a character reference is",
    "this reference is to",
];

/// Differences that are right, each with its reason.
fn is_known_difference(
    ours: &Outcome,
    theirs: &Verdict,
    document: &[u8],
    namespaces: bool,
) -> bool {
    // It takes UTF-16 for granted where neither a byte order mark nor a declaration says so.
    if document.starts_with(b"<\0") || document.starts_with(b"\0<") {
        return true;
    }
    if let Some(error) = &ours.error {
        // Limits are ours alone; encodings that we refuse by name, such as UCS-4, fail there otherwise.
        if matches!(error.kind, ErrorKind::Limit | ErrorKind::Unsupported) {
            return true;
        }
        // It reads a document of any version, and believes a byte order mark whatever is declared.
        if error.reason.contains("version of XML") || error.reason.contains("byte order mark says")
        {
            return true;
        }
        // In declarations it lets any character of names stand behind a name's colon.
        if error.reason.contains("one colon at most") && theirs.rejection.is_none() {
            return true;
        }
        // Unless the document is UTF-8, it takes three characters of Latin 1 for letters of names.
        if std::str::from_utf8(document).is_err()
            && document
                .iter()
                .any(|byte| [0xAA, 0xB5, 0xBA].contains(byte))
            && theirs.rejection.is_none()
        {
            return true;
        }
        // In UTF-16 it takes any unit behind a high surrogate for a low one.
        let offset = usize::try_from(error.position.byte_offset).unwrap_or(usize::MAX);
        if error.reason.contains("malformed UTF-16")
            && is_high_surrogate(document, offset, error.reason.contains("UTF-16LE"))
            && theirs.rejection.is_none()
        {
            return true;
        }
        // It does not look into values declared behind a parameter entity that it did not read, and
        // allows parameter entities in values where the declaration itself came from one.
        let before = &document[..offset.min(document.len())];
        if IN_VALUES.iter().any(|rule| error.reason.contains(rule)) && before.contains(&b'%') {
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
        Some(Rejection {
            code: code::INVALID_TOKEN | code::SYNTAX,
            ..
        }) => ours.error.is_none() && (has_wide_name(ours) || is_about_names(document, namespaces)),
        _ => false,
    }
}

/// Whether a unit of UTF-16 is the first of the two that a character beyond U+FFFF takes.
fn is_high_surrogate(document: &[u8], offset: usize, little_endian: bool) -> bool {
    let upper = document.get(offset.saturating_add(little_endian.into()));
    matches!(upper, Some(0xD8..=0xDB))
}

/// Whether an event has a name that is not ASCII.
fn has_wide_name(outcome: &Outcome) -> bool {
    outcome.events.iter().any(|(_, event)| match event {
        Event::StartElement((name, ..), attributes) => {
            !name.is_ascii() || attributes.iter().any(|((name, ..), _)| !name.is_ascii())
        }
        Event::Instruction(target, _) => !target.is_ascii(),
        _ => false,
    })
}

/// Whether expat rejects a document for its names alone: those of the fourth edition, where the fifth
/// allows more. A letter that both allow in the place of all others tells.
fn is_about_names(document: &[u8], namespaces: bool) -> bool {
    let Ok(text) = std::str::from_utf8(document) else {
        // UTF-16 or Latin 1: too much to write again for the sake of its names.
        return true;
    };
    // A byte order mark is a character that names may have, but it is none.
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let plain: String = text
        .chars()
        .map(|char| match is_name_char(char.into()) && !char.is_ascii() {
            true => '\u{E9}',
            false => char,
        })
        .collect();
    plain != text
        && expat::parse(plain.as_bytes(), namespaces)
            .rejection
            .is_none()
}

/// The events of this parser as expat would report them.
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
            Event::Comment(text) => {
                expat::push(&mut events, Told::Comment(line_ends(&text)));
            }
            Event::Instruction(target, data) => {
                expat::push(&mut events, Told::Instruction(target, line_ends(&data)));
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

/// A CR that a character reference put into an entity is a CR wherever the entity is used. In comments and
/// instructions expat takes it for a line end.
fn line_ends(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
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
