//! Tags: production STag, XML 1.0, 3.1.

mod short_text;

pub use short_text::ShortText;

use crate::arena::charged_vec::ChargedVec;
use crate::xml::simd::escape::{DOUBLE_QUOTED, SINGLE_QUOTED};
use crate::xml::write::MAX_ATTRIBUTES;
use crate::xml::write::attributes::FEW;
use crate::xml::write::checks::text_cause;
use crate::xml::write::fault::{Cause, FaultKind, WriteError, excerpt};
use crate::xml::write::name::{CheckedName, WrittenName, check_local, same};
use crate::xml::write::namespaces::{DECLARATIONS, Resolved};
use crate::xml::write::pieces::PieceSink;
use crate::xml::write::writer::{Empty, Quote, Stage, Writer};

impl Writer {
    /// A start tag of few attributes, none of them in a namespace by name: at most 16.
    #[inline(always)]
    pub fn tag(
        &mut self,
        name: CheckedName<'_>,
        attributes: &[(CheckedName<'_>, &[u8])],
        sink: &mut impl PieceSink,
    ) -> Result<(), WriteError> {
        debug_assert!(attributes.len() <= FEW);
        for (name, value) in attributes {
            if name.declares() {
                self.declare_plain(name.bytes, value)?;
            }
        }
        self.start_plain(name, sink)?;
        for (index, (name, value)) in attributes.iter().enumerate() {
            let earlier = &attributes[..index];
            if earlier.iter().any(|(earlier, _)| earlier.is(name)) {
                return Err(self.twice(name.bytes));
            }
            self.value(name, value, sink)?;
        }
        Ok(())
    }

    /// An element of a parent, without attributes, whose content is `text`: if both its name and that are short and nothing has
    /// to be escaped. Says whether it was written; otherwise nothing was.
    #[inline(always)]
    pub fn short_element(&mut self, name: &CheckedName<'_>, text: &[u8]) -> bool {
        let full = (name.bytes, &name.head);
        !text.is_empty()
            && self.takes_short_child()
            && self.out.short_element(self.in_tag, full, text)
            && self.add_short_child()
    }

    /// A text as [`Writer::text`] writes it, under the same conditions.
    #[inline(always)]
    pub fn short_text(&mut self, text: &[u8]) -> bool {
        !text.is_empty()
            && self.takes_short_child()
            && self.out.short_content(self.in_tag, text)
            && self.add_short_child()
    }

    /// Such a text that was checked before.
    #[inline(always)]
    pub fn known_text(&mut self, text: &ShortText) -> bool {
        self.takes_short_child()
            && self.out.known_content(self.in_tag, text.word())
            && self.add_short_child()
    }

    /// Whether an element is open, and nothing but the end of its start tag comes before its next child.
    #[inline(always)]
    fn takes_short_child(&self) -> bool {
        !self.open.is_empty() && !self.indents() && !self.namespaces.has_waiting()
    }

    /// A child was written, behind the end of the start tag.
    #[inline(always)]
    fn add_short_child(&mut self) -> bool {
        if let Some(parent) = self.open.last_mut() {
            parent.children += 1;
        }
        self.in_tag = false;
        true
    }

    /// Begins a start tag. `expanded` says that any name of the tag is in a namespace by name.
    pub fn start(
        &mut self,
        name: WrittenName<'_>,
        expanded: bool,
        sink: &mut impl PieceSink,
    ) -> Result<(), WriteError> {
        let depth = self.open.depth() + 1;
        // What is chosen for this tag must not be declared in the one before.
        if self.in_tag {
            self.close_tag(sink);
        }
        if depth == 1 && self.namespaces.has_given() {
            let declared = self
                .namespaces
                .declare_given(depth, !matches!(name, WrittenName::Expanded(None, _)));
            declared.map_err(|stop| self.stopped(stop))?;
        }
        match name {
            WrittenName::Plain(name) => self.start_plain(name, sink)?,
            WrittenName::Expanded(uri, local) => {
                self.placed(check_local(local))?;
                // Declarations that are chosen from here on belong to this tag, not to its parent's.
                if self.in_tag {
                    self.close_tag(sink);
                }
                let resolved = self.namespaces.element(depth, uri);
                let resolved = resolved.map_err(|stop| self.stopped(stop))?;
                self.with_qualified(&resolved, local, |writer, name| {
                    writer.start_plain(CheckedName::new(name), sink)
                })?;
            }
        }
        self.attributes.clear();
        self.expanded = expanded;
        Ok(())
    }

    /// Has `work` use the name `prefix:local`.
    fn with_qualified<T>(
        &mut self,
        resolved: &Resolved,
        local: &[u8],
        work: impl FnOnce(&mut Writer, &[u8]) -> Result<T, WriteError>,
    ) -> Result<T, WriteError> {
        let prefix = self.namespaces.prefix(resolved);
        self.scratch.clear();
        self.scratch.reserve(prefix.len() + 1 + local.len())?;
        self.scratch.extend_from_slice(prefix)?;
        if !prefix.is_empty() {
            self.scratch.extend_from_slice(b":")?;
        }
        self.scratch.extend_from_slice(local)?;
        let empty = ChargedVec::new(self.scratch.account());
        let name = std::mem::replace(&mut self.scratch, empty);
        let result = work(self, &name);
        self.scratch = name;
        result
    }

    /// `<name`.
    #[inline(always)]
    fn start_plain(
        &mut self,
        name: CheckedName<'_>,
        sink: &mut impl PieceSink,
    ) -> Result<(), WriteError> {
        if self.open.is_empty() {
            self.begin_root()?;
        }
        self.open.reserve(&name)?;
        if self.in_tag && (self.namespaces.has_waiting() || self.indents()) {
            self.close_tag(sink);
        }
        let closes = self.in_tag;
        let content = self.indent_child(sink);
        if let Some(parent) = self.open.last_mut() {
            parent.children += 1;
        } else {
            self.stage = Stage::Root;
        }
        self.open.push(&name, content)?;
        self.out.put_start(closes, (name.bytes, &name.head), sink);
        self.in_tag = true;
        Ok(())
    }

    #[cold]
    fn begin_root(&mut self) -> Result<(), WriteError> {
        if self.stage == Stage::Root {
            let reason = "a second element follows the root element";
            return Err(self.fault(Cause::new(FaultKind::Root, reason)));
        }
        Ok(())
    }

    /// An attribute of the tag that was begun with [`Writer::start`].
    pub fn attribute(
        &mut self,
        name: WrittenName<'_>,
        value: &[u8],
        sink: &mut impl PieceSink,
    ) -> Result<(), WriteError> {
        self.attribute_named(name, |writer, name| {
            writer.value(&CheckedName::new(name), value, sink)
        })
    }

    /// Has `work` write an attribute by this name, which is the first of it.
    pub(crate) fn attribute_named(
        &mut self,
        name: WrittenName<'_>,
        work: impl FnOnce(&mut Writer, &[u8]) -> Result<(), WriteError>,
    ) -> Result<(), WriteError> {
        if !self.in_tag {
            let reason = "an attribute follows the content of its element";
            return Err(self.fault(Cause::new(FaultKind::Nesting, reason)));
        }
        if self.attributes.len() >= MAX_ATTRIBUTES {
            let reason = format!("an element has more than {MAX_ATTRIBUTES} attributes");
            return Err(self.fault(Cause::new(FaultKind::Attribute, reason)));
        }
        match name {
            WrittenName::Plain(name) => {
                self.first_of_name(name.bytes)?;
                work(self, name.bytes)
            }
            WrittenName::Expanded(Some(DECLARATIONS), b"xmlns") => {
                self.first_of_name(b"xmlns")?;
                work(self, b"xmlns")
            }
            WrittenName::Expanded(uri, local) => {
                self.placed(check_local(local))?;
                let depth = self.open.depth();
                if uri == Some(DECLARATIONS) {
                    self.scratch.clear();
                    self.scratch.reserve(local.len() + 6)?;
                    self.scratch.extend_from_slice(b"xmlns:")?;
                    self.scratch.extend_from_slice(local)?;
                    let empty = ChargedVec::new(self.scratch.account());
                    let name = std::mem::replace(&mut self.scratch, empty);
                    let result = self.first_of_name(&name).and_then(|()| work(self, &name));
                    self.scratch = name;
                    return result;
                }
                let resolved = self.namespaces.attribute(depth, uri);
                let resolved = resolved.map_err(|stop| self.stopped(stop))?;
                self.with_qualified(&resolved, local, |writer, name| {
                    writer.first_of_name(name)?;
                    work(writer, name)
                })
            }
        }
    }

    /// Refuses a second attribute of the same name, or of the same expanded name where names are given as `{uri, local}`.
    fn first_of_name(&mut self, name: &[u8]) -> Result<(), WriteError> {
        let colon = memchr::memchr(b':', name).filter(|_| self.expanded);
        let uri = colon.and_then(|colon| self.namespaces.visible(&name[..colon]));
        let inserted = match (uri, colon) {
            // NUL, which no XML name or URI has, separates the two.
            (Some(uri), Some(colon)) => self.attributes.insert([uri, b"\0", &name[colon + 1..]])?,
            _ => self.attributes.insert([name, b"", b""])?,
        };
        match inserted {
            true => Ok(()),
            false => Err(self.twice(name)),
        }
    }

    #[cold]
    fn twice(&self, name: &[u8]) -> WriteError {
        let reason = format!("the attribute {} is there twice", excerpt(name));
        self.fault(Cause::new(FaultKind::Attribute, reason))
    }

    /// ` name="value"`.
    #[inline(always)]
    fn value(
        &mut self,
        name: &CheckedName<'_>,
        value: &[u8],
        sink: &mut impl PieceSink,
    ) -> Result<(), WriteError> {
        let full = (name.bytes, &name.head);
        let written = match self.options.quote {
            Quote::Double => self.out.value::<DOUBLE_QUOTED>(full, value, sink),
            Quote::Single => self.out.value::<SINGLE_QUOTED>(full, value, sink),
        };
        match written {
            Ok(()) if self.options.indent.is_none() => Ok(()),
            Ok(()) => {
                if name.bytes == b"xml:space" && value == b"preserve" {
                    self.keep_whitespace();
                }
                Ok(())
            }
            Err(fault) => Err(self.value_fault(name.bytes, text_cause(value, fault))),
        }
    }

    #[cold]
    pub(crate) fn value_fault(&self, name: &[u8], cause: Cause) -> WriteError {
        self.fault_at(cause, &format!("/@{}", excerpt(name)))
    }

    /// Ends the innermost open element, without a check of its name.
    #[inline(always)]
    pub fn end(&mut self, sink: &mut impl PieceSink) -> Result<(), WriteError> {
        if self.in_tag {
            return self.end_empty(sink);
        }
        self.indent_end(sink);
        self.end_tag(sink)
    }

    #[inline(always)]
    fn end_empty(&mut self, sink: &mut impl PieceSink) -> Result<(), WriteError> {
        match self.options.empty {
            Empty::Collapse => {
                if self.namespaces.has_waiting() {
                    self.write_chosen(sink);
                }
                self.in_tag = false;
                self.out.put([b"/>"], sink);
                self.leave();
                Ok(())
            }
            Empty::Expand => {
                self.close_tag(sink);
                self.end_tag(sink)
            }
        }
    }

    #[inline(always)]
    fn end_tag(&mut self, sink: &mut impl PieceSink) -> Result<(), WriteError> {
        let Some((name, element)) = self.open.last() else {
            let reason = "an element ends, and none is open";
            return Err(self.fault(Cause::new(FaultKind::Nesting, reason)));
        };
        self.out.put_name(b"</", (name, &element.head), b">", sink);
        self.leave();
        Ok(())
    }

    #[inline(always)]
    fn leave(&mut self) {
        self.open.pop();
        self.namespaces.pop(self.open.depth());
    }

    /// The end of the element that is open, by its name.
    #[inline(always)]
    pub fn end_named(
        &mut self,
        name: WrittenName<'_>,
        sink: &mut impl PieceSink,
    ) -> Result<(), WriteError> {
        match (self.open.last(), name) {
            (Some((open, element)), WrittenName::Plain(name))
                if same(open, &element.head, name.bytes, &name.head) =>
            {
                self.end(sink)
            }
            _ => self.end_expanded(name, sink),
        }
    }

    #[cold]
    fn end_expanded(
        &mut self,
        name: WrittenName<'_>,
        sink: &mut impl PieceSink,
    ) -> Result<(), WriteError> {
        let Some((open, _)) = self.open.last() else {
            return self.end_tag(sink);
        };
        let (prefix, local) = match memchr::memchr(b':', open) {
            Some(colon) => (&open[..colon], &open[colon + 1..]),
            None => (&b""[..], open),
        };
        let shown = match name {
            WrittenName::Expanded(uri, given)
                if given == local && self.namespaces.stands_for(prefix, uri) =>
            {
                return self.end(sink);
            }
            WrittenName::Expanded(Some(uri), local) => {
                format!("{{{}}}{}", excerpt(uri), excerpt(local))
            }
            WrittenName::Expanded(None, local) => excerpt(local),
            WrittenName::Plain(name) => excerpt(name.bytes),
        };
        let reason = format!("{} is open, and {shown} ends", excerpt(open));
        Err(self.fault(Cause::new(FaultKind::Nesting, reason)))
    }
}
