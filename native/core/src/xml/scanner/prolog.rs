//! The very beginning: an XML declaration, or none.
#![allow(unsafe_code)]

use crate::xml::api::error::ErrorKind;
use crate::xml::api::sink::{Prolog, Sink};
use crate::xml::scanner::Scanner;
use crate::xml::scanner::interrupt::{Interrupt, exceeded, fault, malformed};
use crate::xml::scanner::state::{Region, State};
use crate::xml::syntax::byte_class::{self, SPACE};
use crate::xml::syntax::utf8;
use memchr::memmem;

pub(crate) const OPEN: &[u8] = b"<?xml";

/// The maximum length of the XML declaration in bytes: one call reads it and passes its event.
const MAX_DECLARATION: u64 = 256 * 1024;
const TOO_LONG: &str = "an XML declaration has at most 262144 bytes, whatever max_token_bytes is, and this one has more";

impl<S: Sink> Scanner<'_, S> {
    pub fn beginning(&mut self) -> Result<(), Interrupt> {
        if self.core.options.recover.leading_whitespace {
            self.skip_leading()?;
        }
        let rest = &self.text[self.at..];
        match rest.strip_prefix(OPEN) {
            Some([next, ..]) if byte_class::is(*next, SPACE) => return self.xml_declaration(),
            Some([]) if !self.last => return Err(Interrupt::NeedInput),
            None if OPEN.starts_with(rest) && !self.last => return Err(Interrupt::NeedInput),
            _ => {}
        }
        self.start_document(Prolog::default(), self.at)
    }

    /// ```text
    /// XMLDecl      ::= '<?xml' VersionInfo EncodingDecl? SDDecl? S? '?>'      (XML 1.0, 2.8)
    /// VersionInfo  ::= S 'version' Eq ("'" VersionNum "'" | '"' VersionNum '"')
    /// EncodingDecl ::= S 'encoding' Eq ('"' EncName '"' | "'" EncName "'")      (4.3.3)
    /// SDDecl       ::= S 'standalone' Eq (("'" ('yes' | 'no') "'") | ('"' ('yes' | 'no') '"'))      (2.9)
    /// ```
    fn xml_declaration(&mut self) -> Result<(), Interrupt> {
        let max = self.core.limits.max_token_bytes.min(MAX_DECLARATION);
        let end = self.text.len().min(self.at + max as usize);
        let held = std::mem::take(&mut self.core.held).max(OPEN.len());
        let from = self.at + held;
        let Some(len) = memmem::find(&self.text[from.min(end)..end], b"?>") else {
            if end < self.text.len() {
                return match max {
                    MAX_DECLARATION => fault(ErrorKind::Limit, end, TOO_LONG),
                    _ => exceeded(end, "max_token_bytes", max, max + 1),
                };
            }
            // The last byte may be the first of the two.
            self.core.held = (end - self.at).saturating_sub(1);
            return Err(Interrupt::NeedInput);
        };
        let mut reader = Reader {
            text: &self.text[..from + len],
            at: self.at + OPEN.len(),
        };
        let prolog = reader.prolog()?;
        self.charge(held + len);
        self.start_document(prolog, from + len + 2)
    }

    /// Whether what comes is behind a root element, and another may follow.
    pub fn is_behind_root(&self) -> bool {
        self.core.region == Region::Epilog
            && self.core.element_stack.depth() == 0
            && self.core.options.has_many_roots()
    }

    /// The document of a root element ends, since another one begins here.
    pub fn end_root<T>(&mut self) -> Result<T, Interrupt> {
        if self.core.options.positions {
            let position = self.position_here();
            self.sink.position(position);
        }
        let flow = self.sink.end_document();
        self.charge_event(flow)?;
        self.core.begin_document();
        Err(Interrupt::InputChanged)
    }

    fn start_document(&mut self, prolog: Prolog<'_>, end: usize) -> Result<(), Interrupt> {
        if self.core.options.positions {
            let position = self.position_here();
            self.sink.position(position);
        }
        if self.core.options.has_many_roots() {
            self.core.document_start = self.position_here().byte_offset;
            if let (1.., Some(encoding)) = (self.core.documents, prolog.encoding)
                && let Some(read) = self.line_counter.decoder.contradicted_by(encoding)
            {
                return fault(
                    ErrorKind::Unsupported,
                    self.at,
                    format!(
                        "one source has one encoding: this document is declared to be in {encoding}, and is read as {read} like those before it"
                    ),
                );
            }
        }
        self.core.standalone = prolog.standalone == Some(true);
        let flow = self.sink.start_document(&prolog);
        self.charge_event(flow)?;
        self.at = end;
        self.core.state = State::Between;
        Ok(())
    }
}

