//! A document being written.

use crate::arena::account::{Account, Refusal};
use crate::arena::charged_vec::ChargedVec;
use crate::sync::Arc;
use crate::xml::write::attributes::Attributes;
use crate::xml::write::checks::text_cause;
use crate::xml::write::fault::{Cause, Fault, FaultKind, Stop, WriteError};
use crate::xml::write::namespaces::Namespaces;
use crate::xml::write::open_elements::{Content, OpenElements};
use crate::xml::write::pieces::{PieceSink, Pieces};

/// How elements without content are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Empty {
    /// `<a/>`
    #[default]
    Collapse,
    /// `<a></a>`
    Expand,
}

/// What stands around values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quote {
    #[default]
    Double,
    Single,
}

#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    pub empty: Empty,
    pub quote: Quote,
    /// Spaces for each level, or none.
    pub indent: Option<usize>,
    /// Prefixes and the URIs that they stand for, declared in the root's tag.
    pub prefixes: Vec<(Vec<u8>, Vec<u8>)>,
}

/// How far the document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing is written.
    Start,
    Prolog,
    /// The root was begun.
    Root,
}

/// The long markup that is being written in parts, and the last two bytes that were, as far as they matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    Value,
    Comment([u8; 2]),
    Cdata([u8; 2]),
    Instruction([u8; 2]),
}

/// Writes one document.
pub struct Writer {
    pub(crate) out: Pieces,
    pub(crate) open: OpenElements,
    pub(crate) attributes: Attributes,
    pub(crate) namespaces: Namespaces,
    /// For what has to be put together.
    pub(crate) scratch: ChargedVec<u8>,
    pub(crate) options: WriteOptions,
    pub(crate) stage: Stage,
    /// The last start tag lacks its `>`.
    pub(crate) in_tag: bool,
    /// Names of the tag are compared as what they stand for.
    pub(crate) expanded: bool,
    pub(crate) run: Option<Run>,
    pub(crate) has_doctype: bool,
    /// An entity that is not declared may be declared elsewhere.
    pub(crate) external_entities: bool,
}

impl Writer {
    pub fn new(options: WriteOptions, account: &Arc<Account>) -> Result<Writer, Refusal> {
        let prefixes = options.prefixes.clone();
        Ok(Writer {
            out: Pieces::new(account)?,
            open: OpenElements::new(account)?,
            attributes: Attributes::new(account),
            namespaces: Namespaces::new(account, prefixes),
            scratch: ChargedVec::new(account),
            options,
            stage: Stage::Start,
            in_tag: false,
            expanded: false,
            run: None,
            has_doctype: false,
            external_entities: false,
        })
    }

    /// How many declarations a name in a namespace is looked for in.
    pub fn declarations(&self) -> usize {
        self.namespaces.len()
    }

    /// Elements that are open.
    pub fn depth(&self) -> usize {
        self.open.depth()
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.out.written()
    }

    /// The way to the element that is open.
    pub fn path(&self) -> String {
        self.open.path()
    }

    /// The way to the next child of the element that is open: `/rss/channel[1]/*[4]`.
    pub fn child_path(&self) -> String {
        match self.open.last() {
            Some((_, element)) => format!("{}/*[{}]", self.open.path(), element.children + 1),
            None => "/".to_owned(),
        }
    }

    /// Whether elements are indented.
    pub fn indents(&self) -> bool {
        self.options.indent.is_some()
    }

    /// The fault of events that begin an element among the children of a tree, and do not end it.
    #[cold]
    pub fn unclosed(&self) -> Result<(), WriteError> {
        let reason = "the children of a tree begin an element, and do not end it";
        Err(self.fault(Cause::new(FaultKind::Nesting, reason)))
    }

    /// The fault of an event that ends an element which no event among its neighbours began.
    #[cold]
    pub fn not_its_own(&self) -> Result<(), WriteError> {
        let reason = "an element ends that no event before began";
        Err(self.fault(Cause::new(FaultKind::Nesting, reason)))
    }

    /// Text, escaped; any part of one, cut where characters end.
    #[inline(always)]
    pub fn text(&mut self, text: &[u8], sink: &mut impl PieceSink) -> Result<(), WriteError> {
        if text.is_empty() {
            return Ok(());
        }
        let Some(parent) = self.open.last_mut() else {
            return self.text_beside_root(text, sink);
        };
        parent.children += 1;
        if self.options.indent.is_some() {
            self.keep_as_it_is()?;
        }
        if self.in_tag && self.namespaces.has_waiting() {
            self.close_tag(sink);
        }
        let closes = std::mem::take(&mut self.in_tag);
        match self.out.content(closes, text, sink) {
            Ok(()) => Ok(()),
            Err(fault) => Err(self.fault(text_cause(text, fault))),
        }
    }

