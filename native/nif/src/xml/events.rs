//! Events as terms, in the shape that users of Saxy know.

use crate::xml::large::LARGE;
use crate::xml::terms::{self, RawTerm};
use crate::xml::values::Values;
use bounded_core::xml::{Attributes, Doctype, Flow, Name, Position, Prolog, Recovered, Sink};
use rustler::{Atom, Encoder};

/// Turns the events of one call into terms.
pub struct EventSink<'a, 'env> {
    pub values: Values<'a, 'env>,
    /// `{line, column}` of the next event, when places are asked for.
    pub place: Option<RawTerm>,
}

impl EventSink<'_, '_> {
    #[inline(always)]
    fn push(&mut self, event: RawTerm) -> Flow {
        let event = match self.place {
            Some(place) => self.values.terms.tuple([event, place]),
            None => event,
        };
        self.values.batch.push(event);
        Flow::Accepted
    }

    /// `{tag, text}`.
    fn tagged(&mut self, tag: Atom, text: &str) -> Flow {
        if self.values.batch.is_full() {
            return Flow::Retry;
        }
        let Some(text) = self.values.string(text) else {
            return Flow::Retry;
        };
        let event = self.values.terms.tuple([tag.as_c_arg(), text]);
        self.push(event)
    }

    /// `{key, value}` pairs for those that are there.
    fn properties<const N: usize>(&self, properties: [(Atom, Option<RawTerm>); N]) -> RawTerm {
        let mut list = self.values.terms.empty_list;
        for (key, value) in properties.into_iter().rev() {
            if let Some(value) = value {
                list = self
                    .values
                    .terms
                    .cell(self.values.terms.tuple([key.as_c_arg(), value]), list);
            }
        }
        list
    }
}

impl Sink for EventSink<'_, '_> {
    fn position(&mut self, position: Position) {
        self.place = Some(self.values.terms.place((position.line, position.column)));
    }

    fn start_document(&mut self, prolog: &Prolog<'_>) -> Flow {
        let terms = self.values.terms;
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
        if self.values.batch.is_full() {
            return Flow::Retry;
        }
        let event = if attributes.is_empty() {
            self.values.interner.start_event(&self.values.terms, name)
        } else {
            let Some(attributes) = self.values.attributes(attributes, attributes.sizes()) else {
                return Flow::Retry;
            };
            let name = self.values.interner.name(&self.values.terms, name);
            let element = self.values.terms.tuple([name, attributes]);
            self.values
                .terms
                .tuple([self.values.terms.start_element, element])
        };
        self.push(event)
    }

    #[inline(always)]
    fn end_element(&mut self, name: Name<'_>) -> Flow {
        if self.values.batch.is_full() {
            return Flow::Retry;
        }
        let event = self.values.interner.end_event(&self.values.terms, name);
        self.push(event)
    }

    #[inline(always)]
    fn characters(&mut self, text: &str) -> Flow {
        if self.values.batch.is_full() {
            return Flow::Retry;
        }
        let event = if text.len() > LARGE {
            let Some(text) = self.values.large_string(text) else {
                return Flow::Retry;
            };
            self.values
                .terms
                .tuple([self.values.terms.characters, text])
        } else {
            self.values.batch.count(0, text.len());
            self.values
                .interner
                .text_event(&self.values.terms, text.as_bytes())
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
        if self.values.batch.is_full() {
            return Flow::Retry;
        }
        let Some(data) = self.values.string(data) else {
            return Flow::Retry;
        };
        let target = self.values.terms.binary(target.as_bytes());
        let tag = terms::processing_instruction().as_c_arg();
        let event = self
            .values
            .terms
            .tuple([tag, self.values.terms.tuple([target, data])]);
        self.push(event)
    }

    fn doctype(&mut self, doctype: &Doctype<'_>) -> Flow {
        if self.values.batch.is_full() {
            return Flow::Retry;
        }
        let subset = match doctype
            .internal_subset
            .map(|subset| self.values.string(subset))
        {
            Some(None) => return Flow::Retry,
            Some(subset) => subset,
            None => None,
        };
        let terms = self.values.terms;
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

    fn recovered(&mut self, what: Recovered, written: &str, place: (u64, u64)) {
        let event = self.values.terms.recovered(what, written, place);
        self.values.batch.count(0, written.len());
        self.values.batch.push(event);
    }

    fn end_document(&mut self) -> Flow {
        if self.values.batch.is_full() {
            return Flow::Retry;
        }
        let event = self.values.terms.tuple([
            terms::end_document().as_c_arg(),
            ().encode(self.values.terms.env).as_c_arg(),
        ]);
        self.push(event)
    }

    #[inline]
    fn is_full(&self) -> bool {
        self.values.batch.is_full()
    }
}
