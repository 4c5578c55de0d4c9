//! Names, strings and lists of attributes as terms: what events and records have in common.

use crate::xml::batch::Batch;
use crate::xml::intern::Interner;
use crate::xml::large::{LARGE, LARGE_TOGETHER, LargeValues, Wait};
use crate::xml::long_tag::{LongTag, MANY};
use crate::xml::terms::{RawTerm, Terms};
use bounded_core::xml::{Attribute, Attributes};

/// Lists of up to this many attributes are made in one call of the VM.
const FEW: usize = 16;

/// Makes values in one call, and counts them.
pub struct Values<'a, 'env> {
    pub terms: Terms<'env>,
    pub interner: &'a mut Interner,
    pub batch: &'a mut Batch,
    pub large: &'a mut LargeValues,
    pub long_tag: &'a mut LongTag,
}

impl Values<'_, '_> {
    /// A string as a term, `None` when it has to wait.
    #[inline]
    pub fn string(&mut self, text: &str) -> Option<RawTerm> {
        if text.len() > LARGE {
            return self.large_string(text);
        }
        self.batch.count(0, text.len());
        Some(self.terms.binary(text.as_bytes()))
    }

    #[cold]
    pub fn large_string(&mut self, text: &str) -> Option<RawTerm> {
        match self.large.prepare(LARGE, std::iter::once(text)) {
            Ok(()) => self.large.take(&self.terms),
            Err(wait) => {
                self.batch.wait(wait);
                None
            }
        }
    }

    /// A list of pairs, given their [`Attributes::sizes`]; `None` when it has to wait.
    #[inline(always)]
    pub fn attributes(
        &mut self,
        attributes: &Attributes<'_>,
        sizes: (usize, usize),
    ) -> Option<RawTerm> {
        let (names, values) = sizes;
        let mut pairs = [self.terms.empty_list; FEW];
        let Some(pairs) = pairs.get_mut(..attributes.len()) else {
            return self.more_attributes(*attributes, sizes);
        };
        if names + values > LARGE {
            return self.more_attributes(*attributes, sizes);
        }
        self.batch.count(pairs.len(), values);
        for (index, pair) in pairs.iter_mut().enumerate() {
            *pair = self.attribute(&attributes.get(index)?);
        }
        Some(self.terms.list(pairs))
    }

    /// `{name, value}`.
    #[inline(always)]
    fn attribute(&mut self, attribute: &Attribute<'_>) -> RawTerm {
        let value = attribute.value.as_bytes();
        self.interner.attribute(&self.terms, attribute.name, value)
    }

    /// The same of more attributes, or of larger ones.
    #[cold]
    fn more_attributes(
        &mut self,
        attributes: Attributes<'_>,
        (names, values): (usize, usize),
    ) -> Option<RawTerm> {
        let count = attributes.len();
        let mut threshold = LARGE;
        if values > LARGE {
            threshold = LARGE_TOGETHER;
            if !self.are_prepared(&attributes, threshold) {
                return None;
            }
        }
        if count > MANY || names > LARGE {
            return self.listed(attributes, count, threshold);
        }
        self.batch.count(count, values);
        let mut list = self.terms.empty_list;
        for attribute in attributes.iter().rev() {
            let pair = self.any_attribute(&attribute, threshold)?;
            list = self.terms.cell(pair, list);
        }
        Some(list)
    }

    /// The same with the declarations in scope around the tag behind its own attributes.
    pub fn attributes_in_scope(&mut self, attributes: &Attributes<'_>) -> Option<RawTerm> {
        let mut threshold = LARGE;
        let (_, values) = attributes.sizes();
        if values > LARGE {
            threshold = LARGE_TOGETHER;
            if !self.are_prepared(attributes, threshold) {
                return None;
            }
        }
        let count = attributes.len() + attributes.inherited_len();
        self.listed(*attributes, count, threshold)
    }

    /// Whether the large values of a tag are. Of a long tag that was begun they are, and some taken.
    fn are_prepared(&mut self, attributes: &Attributes<'_>, threshold: usize) -> bool {
        let values = attributes.iter().map(|attribute| attribute.value);
        if self.long_tag.unbuilt() == 0
            && let Err(wait) = self.large.prepare(threshold, values)
        {
            self.batch.wait(wait);
            return false;
        }
        true
    }

    /// A list of the attributes, and of the declarations around them up to `count`, in as many calls as it takes.
    fn listed(
        &mut self,
        attributes: Attributes<'_>,
        count: usize,
        threshold: usize,
    ) -> Option<RawTerm> {
        let own = attributes.len();
        let (unbuilt, mut list) = self.long_tag.begin(count, self.terms.empty_list);
        for index in (0..unbuilt).rev() {
            if self.batch.is_full() {
                self.long_tag.suspend(index + 1, list);
                self.batch.wait(Wait::Paused);
                return None;
            }
            if index >= own {
                self.batch.count(1, 0);
                if let Some(declaration) = attributes.inherited(index - own) {
                    self.batch.count(0, declaration.value.len());
                    let pair = self.attribute(&declaration);
                    list = self.terms.cell(pair, list);
                }
                continue;
            }
            let attribute = attributes.get(index)?;
            let bytes = attribute.name.local.len() + attribute.value.len();
            self.batch.count(1, bytes);
            let pair = self.any_attribute(&attribute, threshold)?;
            list = self.terms.cell(pair, list);
        }
        Some(list)
    }

    /// One whose value, if it is longer than `threshold`, is the last one prepared.
    fn any_attribute(&mut self, attribute: &Attribute<'_>, threshold: usize) -> Option<RawTerm> {
        if attribute.value.len() <= threshold {
            return Some(self.attribute(attribute));
        }
        let name = self.interner.name(&self.terms, attribute.name);
        let value = self.large.take(&self.terms)?;
        Some(self.terms.tuple([name, value]))
    }
}
