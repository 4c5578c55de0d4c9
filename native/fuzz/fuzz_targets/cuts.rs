//! Any bytes, any options, any cuts: no panic, little memory, the same events and the same error as uncut,
//! and the same error where not everything is wanted.
#![no_main]

use bounded_fuzz::events::Outcome;
use bounded_fuzz::input::Case;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(case) = Case::read(bytes) else {
        return;
    };
    let whole = Outcome::of(&case.options, false, std::iter::once(case.document));
    let cut = Outcome::of(
        &case.options,
        case.reluctant,
        case.cuts.chunks(case.document),
    );
    assert_eq!(whole, cut, "{:?} cut as {:?}", case.options, case.cuts);
    let some = Outcome::of_some(&case.options, case.cuts.chunks(case.document));
    assert_eq!(whole.error, some.error, "{:?} unwanted", case.options);
});
