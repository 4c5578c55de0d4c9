//! The fields of records that a selector finds, in any document cut anyhow, are those that a walk over its tree finds.
#![no_main]

use bounded_fuzz::fields::difference;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(difference) = difference(bytes) {
        panic!("{difference}");
    }
});
