//! Tokens of any length, raised limits, any cuts: reading ends, with the events and the error of the document uncut, and never
//! because the parser gave up.
#![no_main]

use bounded_core::xml::ErrorKind;
use bounded_fuzz::events::Outcome;
use bounded_fuzz::progress::Case;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(case) = Case::read(bytes) else {
        return;
    };
    let whole = Outcome::of(&case.options, false, std::iter::once(&case.document[..]));
    let cut = Outcome::of(&case.options, false, case.cuts.chunks(&case.document));
    assert!(
        whole == cut,
        "{} of {} bytes, cut",
        case.kind,
        case.document.len()
    );
    let gave_up = whole
        .error
        .is_some_and(|error| error.kind == ErrorKind::Internal);
    assert!(!gave_up, "{} of {} bytes", case.kind, case.document.len());
});
