//! Attribute values that are not what they say: references, white space, entities.

use crate::xml::api::sink::Sink;
use crate::xml::scanner::interrupt::{Interrupt, exceeded, malformed};
use crate::xml::scanner::{REFERENCE_COST, SPACE_COST, Scanner};
use crate::xml::syntax::byte_class::{self, VALUE};
use crate::xml::syntax::reference::Target;

impl<S: Sink> Scanner<'_, S> {
    /// Writes on with a value up to its closing quote, where it leaves `at`.
    ///
    /// ```text
    /// AttValue ::= '"' ([^<&"] | Reference)* '"' | "'" ([^<&'] | Reference)* "'"      (XML 1.0, 2.3; normalised as in 3.3.3)
    /// ```
    pub fn normalise_value(&mut self, text: &[u8]) -> Result<(), Interrupt> {
        // Within an entity's text a quote is a quote.
        let in_entity = self.level > self.core.tag.level;
        loop {
            let at = self.at;
            let mut stop = at;
            while stop < text.len() && !byte_class::is(text[stop], VALUE) {
                stop += 1;
            }
            if stop > at {
                self.append_plain(&text[at..stop], at)?;
                self.at = stop;
            }
            let next = match text.get(stop) {
                None => return Err(Interrupt::NeedInput),
                Some(&quote) if quote == self.core.tag.quote && !in_entity => {
                    self.end_value();
                    return Ok(());
                }
                Some(b'<') => {
                    return malformed(stop, "no '<' is allowed in the value of an attribute");
                }
                Some(b'&') => self.value_reference(text, stop)?,
                Some(_) if self.core.credit == 0 => return Err(Interrupt::Full),
                Some(b'\r') if self.level == 0 => match text.get(stop + 1) {
                    None => return Err(Interrupt::NeedInput),
                    Some(b'\n') => self.append_value(b" ", stop).map(|()| stop + 2)?,
                    Some(_) => self.append_value(b" ", stop).map(|()| stop + 1)?,
                },
                Some(&byte) => {
                    let byte = if byte_class::is(byte, byte_class::SPACE) {
                        b' '
                    } else {
                        byte
                    };
                    self.append_value(&[byte], stop)?;
                    stop + 1
                }
            };
            self.charge(SPACE_COST);
            self.at = next;
        }
    }

    /// Expands the reference at `at`; returns where to go on.
    fn value_reference(&mut self, text: &[u8], at: usize) -> Result<usize, Interrupt> {
        self.spend(REFERENCE_COST)?;
        let reference = self.reference(text, at)?;
        match reference.target {
            Target::Char(char) => {
                let mut utf8 = [0; 4];
                self.append_value(char.encode_utf8(&mut utf8).as_bytes(), at)?;
            }
            Target::Entity(name) => self.enter_in_value(name, at, reference.end)?,
            Target::Forbidden(_) | Target::None(_) => {
                return self.recover_in_value(text, at, &reference);
            }
        }
        Ok(reference.end)
    }

    /// Adds `bytes`, which stand at `at`, to the value: all of them or, refused, none.
    fn append_plain(&mut self, bytes: &[u8], at: usize) -> Result<(), Interrupt> {
        let room = self.core.limits.max_attribute_bytes as usize - self.value_len();
        if !self.core.tag.collapse && bytes.len() > room {
            return self.value_too_long(at + room);
        }
        self.append_value(bytes, at)
    }

    /// Adds what `at` stands for.
    pub fn append_value(&mut self, bytes: &[u8], at: usize) -> Result<(), Interrupt> {
        if self.core.tag.collapse {
            return self.append_collapsed(bytes, at);
        }
        if self.value_len() + bytes.len() > self.core.limits.max_attribute_bytes as usize {
            return self.value_too_long(at);
        }
        self.core.tag.normalised.extend_from_slice(bytes)?;
        Ok(())
    }

    /// The same for a value of a tokenised type, where runs of spaces count as one.
    fn append_collapsed(&mut self, bytes: &[u8], at: usize) -> Result<(), Interrupt> {
        let max = self.core.limits.max_attribute_bytes as usize;
        self.core.tag.normalised.reserve(bytes.len())?;
        for (index, &byte) in bytes.iter().enumerate() {
            let len = self.value_len();
            let after_space = len == 0 || self.core.tag.normalised.last() == Some(&b' ');
            if byte == b' ' && after_space {
                continue;
            }
            if len == max {
                return self.value_too_long(at + index);
            }
            self.core.tag.normalised.push(byte)?;
        }
        Ok(())
    }

    fn end_value(&mut self) {
        let tag = &mut self.core.tag;
        let start = tag.pending.value.start as usize;
        if tag.collapse && tag.normalised.len() > start && tag.normalised.last() == Some(&b' ') {
            tag.normalised.pop();
        }
        tag.pending.value.end = tag.normalised.len() as u32;
    }

    fn value_len(&self) -> usize {
        self.core.tag.normalised.len() - self.core.tag.pending.value.start as usize
    }

    #[cold]
    pub fn value_too_long<T>(&self, at: usize) -> Result<T, Interrupt> {
        let max = self.core.limits.max_attribute_bytes;
        exceeded(at, "max_attribute_bytes", max, max + 1)
    }
}
