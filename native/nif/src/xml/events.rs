//! Events as terms, in the shape that users of Saxy know.

use super::batch::Batch;
use super::intern::Interner;
use super::large::{LARGE, LARGE_TOGETHER, LargeValues, Wait};
use super::long_tag::{LongTag, MANY};
use super::terms::{self, RawTerm, Terms};
use bounded_core::xml::{Attribute, Attributes, Doctype, Flow, Name, Position, Prolog, Sink};
use rustler::{Atom, Encoder};
use std::mem::MaybeUninit;

/// Lists of up to so many attributes are made in one go.
const FEW: usize = 16;

/// Turns what the parser tells in one call into terms.
pub struct EventSink<'a, 'env> {
    pub terms: Terms<'env>,
    pub interner: &'a mut Interner,
    pub batch: &'a mut Batch,
    pub large: &'a mut LargeValues,
    pub long_tag: &'a mut LongTag,
    /// `{line, column}` of the next event, when places are asked for.
    pub place: Option<RawTerm>,
}

impl EventSink<'_, '_> {
    #[inline(always)]
    fn push(&mut self, event: RawTerm) -> Flow {
        let event = match self.place {
            Some(place) => self.terms.tuple([event, place]),
            None => event,
        };
        self.batch.push(event);
        Flow::Taken
    }

    /// A string as a term, `None` when it has to wait.
    #[inline]
    fn string(&mut self, text: &str) -> Option<RawTerm> {
        if text.len() > LARGE {
            return self.large_string(text);
        }
        self.batch.count(0, text.len());
        Some(self.terms.binary(text.as_bytes()))
    }

    #[cold]
    fn large_string(&mut self, text: &str) -> Option<RawTerm> {
        match self.large.prepare(LARGE, std::iter::once(text)) {
            Ok(()) => self.large.take(&self.terms),
            Err(wait) => {
                self.batch.wait(wait);
                None
            }
        }
    }

    /// `{tag, text}`.
    fn tagged(&mut self, tag: Atom, text: &str) -> Flow {
        if self.batch.is_full() {
            return Flow::Again;
        }
        let Some(text) = self.string(text) else {
            return Flow::Again;
        };
        let event = self.terms.tuple([tag.as_c_arg(), text]);
        self.push(event)
    }

    /// A list of pairs, `None` when it has to wait.
    #[inline(always)]
    fn attributes(&mut self, attributes: &Attributes<'_>) -> Option<RawTerm> {
        let (count, bytes) = (attributes.len(), attributes.value_bytes());
        let mut pairs = [MaybeUninit::uninit(); FEW];
        let Some(pairs) = pairs.get_mut(..count).filter(|_| bytes <= LARGE) else {
            return self.more_attributes(*attributes, bytes);
        };
        self.batch.count(count, bytes);
        for (index, pair) in pairs.iter_mut().enumerate() {
            pair.write(self.attribute(&attributes.get(index)?));
        }
        // SAFETY: there are as many as there are attributes, and each was written.
        let pairs = unsafe { pairs.assume_init_ref() };
        Some(self.terms.list(pairs))
    }

    /// `{name, value}`.
    #[inline(always)]
    fn attribute(&mut self, attribute: &Attribute<'_>) -> RawTerm {
        let value = attribute.value.as_bytes();
        self.interner
            .attribute(&self.terms, attribute.name.into(), value)
    }

    /// The same of more attributes, or of larger ones.
    #[cold]
    fn more_attributes(&mut self, attributes: Attributes<'_>, bytes: usize) -> Option<RawTerm> {
        let count = attributes.len();
        let mut threshold = LARGE;
        if bytes > LARGE {
            threshold = LARGE_TOGETHER;
            let values = attributes.iter().map(|attribute| attribute.value);
            // Of a long tag that was begun they are prepared, and some taken.
            if self.long_tag.unbuilt() == 0
                && let Err(wait) = self.large.prepare(threshold, values)
            {
                self.batch.wait(wait);
                return None;
            }
        }
        if count > MANY {
            return self.many_attributes(attributes, threshold);
        }
        self.batch.count(count, bytes);
        let mut list = self.terms.empty_list;
        for attribute in attributes.iter().rev() {
            let pair = self.any_attribute(&attribute, threshold)?;
            list = self.terms.cell(pair, list);
        }
        Some(list)
    }

    /// The same in as many calls as it takes.
    fn many_attributes(&mut self, attributes: Attributes<'_>, threshold: usize) -> Option<RawTerm> {
        let count = attributes.len();
        let (mut unbuilt, mut list) = self.long_tag.begin(count, self.terms.empty_list);
        for attribute in attributes.iter().rev().skip(count - unbuilt) {
            if self.batch.is_full() {
                self.long_tag.suspend(unbuilt, list);
                self.batch.wait(Wait::Paused);
                return None;
            }
            self.batch.count(1, attribute.value.len());
            let pair = self.any_attribute(&attribute, threshold)?;
            list = self.terms.cell(pair, list);
            unbuilt -= 1;
        }
        Some(list)
    }

