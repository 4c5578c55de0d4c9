//! Values too large to be copied within one call: charged binaries, filled a step at a time.

use crate::arena::charged_binary::ChargedBinary;
use crate::xml::terms::{RawTerm, Terms};
use bounded_core::arena::account::{Account, Refusal};
use bounded_core::arena::charged_vec::ChargedVec;
use std::sync::Arc;

/// Longer values are charged binaries; the VM's own binaries are not charged to the account.
pub const LARGE: usize = 256 * 1024;

/// If only the sum of the values of a tag is large, each value longer than this counts as large.
pub const LARGE_TOGETHER: usize = 1024;

/// Bytes written in one call.
const STEP: usize = 64 * 1024;

/// Why an event has to wait.
pub enum Wait {
    Refused(Refusal),
    /// Enough was written for this call.
    Paused,
}

impl From<Refusal> for Wait {
    fn from(refusal: Refusal) -> Wait {
        Wait::Refused(refusal)
    }
}

struct PartialBinary {
    binary: ChargedBinary,
    written: usize,
}

/// The large values of one event, in its order. The event is delivered when all are complete.
pub struct LargeValues {
    account: Arc<Account>,
    values: ChargedVec<PartialBinary>,
    budget: usize,
}

impl LargeValues {
    pub fn new(account: &Arc<Account>) -> LargeValues {
        LargeValues {
            account: Arc::clone(account),
            values: ChargedVec::new(account),
            budget: 0,
        }
    }

    /// Bytes written of the values that wait.
    pub fn written(&self) -> usize {
        self.values.iter().map(|value| value.written).sum()
    }

    pub fn begin_call(&mut self) {
        self.budget = STEP;
    }

    /// Copies those values of an event that are longer than `threshold`. After `Err(Wait)` call it again with the same
    /// values.
    #[cold]
    pub fn prepare<'a>(
        &mut self,
        threshold: usize,
        values: impl Iterator<Item = &'a str>,
    ) -> Result<(), Wait> {
        let large = values.filter(|value| value.len() > threshold);
        for (index, value) in large.enumerate() {
            self.fill(index, value.len(), |offset| {
                std::iter::once(&value.as_bytes()[offset..])
            })?;
        }
        Ok(())
    }

    /// Copies the value at `index`, of `len` bytes. `rest` returns its slices from an offset on.
    pub fn fill<'a, I: Iterator<Item = &'a [u8]>>(
        &mut self,
        index: usize,
        len: usize,
        rest: impl FnOnce(usize) -> I,
    ) -> Result<(), Wait> {
        if index == self.values.len() {
            self.values.reserve(1)?;
            let binary = ChargedBinary::new(&self.account, len)?;
            self.values.push(PartialBinary { binary, written: 0 })?;
        }
        let value = &mut self.values[index];
        for slice in rest(value.written) {
            let count = slice.len().min(self.budget).min(len - value.written);
            value.binary.payload()[value.written..][..count].write_copy_of_slice(&slice[..count]);
            value.written += count;
            self.budget -= count;
            if self.budget == 0 {
                break;
            }
        }
        if value.written < len {
            return Err(Wait::Paused);
        }
        Ok(())
    }

    /// Removes the last prepared value and returns it as a term, or `None` if it is not complete.
    pub fn take(&mut self, terms: &Terms) -> Option<RawTerm> {
        let PartialBinary { binary, written } = self.values.pop()?;
        if written < binary.len() {
            return None;
        }
        // SAFETY: `fill` wrote the whole payload from its start on.
        Some(unsafe { binary.into_term(terms.env) }.as_c_arg())
    }
}
