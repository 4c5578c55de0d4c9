//! The same verdict and the same events as the expat library, except where the two are known to differ.
#![no_main]

use bounded_fuzz::comparison::difference;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some((&flags, document)) = bytes.split_first()
        && let Some(difference) = difference(document, flags & 1 == 1)
    {
        panic!("{difference}");
    }
});
