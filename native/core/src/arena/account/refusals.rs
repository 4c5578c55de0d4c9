//! Reservations that are refused on purpose: only in builds with the feature `faults`, which is for tests.
//!
//! The limits of a test are reached where its figures happen to reach them. Refusing the first reservation of an operation, then the
//! second and so on, reaches every place that reserves.

#[cfg(feature = "faults")]
use crate::sync::{AtomicBool, AtomicU64, Ordering};

/// Which reservations of an account, and of the accounts below it, are refused. Nothing in other builds.
#[derive(Debug)]
pub(super) struct Refusals {
    /// The number of reservations to come until the refused one; 0 for none.
    #[cfg(feature = "faults")]
    left: AtomicU64,
    /// Whether those behind it are refused too.
    #[cfg(feature = "faults")]
    lasting: AtomicBool,
    #[cfg(feature = "faults")]
    refused: AtomicU64,
}

#[cfg(not(feature = "faults"))]
impl Refusals {
    pub fn new() -> Refusals {
        Refusals {}
    }

    #[inline(always)]
    pub fn next(&self) -> bool {
        false
    }
}

#[cfg(feature = "faults")]
impl Refusals {
    pub fn new() -> Refusals {
        Refusals {
            left: AtomicU64::new(0),
            lasting: AtomicBool::new(false),
            refused: AtomicU64::new(0),
        }
    }

    /// Refuses the reservation `nth` from now on, and with `lasting` every later one; 0 for none. Returns the number of those
    /// refused since the last call.
    pub fn set(&self, nth: u64, lasting: bool) -> u64 {
        self.left.store(0, Ordering::SeqCst);
        let refused = self.refused.swap(0, Ordering::SeqCst);
        self.lasting.store(lasting, Ordering::SeqCst);
        self.left.store(nth, Ordering::SeqCst);
        refused
    }

    /// Whether the reservation that is being made is a refused one.
    pub fn next(&self) -> bool {
        let lasting = self.lasting.load(Ordering::SeqCst);
        let counted =
            self.left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| match left {
                    0 => None,
                    1 if lasting => Some(1),
                    left => Some(left - 1),
                });
        let refuses = counted == Ok(1);
        if refuses {
            self.refused.fetch_add(1, Ordering::SeqCst);
        }
        refuses
    }
}

#[cfg(all(test, feature = "faults", not(loom)))]
mod tests {
    use crate::arena::account::{Account, Kind, Reservation};

    #[test]
    fn one_or_all_from_one_on() {
        let account = Account::child(&Account::root(), 1_000);
        let inner = Account::child(&account, 1_000);
        for (lasting, granted) in [
            (false, [true, true, false, true]),
            (true, [true, true, false, false]),
        ] {
            account.refuse_reservation(3, lasting);
            let made = [(); 4].map(|()| Reservation::new(&inner, Kind::Native, 10).is_ok());
            assert_eq!(made, granted);
            assert_eq!((inner.reserved(), account.reserved()), (0, 0));
            let refused = granted.iter().filter(|granted| !**granted).count() as u64;
            assert_eq!(account.refuse_reservation(0, false), refused);
        }
        assert!(Reservation::new(&inner, Kind::Native, 10).is_ok());
    }
}