    #[cold]
    fn text_beside_root(
        &mut self,
        text: &[u8],
        sink: &mut impl PieceSink,
    ) -> Result<(), WriteError> {
        if !text.iter().copied().all(crate::xml::chars::is_space) {
            let reason = "text stands outside the root element";
            return Err(self.fault(Cause::new(FaultKind::Root, reason)));
        }
        self.begin_prolog();
        self.out.put([text], sink);
        Ok(())
    }

    /// A reference to an entity. Five need no declaration.
    pub fn reference(&mut self, name: &[u8], sink: &mut impl PieceSink) -> Result<(), WriteError> {
        let name = self.placed(crate::xml::write::name::checked(name))?;
        let predefined = [&b"lt"[..], b"gt", b"amp", b"apos", b"quot"].contains(&name.bytes);
        if !predefined && !self.external_entities {
            let reason = format!(
                "&{}; refers to an entity that this document does not declare",
                crate::xml::write::fault::excerpt(name.bytes)
            );
            return Err(self.fault(Cause::new(FaultKind::Entity, reason)));
        }
        self.inside_root("a reference")?;
        self.keep_as_it_is()?;
        self.begin_content(sink);
        self.out.put([b"&", name.bytes, b";"], sink);
        Ok(())
    }

    /// A reference to a character, by its number.
    pub fn character(
        &mut self,
        code: u32,
        decimal: bool,
        sink: &mut impl PieceSink,
    ) -> Result<(), WriteError> {
        if !crate::xml::chars::is_char(code) {
            let reason = format!("no XML document may contain the character U+{code:04X}");
            return Err(self.fault(Cause::new(FaultKind::Character, reason)));
        }
        self.inside_root("a reference")?;
        self.keep_as_it_is()?;
        self.begin_content(sink);
        let reference = match decimal {
            true => format!("&#{code};"),
            false => format!("&#x{code:X};"),
        };
        self.out.put([reference.as_bytes()], sink);
        Ok(())
    }

    /// Ends the document, and gives the buffered rest to the sink.
    pub fn finish(&mut self, sink: &mut impl PieceSink) -> Result<(), WriteError> {
        if let Some((name, _)) = self.open.last() {
            let name = crate::xml::write::fault::excerpt(name);
            let reason = format!("the element {name} has no end");
            return Err(self.fault(Cause::new(FaultKind::Nesting, reason)));
        }
        if self.stage != Stage::Root {
            let reason = "the document has no root element";
            return Err(self.fault(Cause::new(FaultKind::Root, reason)));
        }
        self.out.flush(sink);
        Ok(())
    }

    /// What comes next is content: of the element whose tag is open, or of the one around.
    #[inline(always)]
    pub(crate) fn begin_content(&mut self, sink: &mut impl PieceSink) {
        if self.in_tag {
            self.close_tag(sink);
        }
        if let Some(parent) = self.open.last_mut() {
            parent.children += 1;
        }
    }

    #[inline(always)]
    pub(crate) fn close_tag(&mut self, sink: &mut impl PieceSink) {
        if self.namespaces.has_waiting() {
            self.write_chosen(sink);
        }
        self.in_tag = false;
        self.out.put([b">"], sink);
    }

    /// Something stands outside the root.
    pub(crate) fn begin_prolog(&mut self) {
        if self.stage == Stage::Start {
            self.stage = Stage::Prolog;
        }
    }

    pub(crate) fn inside_root(&mut self, what: &str) -> Result<(), WriteError> {
        if self.open.depth() > 0 {
            return Ok(());
        }
        let reason = format!("{what} stands outside the root element");
        Err(self.fault(Cause::new(FaultKind::Root, reason)))
    }

    /// The element has text: nothing is indented in it.
    pub(crate) fn keep_as_it_is(&mut self) -> Result<(), WriteError> {
        let Some(element) = self.open.last_mut() else {
            return Ok(());
        };
        if element.content == Content::Elements {
            let reason = "text follows a child element that is already indented: write without \
                          indent:, or give the element as a tree";
            return Err(self.fault(Cause::new(FaultKind::Indent, reason)));
        }
        element.content = Content::Mixed;
        Ok(())
    }

    /// `result` with the place.
    pub(crate) fn placed<T>(&self, result: Result<T, Cause>) -> Result<T, WriteError> {
        result.map_err(|cause| self.fault(cause))
    }

    pub(crate) fn stopped(&self, stop: Stop) -> WriteError {
        match stop {
            Stop::Refused(refusal) => WriteError::Refused(refusal),
            Stop::Cause(cause) => self.fault(cause),
        }
    }

    #[cold]
    pub(crate) fn fault(&self, cause: Cause) -> WriteError {
        self.fault_at(cause, "")
    }

    /// A fault in the part `within` of the element that is open.
    #[cold]
    pub(crate) fn fault_at(&self, cause: Cause, within: &str) -> WriteError {
        let mut path = self.open.path() + within;
        if path.is_empty() {
            path.push('/');
        }
        WriteError::Fault(Box::new(Fault {
            kind: cause.kind,
            reason: cause.reason,
            path,
        }))
    }
}