    /// One whose value, if it is longer than `threshold`, is the last one prepared.
    fn any_attribute(&mut self, attribute: &Attribute<'_>, threshold: usize) -> Option<RawTerm> {
        if attribute.value.len() <= threshold {
            return Some(self.attribute(attribute));
        }
        let name = self.interner.name(&self.terms, attribute.name.into());
        let value = self.large.take(&self.terms)?;
        Some(self.terms.tuple([name, value]))
    }

    /// `{key, value}` pairs for those that are there.
    fn properties<const N: usize>(&self, properties: [(Atom, Option<RawTerm>); N]) -> RawTerm {
        let mut list = self.terms.empty_list;
        for (key, value) in properties.into_iter().rev() {
            if let Some(value) = value {
                list = self
                    .terms
                    .cell(self.terms.tuple([key.as_c_arg(), value]), list);
            }
        }
        list
    }
}

impl Sink for EventSink<'_, '_> {
    fn position(&mut self, position: Position) {
        self.place = Some(self.terms.place(position));
    }

    fn start_document(&mut self, prolog: &Prolog<'_>) -> Flow {
        let terms = self.terms;
        let binary = |text: &str| terms.binary(text.as_bytes());
        let prolog = self.properties([
            (terms::version(), prolog.version.map(binary)),
            (terms::encoding(), prolog.encoding.map(binary)),
            (
                terms::standalone(),
                prolog.standalone.map(|it| terms.encode(it)),
            ),
        ]);
        self.push(terms.tuple([terms::start_document().as_c_arg(), prolog]))
    }

    #[inline(always)]
    fn start_element(&mut self, name: Name<'_>, attributes: &Attributes<'_>) -> Flow {
        if self.batch.is_full() {
            return Flow::Again;
        }
        let event = if attributes.is_empty() {
            self.interner.start_event(&self.terms, name.into())
        } else {
            let Some(attributes) = self.attributes(attributes) else {
                return Flow::Again;
            };
            let name = self.interner.name(&self.terms, name.into());
            let element = self.terms.tuple([name, attributes]);
            self.terms.tuple([self.terms.start_element, element])
        };
        self.push(event)
    }

    #[inline(always)]
    fn end_element(&mut self, name: Name<'_>) -> Flow {
        if self.batch.is_full() {
            return Flow::Again;
        }
        let event = self.interner.end_event(&self.terms, name.into());
        self.push(event)
    }

    #[inline(always)]
    fn characters(&mut self, text: &str) -> Flow {
        if self.batch.is_full() {
            return Flow::Again;
        }
        let event = if text.len() > LARGE {
            let Some(text) = self.large_string(text) else {
                return Flow::Again;
            };
            self.terms.tuple([self.terms.characters, text])
        } else {
            self.batch.count(0, text.len());
            self.interner.text_event(&self.terms, text.as_bytes())
        };
        self.push(event)
    }

    fn cdata(&mut self, text: &str) -> Flow {
        self.tagged(terms::cdata(), text)
    }

    fn comment(&mut self, text: &str) -> Flow {
        self.tagged(terms::comment(), text)
    }

    fn processing_instruction(&mut self, target: &str, data: &str) -> Flow {
        if self.batch.is_full() {
            return Flow::Again;
        }
        let Some(data) = self.string(data) else {
            return Flow::Again;
        };
        let target = self.terms.binary(target.as_bytes());
        let tag = terms::processing_instruction().as_c_arg();
        let event = self.terms.tuple([tag, self.terms.tuple([target, data])]);
        self.push(event)
    }

    fn doctype(&mut self, doctype: &Doctype<'_>) -> Flow {
        if self.batch.is_full() {
            return Flow::Again;
        }
        let subset = match doctype.internal_subset.map(|subset| self.string(subset)) {
            Some(None) => return Flow::Again,
            Some(subset) => subset,
            None => None,
        };
        let terms = self.terms;
        let binary = |text: &str| terms.binary(text.as_bytes());
        let doctype = self.properties([
            (terms::name(), Some(binary(doctype.name))),
            (terms::public_id(), doctype.public_id.map(binary)),
            (terms::system_id(), doctype.system_id.map(binary)),
            (terms::internal_subset(), subset),
        ]);
        self.push(terms.tuple([terms::doctype().as_c_arg(), doctype]))
    }

    fn skipped_entity(&mut self, name: &str) -> Flow {
        self.tagged(terms::skipped_entity(), name)
    }

    fn end_document(&mut self) -> Flow {
        if self.batch.is_full() {
            return Flow::Again;
        }
        let event = self.terms.tuple([
            terms::end_document().as_c_arg(),
            ().encode(self.terms.env).as_c_arg(),
        ]);
        self.push(event)
    }

    #[inline]
    fn is_full(&self) -> bool {
        self.batch.is_full()
    }
}
