//! How large a record is: its strings, each as often as it stands there.

use crate::xml::config::RecordLimits;
use bounded_core::xml::{Attributes, ExceededLimit, Namespace};

/// The bytes that every string counts for besides its own.
const STRING_BYTES: usize = 16;

/// Of the namespaces in a record, the last ones are looked at for one that was counted already.
const RECENT_NAMESPACES: usize = 8;

pub struct RecordSize {
    bytes: u64,
    elements: u64,
    limits: RecordLimits,
    namespaces: [Option<u32>; RECENT_NAMESPACES],
}

impl RecordSize {
    pub fn new(limits: RecordLimits) -> RecordSize {
        RecordSize {
            bytes: 0,
            elements: 0,
            limits,
            namespaces: [None; RECENT_NAMESPACES],
        }
    }

    /// Adds bytes and strings, if the record may have that many.
    #[inline(always)]
    pub fn add(&mut self, bytes: usize, strings: usize) -> Result<(), ExceededLimit> {
        let seen = self.bytes + (bytes + strings * STRING_BYTES) as u64;
        within("max_record_bytes", self.limits.bytes, seen)?;
        self.bytes = seen;
        Ok(())
    }

    /// Adds an element that opens so deep in the record, 1 for the record itself, with its bytes and strings.
    #[inline(always)]
    pub fn add_element(
        &mut self,
        depth: u64,
        bytes: usize,
        strings: usize,
    ) -> Result<(), ExceededLimit> {
        let elements = self.elements + 1;
        let bytes = self.bytes + (bytes + strings * STRING_BYTES) as u64;
        let limits = &self.limits;
        if depth > limits.depth || elements > limits.elements || bytes > limits.bytes {
            return self.exceeded(depth, elements, bytes);
        }
        (self.elements, self.bytes) = (elements, bytes);
        Ok(())
    }

    /// Which limit an element goes beyond.
    #[cold]
    fn exceeded(&self, depth: u64, elements: u64, bytes: u64) -> Result<(), ExceededLimit> {
        within("max_record_depth", self.limits.depth, depth)?;
        within("max_record_elements", self.limits.elements, elements)?;
        within("max_record_bytes", self.limits.bytes, bytes)
    }

    #[inline]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn limit(&self) -> u64 {
        self.limits.bytes
    }

    /// As large as it was.
    pub fn go_back(&mut self, bytes: u64) {
        self.bytes = bytes;
    }

    /// Bytes of the namespaces of an element and its attributes that were not counted lately.
    #[inline(never)]
    pub fn namespaces(
        &mut self,
        element: Option<Namespace<'_>>,
        attributes: &Attributes<'_>,
    ) -> usize {
        let names = attributes.iter().map(|attribute| attribute.name);
        let namespaces = names.filter_map(|name| name.namespace).chain(element);
        let mut bytes = 0;
        for namespace in namespaces {
            if !self.namespaces.contains(&Some(namespace.id)) {
                self.namespaces.rotate_right(1);
                self.namespaces[0] = Some(namespace.id);
                bytes += namespace.uri.len();
            }
        }
        bytes
    }

    pub fn clear(&mut self) {
        self.bytes = 0;
        self.elements = 0;
        self.namespaces = [None; RECENT_NAMESPACES];
    }
}

#[inline(always)]
fn within(name: &'static str, value: u64, seen: u64) -> Result<(), ExceededLimit> {
    match seen <= value {
        true => Ok(()),
        false => Err(ExceededLimit { name, value, seen }),
    }
}
