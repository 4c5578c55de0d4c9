//! Adding declarations to a [`Dtd`]: the first one of a name is binding.

use crate::arena::account::Refusal;
use crate::xml::dtd::{
    Attribute, Content, Dtd, Element, ElementId, Entity, NotationSpans, Span, entity,
};

impl Dtd {
    fn keep(&mut self, text: &[u8]) -> Result<Span, Refusal> {
        let start = self.text.len();
        self.text.extend_from_slice(text)?;
        Ok(Span {
            start,
            end: self.text.len(),
        })
    }

    /// Declares an entity; the first declaration of a name is binding.
    pub(super) fn declare_entity(
        &mut self,
        parameter: bool,
        name: &[u8],
        replacement_text: &[u8],
        content: &entity::Content,
        in_parameter_entity: bool,
    ) -> Result<(), Refusal> {
        let index = if parameter {
            &self.parameter
        } else {
            &self.general
        };
        if self.find_entity(index, name).is_some() {
            return Ok(());
        }
        // Refused half way, trying again would leave the first half behind.
        self.text.reserve(name.len() + replacement_text.len())?;
        self.entities.reserve(1)?;
        match parameter {
            true => self.parameter.reserve()?,
            false => self.general.reserve()?,
        }
        let entity = Entity {
            name: self.keep(name)?,
            content: match content {
                entity::Content::Internal(_) => Content::Internal(self.keep(replacement_text)?),
                entity::Content::External => Content::External,
                entity::Content::Unparsed => Content::Unparsed,
            },
            in_parameter_entity,
        };
        let id = self.entities.len() as u32;
        self.entities.push(entity)?;
        let index = if parameter {
            &mut self.parameter
        } else {
            &mut self.general
        };
        index.insert(name, id)
    }

    pub(super) fn declare_element(&mut self, name: &[u8]) -> Result<ElementId, Refusal> {
        if let Some(element) = self.element(name) {
            return Ok(element);
        }
        self.text.reserve(name.len())?;
        self.elements.reserve(1)?;
        self.element_names.reserve()?;
        let id = self.elements.len() as u32;
        let element = Element {
            name: self.keep(name)?,
            defaults: None,
        };
        self.elements.push(element)?;
        self.element_names.insert(name, id)?;
        Ok(ElementId(id))
    }

    /// Declares an attribute; the first declaration of a name is binding.
    pub(super) fn declare_attribute(
        &mut self,
        element: ElementId,
        name: &[u8],
        tokenized: bool,
        default: Option<&[u8]>,
    ) -> Result<(), Refusal> {
        if self.find_attribute(element, name).is_some() {
            return Ok(());
        }
        self.text
            .reserve(name.len() + default.map_or(0, <[u8]>::len))?;
        self.attributes.reserve(1)?;
        self.attribute_names.reserve()?;
        let id = self.attributes.len() as u32;
        let attribute = Attribute {
            element,
            name: self.keep(name)?,
            tokenized,
            default: default.map(|value| self.keep(value)).transpose()?,
            next_default: None,
        };
        self.attributes.push(attribute)?;
        self.attribute_names.insert((element.0, name), id)?;
        if default.is_some() {
            let defaults = &mut self.elements[element.0 as usize].defaults;
            match defaults {
                None => *defaults = Some((id, id)),
                Some((_, last)) => {
                    self.attributes[*last as usize].next_default = Some(id);
                    *last = id;
                }
            }
        }
        Ok(())
    }

    pub(super) fn declare_notation(
        &mut self,
        name: &[u8],
        public: Option<&[u8]>,
        system: Option<&[u8]>,
    ) -> Result<(), Refusal> {
        let known = |id: u32| self.get(self.notations[id as usize].name) == name;
        if self.notation_names.find(name, known).is_some() {
            return Ok(());
        }
        let identifiers = public.map_or(0, <[u8]>::len) + system.map_or(0, <[u8]>::len);
        self.text.reserve(name.len() + identifiers)?;
        self.notations.reserve(1)?;
        self.notation_names.reserve()?;
        let id = self.notations.len() as u32;
        let notation = NotationSpans {
            name: self.keep(name)?,
            public: public.map(|text| self.keep(text)).transpose()?,
            system: system.map(|text| self.keep(text)).transpose()?,
        };
        self.notations.push(notation)?;
        self.notation_names.insert(name, id)
    }
}