/// Reads the inside of an XML declaration.
struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn prolog(&mut self) -> Result<Prolog<'a>, Interrupt> {
        const ORDER: &str =
            "an XML declaration has a version, then perhaps an encoding, then perhaps standalone";
        let mut prolog = Prolog::default();
        self.skip_space();
        let Some((at, version)) = self.pseudo_attribute(b"version")? else {
            return malformed(self.at, ORDER);
        };
        if !is_version(version) {
            return malformed(
                at,
                "the version of XML is 1.0, or 1 and another minor number",
            );
        }
        // SAFETY: a part of validated text between quotes.
        prolog.version = Some(unsafe { utf8::text(version) });
        let mut spaced = self.skip_space();
        if let Some((at, encoding)) = self.spaced_attribute(spaced, b"encoding")? {
            if !is_encoding_name(encoding) {
                return malformed(at, "this is no name of an encoding");
            }
            // SAFETY: a part of validated text between quotes.
            prolog.encoding = Some(unsafe { utf8::text(encoding) });
            spaced = self.skip_space();
        }
        if let Some((at, standalone)) = self.spaced_attribute(spaced, b"standalone")? {
            prolog.standalone = Some(match standalone {
                b"yes" => true,
                b"no" => false,
                _ => return malformed(at, "standalone is \"yes\" or \"no\""),
            });
            self.skip_space();
        }
        match self.at == self.text.len() {
            true => Ok(prolog),
            false => malformed(self.at, ORDER),
        }
    }

    fn skip_space(&mut self) -> bool {
        let from = self.at;
        self.at = byte_class::skip(self.text, from, SPACE);
        self.at > from
    }

    fn spaced_attribute(
        &mut self,
        spaced: bool,
        name: &[u8],
    ) -> Result<Option<(usize, &'a [u8])>, Interrupt> {
        match spaced {
            true => self.pseudo_attribute(name),
            false => Ok(None),
        }
    }

    /// The value of the pseudo attribute `name` and its place, if that comes next.
    fn pseudo_attribute(&mut self, name: &[u8]) -> Result<Option<(usize, &'a [u8])>, Interrupt> {
        if !self.text[self.at..].starts_with(name) {
            return Ok(None);
        }
        self.at += name.len();
        self.skip_space();
        if self.text.get(self.at) != Some(&b'=') {
            return malformed(self.at, "'=' belongs here");
        }
        self.at += 1;
        self.skip_space();
        let quote = match self.text.get(self.at) {
            Some(&quote @ (b'"' | b'\'')) => quote,
            _ => return malformed(self.at, "a value in quotes belongs here"),
        };
        let start = self.at + 1;
        match memchr::memchr(quote, &self.text[start..]) {
            None => malformed(self.at, "this quote has no end"),
            Some(len) => {
                self.at = start + len + 1;
                Ok(Some((start, &self.text[start..start + len])))
            }
        }
    }
}

/// ```text
/// VersionNum ::= '1.' [0-9]+      (XML 1.0, 2.8)
/// ```
fn is_version(version: &[u8]) -> bool {
    match version.strip_prefix(b"1.") {
        Some(minor) => !minor.is_empty() && minor.iter().all(u8::is_ascii_digit),
        None => false,
    }
}

/// ```text
/// EncName ::= [A-Za-z] ([A-Za-z0-9._] | '-')*      (XML 1.0, 4.3.3)
/// ```
fn is_encoding_name(name: &[u8]) -> bool {
    let is_inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    name.first().is_some_and(u8::is_ascii_alphabetic) && name.iter().all(is_inner)
}
