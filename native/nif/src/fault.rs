//! Panics on purpose, to test that none takes the VM down: only in builds with the feature `faults`, which is
//! for tests alone.

/// Panics when the file that the environment variable `BOUNDED_FAULT` names holds `place`.
#[cfg(feature = "faults")]
pub fn point(place: &str) {
    let named =
        std::env::var_os("BOUNDED_FAULT").and_then(|path| std::fs::read_to_string(path).ok());
    if named.is_some_and(|named| named == place) {
        panic!("a fault, as asked for: {place}");
    }
}

#[cfg(not(feature = "faults"))]
#[inline(always)]
pub fn point(_place: &str) {}
