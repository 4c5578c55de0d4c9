//! What is read and written reads as the same events.
#![no_main]

use bounded_fuzz::written::difference;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some((&flags, document)) = bytes.split_first()
        && let Some(difference) = difference(document, flags)
    {
        panic!("{difference}");
    }
});
