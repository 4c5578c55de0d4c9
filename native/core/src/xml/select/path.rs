//! The steps of paths, and what they ask of elements and attributes.

use crate::xml::api::attributes::Attributes;
use crate::xml::api::sink::Name;
use crate::xml::names::table::NameId;
use std::cell::Cell;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Any number of elements may stand between the step before and this one.
    pub descendant: bool,
    /// The local name; `None` for any.
    pub local: Option<Box<str>>,
    pub namespace: NamespaceTest,
    /// What the attributes of the element must be like, all of it.
    pub predicates: Box<[Predicate]>,
}

/// Which namespaces a step accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamespaceTest {
    Any,
    /// This URI; empty for names in no namespace.
    Uri(Box<str>),
}

/// A condition on the attributes of an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Predicate {
    /// `[@a]`
    Has(AttributeTest),
    /// `[@a='x']`
    Equals(AttributeTest, Box<str>),
    /// `[@a!='x']`: there is such an attribute, with another value, as in XPath.
    Differs(AttributeTest, Box<str>),
}

/// The name of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeTest {
    /// Empty for names in no namespace.
    pub uri: Box<str>,
    pub local: Box<str>,
}

impl Step {
    pub(super) fn accepts(&self, name: &Name<'_>) -> bool {
        let local = self
            .local
            .as_deref()
            .is_none_or(|local| local == name.local);
        local
            && match &self.namespace {
                NamespaceTest::Any => true,
                NamespaceTest::Uri(uri) => name.namespace.map_or("", |it| it.uri) == &**uri,
            }
    }

    pub(super) fn accepts_attributes(&self, attributes: &Attributes<'_>) -> bool {
        self.predicates.iter().all(|it| it.holds(attributes))
    }
}

impl Predicate {
    fn holds(&self, attributes: &Attributes<'_>) -> bool {
        match self {
            Predicate::Has(test) => test.find(attributes).is_some(),
            Predicate::Equals(test, value) => test.find(attributes) == Some(value),
            Predicate::Differs(test, value) => {
                test.find(attributes).is_some_and(|found| found != &**value)
            }
        }
    }
}

impl AttributeTest {
    /// The value of the attribute with this name.
    #[inline]
    pub fn find<'a>(&self, attributes: &Attributes<'a>) -> Option<&'a str> {
        attributes.find(&self.uri, &self.local)
    }

    /// The same, given the number of its name in this document if that is known, which it is from then on.
    #[inline(always)]
    pub fn find_known<'a>(
        &self,
        attributes: &Attributes<'a>,
        known: &Cell<Option<NameId>>,
    ) -> Option<&'a str> {
        attributes.find_known(&self.uri, &self.local, known)
    }
}
