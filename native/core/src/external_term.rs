//! The memory that a term in the external term format takes once it is decoded, computed without decoding it.
//!
//! A term's declared sizes are not to be trusted, nor is its decoded size: nil is 1 byte in a list that
//! takes 16. [`SizeScan`] reads every tag, counts the memory that the term will take, and refuses what is
//! over a limit, cannot be complete, or was not asked for. It needs no stack: tags stand in prefix order,
//! so one counter of terms still to come is enough. It can stop after any term and go on later.
//!
//! Source of the format: "External Term Format" in the ERTS user's guide.
#![forbid(unsafe_code)]

use bytes::{Buf, TryGetError};

/// The first byte of every external term.
pub const VERSION: u8 = 131;

/// The second byte of a compressed one, whose declared size follows in four bytes.
pub const COMPRESSED: u8 = 80;

const WORD: u64 = 8;

/// Binaries up to this size live in the heap of their process.
const HEAP_BINARY_MAX: u64 = 64;

/// Words of a reference to a larger binary, on the release that takes most.
const BINARY_REFERENCE: u64 = 8;

/// Words of a process identifier, port or reference of another node, besides a reference's numbers.
const EXTERNAL_IDENTIFIER: u64 = 6;

/// Words of an entry in the VM's table of nodes, which an identifier of a node that the VM does not know yet makes: 70
/// bytes as the VM counts, 85 to 100 of the system's memory.
const NODE: u64 = 16;

/// Words of a native record besides its fields, and of each field, its definition included.
const RECORD: u64 = 9;
const RECORD_FIELD: u64 = 3;

/// Words of a function besides what it captured, and besides the terms that describe it, on the release that takes most.
const FUNCTION: u64 = 8;

/// A map with more keys is a hash trie, taking up to this many words per key.
const FLAT_MAP_MAX: u64 = 32;
const TRIE_WORDS_PER_KEY: u64 = 5;

/// Kinds of terms that are refused unless they are allowed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allowed<'a> {
    pub functions: bool,
    pub references: bool,
    pub ports: bool,
    /// Process identifiers, references and ports of other nodes, and of this one before it was restarted.
    pub external: bool,
    /// Native records, where the VM has them.
    pub records: bool,
    /// This node's name and its number since it was started.
    pub node: &'a [u8],
    pub creation: u32,
}

/// Why a term is not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It takes more than the limit; at least this many bytes.
    Limit(u64),
    /// The bytes end too early, or a declared length cannot fit in what is left.
    Truncated,
    /// No tag that is ever written, or a wrong one in its place.
    Malformed,
    /// A function, reference or port that was not asked for.
    Forbidden(&'static str),
}

impl From<TryGetError> for Fault {
    fn from(_: TryGetError) -> Fault {
        Fault::Truncated
    }
}

/// Whether there is more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    More,
    Done,
}

/// A scan of one term for its decoded size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeScan {
    /// The offset of the next byte to be read; after a fault, that of the tag at fault.
    pub position: usize,
    /// Terms still to come.
    pub pending: u64,
    /// Bytes that the terms read so far take.
    pub decoded: u64,
}

impl SizeScan {
    /// A scan that starts at `position`, behind the version byte.
    pub fn new(position: usize) -> SizeScan {
        SizeScan {
            position,
            pending: 1,
            decoded: 0,
        }
    }

    /// Reads at most `terms` terms of `bytes`, which are the same in every call.
    pub fn step(
        &mut self,
        bytes: &[u8],
        limit: u64,
        allowed: &Allowed<'_>,
        terms: usize,
    ) -> Result<Progress, Fault> {
        for _ in 0..terms {
            if self.pending == 0 {
                return Ok(Progress::Done);
            }
            let rest = bytes.get(self.position..).ok_or(Fault::Truncated)?;
            let mut term = Term {
                rest,
                words: 0,
                payload: 0,
                children: 0,
            };
            term.read(allowed)?;
            self.pending = (self.pending - 1).saturating_add(term.children);
            // Each term still to come is a byte at least: a huge declared length fails here, at once.
            if self.pending > term.rest.len() as u64 {
                return Err(Fault::Truncated);
            }
            let size = term.words.saturating_mul(WORD).saturating_add(term.payload);
            self.decoded = self.decoded.saturating_add(size);
            if self.decoded > limit {
                return Err(Fault::Limit(self.decoded));
            }
            self.position = bytes.len() - term.rest.len();
        }
        Ok(if self.pending == 0 {
            Progress::Done
        } else {
            Progress::More
        })
    }
}

