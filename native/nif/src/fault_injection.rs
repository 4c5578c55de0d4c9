//! Panics on purpose, for tests: they must not take the VM down.
//! Only in builds with the feature `faults`.

#[cfg(feature = "faults")]
mod injected {
    use std::ffi::OsString;
    use std::sync::LazyLock;

    /// The file that names the place of the panic. Read once, because asking for a variable takes a lock and each call asks.
    static FILE: LazyLock<Option<OsString>> = LazyLock::new(|| std::env::var_os("BOUNDED_FAULT"));

    /// Panics when the file that the environment variable `BOUNDED_FAULT` names holds `place`.
    pub fn point(place: &str) {
        let named = FILE
            .as_ref()
            .and_then(|path| std::fs::read_to_string(path).ok());
        if named.is_some_and(|named| named == place) {
            panic!("a fault, as asked for: {place}");
        }
    }
}

#[cfg(feature = "faults")]
pub use injected::point;

#[cfg(not(feature = "faults"))]
#[inline(always)]
pub fn point(_place: &str) {}
