//! Bytes that an account has granted.

use crate::arena::account::Account;
use crate::arena::account::usage::{Kind, Refusal};
use crate::sync::Arc;

/// Bytes granted by an account and its ancestors, refunded when dropped.
#[derive(Debug)]
pub struct Reservation {
    account: Arc<Account>,
    kind: Kind,
    bytes: u64,
}

impl Reservation {
    /// A reservation of nothing, to grow later.
    pub fn empty(account: &Arc<Account>, kind: Kind) -> Reservation {
        Reservation {
            account: Arc::clone(account),
            kind,
            bytes: 0,
        }
    }

    /// Reserves `bytes` at once.
    pub fn new(account: &Arc<Account>, kind: Kind, bytes: u64) -> Result<Reservation, Refusal> {
        let mut reservation = Reservation::empty(account, kind);
        reservation.try_grow(bytes)?;
        Ok(reservation)
    }

    /// The account that granted it.
    pub fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Asks for `bytes` more; what is held stays as it is when they are refused.
    pub fn try_grow(&mut self, bytes: u64) -> Result<(), Refusal> {
        if bytes > 0 {
            self.account.grow(self.kind, bytes)?;
            self.bytes += bytes;
        }
        Ok(())
    }

    /// Gives `bytes` back, at most what is held.
    pub fn shrink(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes);
        if bytes > 0 {
            self.bytes -= bytes;
            self.account.shrink(self.kind, bytes);
        }
    }

    /// Grows or shrinks to exactly `bytes`.
    pub fn try_resize(&mut self, bytes: u64) -> Result<(), Refusal> {
        if bytes >= self.bytes {
            self.try_grow(bytes - self.bytes)
        } else {
            self.shrink(self.bytes - bytes);
            Ok(())
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shrink(self.bytes);
    }
}