/// How the number of a node's start is written.
#[derive(Clone, Copy)]
enum Creation {
    Byte,
    Word,
}

/// One term without its children.
struct Term<'a> {
    rest: &'a [u8],
    /// Words of heap.
    words: u64,
    /// Bytes outside the heap.
    payload: u64,
    children: u64,
}

impl Term<'_> {
    fn read(&mut self, allowed: &Allowed<'_>) -> Result<(), Fault> {
        match self.byte()? {
            b'a' => self.skip(1)?,
            b'b' => self.skip(4)?,
            b'F' => self.scalar(8, 2)?,
            b'c' => self.scalar(31, 2)?,
            tag @ (b'd' | b'v' | b's' | b'w') => self.atom(tag)?,
            b'h' => self.tuple(|term| Ok(u64::from(term.byte()?)))?,
            b'i' => self.tuple(Term::u32)?,
            b'j' => {}
            b'k' => self.string()?,
            b'l' => {
                let elements = self.u32()?;
                self.words = 2 * elements;
                self.children = elements + 1;
            }
            b'm' => {
                let len = self.u32()?;
                self.binary(len)?;
            }
            b'M' => {
                let len = self.u32()?;
                self.skip(1)?;
                self.words = BINARY_REFERENCE;
                self.binary(len)?;
            }
            b'n' => {
                let len = u64::from(self.byte()?);
                self.big(len)?;
            }
            b'o' => {
                let len = self.u32()?;
                self.big(len)?;
            }
            b't' => self.map()?,
            b'g' => self.process(Creation::Byte, allowed)?,
            b'X' => self.process(Creation::Word, allowed)?,
            b'f' => self.port(4, Creation::Byte, allowed)?,
            b'Y' => self.port(4, Creation::Word, allowed)?,
            b'x' => self.port(8, Creation::Word, allowed)?,
            b'e' => {
                self.require(allowed.references, "reference")?;
                let local = self.node(allowed)?;
                self.skip(4)?;
                self.creation(Creation::Byte, local, allowed)?;
            }
            b'r' => self.reference(Creation::Byte, allowed)?,
            b'Z' => self.reference(Creation::Word, allowed)?,
            b'C' => self.record(allowed)?,
            b'p' => self.function(allowed)?,
            b'q' => {
                self.require(allowed.functions, "function")?;
                self.words = FUNCTION;
                self.children = 3;
            }
            _ => return Err(Fault::Malformed),
        }
        Ok(())
    }

    fn tuple(&mut self, arity: impl Fn(&mut Self) -> Result<u64, Fault>) -> Result<(), Fault> {
        self.children = arity(self)?;
        self.words = self.children + 1;
        Ok(())
    }

    /// A list of small integers, written as bytes.
    fn string(&mut self) -> Result<(), Fault> {
        let len = self.u16()?;
        self.words = 2 * len;
        self.skip(len)
    }

    fn binary(&mut self, len: u64) -> Result<(), Fault> {
        if len <= HEAP_BINARY_MAX {
            self.words += 2 + len.div_ceil(WORD);
        } else {
            self.words += BINARY_REFERENCE;
            self.payload = len;
        }
        self.skip(len)
    }

    fn big(&mut self, len: u64) -> Result<(), Fault> {
        self.words = 1 + len.div_ceil(WORD);
        self.skip(len + 1)
    }

    fn map(&mut self) -> Result<(), Fault> {
        let keys = self.u32()?;
        self.children = 2 * keys;
        self.words = if keys <= FLAT_MAP_MAX {
            // The map, and the tuple of its keys.
            4 + 2 * keys
        } else {
            TRIE_WORDS_PER_KEY * keys
        };
        Ok(())
    }

    fn process(&mut self, creation: Creation, allowed: &Allowed<'_>) -> Result<(), Fault> {
        let local = self.node(allowed)?;
        self.skip(8)?;
        self.creation(creation, local, allowed)
    }

    fn port(
        &mut self,
        number: u64,
        creation: Creation,
        allowed: &Allowed<'_>,
    ) -> Result<(), Fault> {
        self.require(allowed.ports, "port")?;
        let local = self.node(allowed)?;
        self.skip(number)?;
        self.creation(creation, local, allowed)
    }

    fn reference(&mut self, creation: Creation, allowed: &Allowed<'_>) -> Result<(), Fault> {
        self.require(allowed.references, "reference")?;
        let numbers = self.u16()?;
        let local = self.node(allowed)?;
        self.creation(creation, local, allowed)?;
        self.words += numbers;
        self.skip(4 * numbers)
    }

    /// The name of a node; returns whether it is that of this one.
    fn node(&mut self, allowed: &Allowed<'_>) -> Result<bool, Fault> {
        let tag = self.byte()?;
        let before = self.rest;
        self.atom(tag)?;
        // The name, behind its length of one byte or two.
        let atom = &before[..before.len() - self.rest.len()];
        let length = if matches!(tag, b'd' | b'v') { 2 } else { 1 };
        Ok(atom.get(length..) == Some(allowed.node))
    }

    /// Which start of its node an identifier belongs to. The VM keeps an entry for each node and start that it has
    /// seen, outside of any process, and for a minute after the last identifier is gone.
    fn creation(
        &mut self,
        creation: Creation,
        local: bool,
        allowed: &Allowed<'_>,
    ) -> Result<(), Fault> {
        let creation = match creation {
            Creation::Byte => u64::from(self.byte()?),
            Creation::Word => self.u32()?,
        };
        self.words = EXTERNAL_IDENTIFIER;
        // The VM takes 0 for its own as well.
        if !local || (creation != 0 && creation != u64::from(allowed.creation)) {
            self.require(allowed.external, "identifier of another node")?;
            self.words += NODE;
        }
        Ok(())
    }

    /// The number of fields and a flag, then module, name, names of fields and their values.
    fn record(&mut self, allowed: &Allowed<'_>) -> Result<(), Fault> {
        self.require(allowed.records, "native record")?;
        let fields = self.u32()?;
        self.skip(1)?;
        self.words = RECORD + RECORD_FIELD * fields;
        self.children = 2 + 2 * fields;
        Ok(())
    }

    fn function(&mut self, allowed: &Allowed<'_>) -> Result<(), Fault> {
        self.require(allowed.functions, "function")?;
        // Size, arity, hash and index; then the number of captured terms, behind module, old index, old
        // hash and process identifier.
        self.skip(4 + 1 + 16 + 4)?;
        let captured = self.u32()?;
        self.words = FUNCTION + captured;
        self.children = 4 + captured;
        Ok(())
    }

    fn atom(&mut self, tag: u8) -> Result<(), Fault> {
        let len = match tag {
            b'd' | b'v' => self.u16()?,
            b's' | b'w' => u64::from(self.byte()?),
            _ => return Err(Fault::Malformed),
        };
        self.skip(len)
    }

    fn require(&self, allowed: bool, kind: &'static str) -> Result<(), Fault> {
        if allowed {
            Ok(())
        } else {
            Err(Fault::Forbidden(kind))
        }
    }

    fn scalar(&mut self, len: u64, words: u64) -> Result<(), Fault> {
        self.words = words;
        self.skip(len)
    }

    fn skip(&mut self, len: u64) -> Result<(), Fault> {
        let len = usize::try_from(len).map_err(|_| Fault::Truncated)?;
        self.rest = self.rest.get(len..).ok_or(Fault::Truncated)?;
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        Ok(self.rest.try_get_u8()?)
    }

    fn u16(&mut self) -> Result<u64, Fault> {
        Ok(self.rest.try_get_u16()?.into())
    }

    fn u32(&mut self) -> Result<u64, Fault> {
        Ok(self.rest.try_get_u32()?.into())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
