//! The names on a tape that have numbers, each of them once.

use super::super::known::NameId;
use super::super::sink::Name;
use crate::charged::ChargedVec;
use crate::quota::{Account, Refusal};
use crate::sync::Arc;

/// Where a name lies in the bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    start: u32,
    len: u32,
}

/// Local names by the numbers of the names they belong to. There are few, and none is ever forgotten.
#[derive(Debug)]
pub(super) struct Names {
    bytes: ChargedVec<u8>,
    places: ChargedVec<Place>,
}

impl Names {
    pub fn new(account: &Arc<Account>) -> Names {
        Names {
            bytes: ChargedVec::new(account),
            places: ChargedVec::new(account),
        }
    }

    /// Has the name there.
    #[inline]
    pub fn keep(&mut self, id: NameId, name: &Name<'_>) -> Result<(), Refusal> {
        match self.places.get(id.index()) {
            Some(place) if place.len > 0 => Ok(()),
            _ => self.add(id.index(), name.local.as_bytes()),
        }
    }

    #[cold]
    fn add(&mut self, index: usize, local: &[u8]) -> Result<(), Refusal> {
        while self.places.len() <= index {
            self.places.push(Place::default())?;
        }
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(local)?;
        self.places[index] = Place {
            start,
            len: local.len() as u32,
        };
        Ok(())
    }

    /// The local name, if it was kept.
    #[inline]
    pub fn get(&self, id: NameId) -> Option<&[u8]> {
        let place = self.places.get(id.index())?;
        self.bytes
            .get(place.start as usize..)?
            .get(..place.len as usize)
    }
}
