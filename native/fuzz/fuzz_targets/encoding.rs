//! A document in the encoding its caller names means what its UTF-8 transcription means.
#![no_main]

use bounded_core::xml::{DocumentError, ErrorKind};
use bounded_fuzz::events::{Event, Outcome};
use bounded_fuzz::input::{Case, ENCODINGS};
use encoding_rs::Encoding;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(mut case) = Case::read(bytes) else {
        return;
    };
    // Offsets and limits count other bytes there.
    case.options.positions = false;
    case.options.limits = Default::default();
    let name = ENCODINGS[case.encoding];
    let Some(text) = transcribe(name, case.document) else {
        return;
    };
    let mut decoded = Outcome::of(
        &case.options,
        case.reluctant,
        case.cuts.chunks(case.document),
    );
    // What begins as UCS-4 or EBCDIC is refused by name, whatever its caller says, and a zero that is
    // refused as a character in one of the two may look like that in the other.
    let unsupported = |error: &DocumentError| error.kind == ErrorKind::Unsupported;
    case.options.encoding = Some("UTF-8".to_owned());
    let mut plain = Outcome::of(&case.options, false, std::iter::once(text.as_bytes()));
    let errors = [&decoded.error, &plain.error];
    if errors.into_iter().flatten().any(unsupported) {
        return;
    }
    assert_eq!(verdict(&decoded), verdict(&plain), "as {name}");
    for outcome in [&mut decoded, &mut plain] {
        if let Some(error) = &mut outcome.error {
            error.position.byte_offset = 0;
        }
    }
    assert_eq!(decoded, plain, "as {name}");
});

fn verdict(outcome: &Outcome) -> (Option<ErrorKind>, bool) {
    (
        outcome.error.as_ref().map(|error| error.kind),
        matches!(outcome.events.last(), Some((_, Event::EndDocument))),
    )
}

/// The document as UTF-8, by the encodings' reference implementation; `None` when it is malformed, or
/// begins as another encoding would.
fn transcribe(name: &str, document: &[u8]) -> Option<String> {
    let marked = [
        &b"\xEF\xBB\xBF"[..],
        b"\xFF\xFE",
        b"\xFE\xFF",
        b"\0\0\xFE\xFF",
    ]
    .iter()
    .any(|mark| document.starts_with(mark));
    match name {
        _ if marked => None,
        "" | "UTF-8" | "UTF-16" => None,
        "ISO-8859-1" => Some(document.iter().copied().map(char::from).collect()),
        "US-ASCII" => document
            .is_ascii()
            .then(|| String::from_utf8_lossy(document).into_owned()),
        _ => Encoding::for_label(name.as_bytes())?
            .decode_without_bom_handling_and_without_replacement(document)
            .map(|text| text.into_owned()),
    }
}
