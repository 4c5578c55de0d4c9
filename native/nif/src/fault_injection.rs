//! Faults on purpose, for tests: panics, which must not take the VM down, and refused reservations, which must leave nothing behind.
//! Only in builds with the feature `faults`.

#[cfg(feature = "faults")]
mod injected {
    use crate::quota::registry;
    use rustler::Env;
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

    /// Refuses the reservation `nth` of the calling process's account from now on, and with `lasting` every later one; 0 for none.
    /// Returns the number of those refused since the last call, and the bytes that the account has reserved.
    #[rustler::nif]
    fn refuse_reservation(env: Env, nth: u64, lasting: bool) -> (u64, u64) {
        let account = registry::own_account(env);
        (account.refuse_reservation(nth, lasting), account.reserved())
    }
}

#[cfg(feature = "faults")]
pub use injected::point;

#[cfg(not(feature = "faults"))]
#[inline(always)]
pub fn point(_place: &str) {}
