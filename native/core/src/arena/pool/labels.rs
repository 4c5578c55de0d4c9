//! The bytes that are held of a pool, by label. Admissions without a label cost nothing here.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A label, shared by the admissions that carry it.
pub(super) type Label = Arc<[u8]>;

/// The admissions of one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    pub label: Arc<[u8]>,
    pub bytes: u64,
    pub admissions: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Held {
    bytes: u64,
    admissions: u64,
}

/// Holds an entry for every label with a live admission and for no other. A lock of the standard
/// library: no other one is taken under it, so there is nothing here for loom to explore.
#[derive(Debug, Default)]
pub(super) struct Labels(Mutex<BTreeMap<Label, Held>>);

impl Labels {
    pub fn add(&self, label: &[u8], bytes: u64) -> Label {
        let mut table = self.lock();
        let label = match table.get_key_value(label) {
            Some((known, _)) => Arc::clone(known),
            None => Arc::from(label),
        };
        let held = table.entry(Arc::clone(&label)).or_default();
        held.bytes += bytes;
        held.admissions += 1;
        label
    }

    pub fn remove(&self, label: &Label, bytes: u64) {
        let mut table = self.lock();
        if let Some(held) = table.get_mut(label) {
            held.bytes -= bytes;
            held.admissions -= 1;
            if held.admissions == 0 {
                table.remove(label);
            }
        }
    }

    /// The first `most` of those behind `after`, by label.
    pub fn holders(&self, after: Option<&[u8]>, most: usize) -> Vec<Holder> {
        let table = self.lock();
        let behind = (after.map_or(Unbounded, Excluded), Unbounded);
        let holders = table.range::<[u8], _>(behind).take(most);
        holders
            .map(|(label, held)| Holder {
                label: Arc::clone(label),
                bytes: held.bytes,
                admissions: held.admissions,
            })
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Label, Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
