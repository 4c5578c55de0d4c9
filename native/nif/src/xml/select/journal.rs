//! What was found of the fields of a record, in document order.

use bounded_core::arena::account::{Account, Refusal};
use bounded_core::arena::chunked_buf::ChunkedBuf;
use std::sync::Arc;

/// Where the bytes of a value lie, or what else an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum What {
    Text = 0,
    /// An attribute's value.
    Value = 1,
    /// The value of an attribute around the record.
    Around = 2,
    /// A record in the record begins, or ends.
    Begin = 3,
    End = 4,
    /// The source text of an element.
    Raw = 5,
}

impl What {
    fn of(byte: u8) -> What {
        match byte {
            0 => What::Text,
            1 => What::Value,
            2 => What::Around,
            3 => What::Begin,
            5 => What::Raw,
            _ => What::End,
        }
    }
}

/// A value of a field, or an end of a record.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub what: What,
    /// The number of the field or record.
    pub index: u32,
    pub start: u32,
    pub end: u32,
}

/// The bytes of an entry, which divide those of a block: no entry is in two.
const BYTES: usize = 16;

/// A million entries do not move when one is added.
pub struct Journal(ChunkedBuf);

impl Journal {
    pub fn new(account: &Arc<Account>) -> Journal {
        Journal(ChunkedBuf::new(account))
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.0.len() / BYTES
    }

    #[inline]
    pub fn push(&mut self, entry: Entry) -> Result<(), Refusal> {
        let mut bytes = [0; BYTES];
        bytes[0] = entry.what as u8;
        bytes[4..8].copy_from_slice(&entry.index.to_le_bytes());
        bytes[8..12].copy_from_slice(&entry.start.to_le_bytes());
        bytes[12..].copy_from_slice(&entry.end.to_le_bytes());
        self.0.extend(&bytes).map(|_| ())
    }

    #[inline]
    pub fn get(&self, index: usize) -> Option<Entry> {
        let bytes: &[u8; BYTES] = self.0.slice(index * BYTES, BYTES)?.first_chunk()?;
        let word = |at: usize| {
            let word = bytes.get(at..at + 4).and_then(|word| word.first_chunk());
            word.map_or(0, |word| u32::from_le_bytes(*word))
        };
        Some(Entry {
            what: What::of(bytes[0]),
            index: word(4),
            start: word(8),
            end: word(12),
        })
    }

    /// The value of an entry ends.
    #[inline]
    pub fn end(&mut self, index: usize, end: u32) {
        self.0.overwrite(index * BYTES + 12, &end.to_le_bytes());
    }

    /// Forgets the entries from `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.0.truncate(len * BYTES);
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}
