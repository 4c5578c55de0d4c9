//! Recovers from errors in documents, as far as `Options::recover` asks for it.
//!
//! All of it lies where the document would be refused otherwise: nothing here costs a document that keeps to the
//! rules. Raw characters are replaced as they arrive, in [`crate::xml::input::repairs`].
#![allow(unsafe_code)]

use crate::xml::api::options::{MAX_LEADING, Recovered};
use crate::xml::api::sink::Sink;
use crate::xml::dtd::Lookup;
use crate::xml::scanner::Scanner;
use crate::xml::scanner::interrupt::{Interrupt, exceeded, malformed, shown};
use crate::xml::scanner::prolog::OPEN;
use crate::xml::scanner::state::Region;
use crate::xml::scanner::state::source::EVENT_COST;
use crate::xml::syntax::byte_class::{self, SPACE};
use crate::xml::syntax::line_table;
use crate::xml::syntax::reference::{self, Begun, Reference, Target, forbidden, low_surrogate};
use crate::xml::syntax::utf8;

/// The entities of HTML by name, those with a semicolon, and the code points that each stands for in hexadecimal.
/// `bin/xml-tables` writes them.
static ENTITIES: &str = include_str!("recover/entities.txt");

/// The byte order mark in UTF-8.
const MARK: &[u8] = b"\xEF\xBB\xBF";

/// The cost of looking up a name of HTML, in units of credit.
const LOOKUP_COST: usize = 800;

/// As much of what was written is reported, in bytes.
const MAX_REPORTED: usize = 16 * 1024;

/// A replacement.
struct Replacement {
    what: Recovered,
    text: Short,
    /// Behind what it replaces.
    end: usize,
}

/// One or two characters.
#[derive(Clone, Copy, Default)]
pub(crate) struct Short {
    bytes: [u8; 8],
    len: usize,
}

impl Short {
    fn of(chars: impl Iterator<Item = char>) -> Short {
        let mut short = Short::default();
        for char in chars.take(2) {
            short.len += char.encode_utf8(&mut short.bytes[short.len..]).len();
        }
        short
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The character that HTML gives this name.
pub(crate) fn html_entity(name: &[u8]) -> Option<Short> {
    let codes = line_table::find(ENTITIES, name)?.split(' ');
    let chars = codes.filter_map(|code| char::from_u32(u32::from_str_radix(code, 16).ok()?));
    Some(Short::of(chars))
}

impl<S: Sink> Scanner<'_, S> {
    /// Reads the reference at `at`.
    #[inline]
    pub fn reference<'t>(&mut self, text: &'t [u8], at: usize) -> Result<Reference<'t>, Interrupt> {
        let max = self.core.limits.max_name_bytes as usize;
        let options = &self.core.options;
        let namespaces = options.namespaces && !options.recover.entities;
        match reference::read(text, at, max, namespaces, &mut self.core.reference) {
            Err(interrupt) => self.no_reference(interrupt, at),
            read => read,
        }
    }

    /// A reference that continues beyond the text of an entity, or beyond its limit, is none where such text is allowed.
    #[cold]
    fn no_reference<'t>(
        &mut self,
        interrupt: Interrupt,
        at: usize,
    ) -> Result<Reference<'t>, Interrupt> {
        let is_none = match &interrupt {
            Interrupt::NeedInput => self.level > 0,
            Interrupt::Fault(fault) => fault.limit.is_some(),
            _ => false,
        };
        if !(is_none && self.core.options.recover.ampersands) {
            return Err(interrupt);
        }
        self.core.reference = Begun::default();
        Ok(Reference::none(at, ""))
    }

    /// The replacement for the reference at `at`, which is none, or one to a character that is not allowed.
    fn replacement(
        &self,
        text: &[u8],
        at: usize,
        reference: &Reference<'_>,
    ) -> Result<Replacement, Interrupt> {
        let recover = self.core.options.recover;
        let (what, char, end) = match reference.target {
            Target::None(_) if recover.ampersands => (Recovered::Ampersands, '&', at + 1),
            Target::None(reason) => {
                let help = "(recover: [:ampersands] takes the '&' as it is)";
                return malformed(at, format!("{reason} {help}"));
            }
            Target::Forbidden(code) if recover.characters => {
                let (char, end) = self.surrogates(text, reference.end, code)?;
                (Recovered::Characters, char, end)
            }
            Target::Forbidden(code) => {
                let (written, character) = (shown(&text[at..reference.end]), forbidden(code));
                let help = "(recover: [:characters] replaces it)";
                return malformed(
                    at,
                    format!("{written} is {character}, which XML does not allow {help}"),
                );
            }
            Target::Char(char) => (Recovered::Characters, char, reference.end),
            Target::Entity(_) => (Recovered::Entities, '&', at + 1),
        };
        let text = Short::of(std::iter::once(char));
        Ok(Replacement { what, text, end })
    }

    /// The character of a reference to `code` that ends at `end`: that of a pair, if `code` is a high surrogate and
    /// a reference to a low one follows.
    fn surrogates(&self, text: &[u8], end: usize, code: u32) -> Result<(char, usize), Interrupt> {
        let alone = (char::REPLACEMENT_CHARACTER, end);
        if !(0xD800..0xDC00).contains(&code) {
            return Ok(alone);
        }
        match low_surrogate(text, end) {
            Ok(Some((low, behind))) => {
                let code = 0x1_0000 + ((code - 0xD800) << 10) + (low - 0xDC00);
                Ok(char::from_u32(code).map_or(alone, |char| (char, behind)))
            }
            Ok(None) => Ok(alone),
            // Nothing follows this text.
            Err(_) if self.level > 0 || self.last => Ok(alone),
            Err(interrupt) => Err(interrupt),
        }
    }

    #[cold]
    pub fn recover_in_content(&mut self, reference: &Reference<'_>) -> Result<(), Interrupt> {
        let (text, at) = (self.text, self.at);
        let replacement = self.replacement(text, at, reference)?;
        self.begin_recovery(replacement.what, &text[at..replacement.end], at)?;
        self.add_together(replacement.text.bytes())?;
        self.at = replacement.end;
        self.core.recovering = false;
        Ok(())
    }

    /// The same in the value of an attribute; returns where to go on.
    #[cold]
    pub fn recover_in_value(
        &mut self,
        text: &[u8],
        at: usize,
        reference: &Reference<'_>,
    ) -> Result<usize, Interrupt> {
        let replacement = self.replacement(text, at, reference)?;
        self.begin_recovery(replacement.what, &text[at..replacement.end], at)?;
        self.append_value(replacement.text.bytes(), at)?;
        self.core.recovering = false;
        Ok(replacement.end)
    }

    /// A reference in content, up to `end`, to an entity that is not declared, or perhaps where it was not read.
    #[cold]
    pub fn recover_entity_in_content(
        &mut self,
        name: &[u8],
        end: usize,
        found: Lookup,
    ) -> Result<(), Interrupt> {
        let (text, at) = (self.text, self.at);
        self.spend(LOOKUP_COST)?;
        let html = html_entity(name);
        if html.is_none() && found == Lookup::Skipped {
            return self.skip_entity(name, end);
        }
        self.begin_recovery(Recovered::Entities, &text[at..end], at)?;
        match html {
            Some(short) => self.add_together(short.bytes())?,
            None => self.skip_entity(name, end)?,
        }
        self.at = end;
        self.core.recovering = false;
        Ok(())
    }

    /// The same in the value of an attribute.
    #[cold]
    pub fn recover_entity_in_value(
        &mut self,
        name: &[u8],
        at: usize,
        end: usize,
    ) -> Result<(), Interrupt> {
        let written = &self.text[at..end];
        self.spend(LOOKUP_COST)?;
        self.begin_recovery(Recovered::Entities, written, at)?;
        match html_entity(name) {
            Some(short) => self.append_value(short.bytes(), at)?,
            None => self.append_value(written, at)?,
        }
        self.core.recovering = false;
        Ok(())
    }

    /// Skips what may stand before an XML declaration: only if there is one, or marks.
    #[cold]
    pub fn skip_leading(&mut self) -> Result<(), Interrupt> {
        let (at, rest) = (self.at, &self.text[self.at..]);
        let (mut len, mut has_mark) = (0, false);
        for _ in 0..MAX_LEADING {
            match rest[len..] {
                [byte, ..] if byte_class::is(byte, SPACE) => len += 1,
                ref behind if behind.starts_with(MARK) => {
                    len += MARK.len();
                    has_mark = true;
                }
                [] if !self.last => return Err(Interrupt::NeedInput),
                _ => break,
            }
        }
        let behind = &rest[len..];
        let is_declaration = match behind.strip_prefix(OPEN) {
            Some([next, ..]) => byte_class::is(*next, SPACE),
            Some([]) if !self.last => return Err(Interrupt::NeedInput),
            None if OPEN.starts_with(behind) && !self.last => return Err(Interrupt::NeedInput),
            _ => false,
        };
        if len == 0 || !(is_declaration || has_mark) {
            return Ok(());
        }
        self.begin_recovery(Recovered::LeadingWhitespace, &rest[..len], at)?;
        self.core.recovering = false;
        self.at += len;
        Ok(())
    }

    /// The error of an XML declaration that stands where none may.
    #[cold]
    pub fn misplaced_declaration<T>(&mut self, is_lower_case: bool) -> Result<T, Interrupt> {
        let reason = "an XML declaration belongs at the very beginning, in lower case";
        let position = self.position_here();
        let is_behind_space = (position.line, position.column) != (1, 1);
        match is_lower_case && is_behind_space && self.is_leading() {
            true => malformed(
                self.at,
                format!("{reason} (recover: [:leading_whitespace] skips what is before it)"),
            ),
            false => malformed(self.at, reason),
        }
    }

    /// Text before, between or behind root elements.
    #[cold]
    pub fn text_outside<T>(&mut self) -> Result<T, Interrupt> {
        let reason = "no text is allowed outside of the root element";
        if self.is_behind_root() && self.text[self.at..].starts_with(MARK) {
            return self.marked_root();
        }
        match self.text[self.at..].starts_with(MARK) && self.is_leading() {
            true => malformed(
                self.at,
                format!("{reason} (recover: [:leading_whitespace] skips a byte order mark)"),
            ),
            false => malformed(self.at, reason),
        }
    }

    /// Where there are many roots, a byte order mark begins another document: files that begin with one were joined.
    fn marked_root<T>(&mut self) -> Result<T, Interrupt> {
        let ended = self.end_root();
        if matches!(ended, Err(Interrupt::InputChanged)) {
            self.at += MARK.len();
        }
        ended
    }

    /// Whether only white space came so far, and might be skipped.
    fn is_leading(&self) -> bool {
        let core = &*self.core;
        core.region == Region::Prolog
            && core.element_stack.depth() == 0
            && !core.has_begun
            && !core.options.recover.leading_whitespace
    }

    /// Counts and reports an error at `at` that is about to be recovered: once, even if this is called again for it.
    fn begin_recovery(
        &mut self,
        what: Recovered,
        written: &[u8],
        at: usize,
    ) -> Result<(), Interrupt> {
        if self.core.recovering {
            return Ok(());
        }
        let max = self.core.limits.max_recoveries;
        if self.core.recoveries >= max {
            return exceeded(at, "max_recoveries", max, max.saturating_add(1));
        }
        self.report_repairs(at)?;
        if self.core.options.report_recovered {
            self.report(what, written, at)?;
        }
        self.core.recoveries += 1;
        self.core.recovering = true;
        Ok(())
    }

    fn report(&mut self, what: Recovered, written: &[u8], at: usize) -> Result<(), Interrupt> {
        if self.sink.is_full() {
            return Err(Interrupt::Full);
        }
        let position = match self.level {
            0 => {
                if self.core.in_tag() {
                    self.fix_token();
                }
                self.line_counter.move_to(self.text, at)
            }
            _ => self.core.entities.position,
        };
        let written = &written[..utf8::floor(written, MAX_REPORTED)];
        let place = (position.line, position.column);
        // SAFETY: a part of validated text, cut at `utf8::floor`.
        self.sink
            .recovered(what, unsafe { utf8::text(written) }, place);
        self.charge(EVENT_COST);
        Ok(())
    }

    /// Reports the characters that were replaced in the input before `at`: what is reported next is behind them.
    pub fn report_repairs(&mut self, at: usize) -> Result<(), Interrupt> {
        let is_done = self.level > 0
            || !self.core.options.report_recovered
            || self
                .line_counter
                .emit_repairs(self.text, at, &mut self.core.credit, self.sink);
        match is_done {
            true => Ok(()),
            false => Err(Interrupt::Full),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_html_are_known() {
        line_table::check(ENTITIES);
        let text = |name: &str| {
            html_entity(name.as_bytes())
                .map(|short| String::from_utf8_lossy(short.bytes()).into_owned())
        };
        for (name, expected) in [
            ("nbsp", "\u{A0}"),
            ("eacute", "é"),
            ("Eacute", "É"),
            ("NotEqualTilde", "≂̸"),
            ("bopf", "𝕓"),
            ("CounterClockwiseContourIntegral", "∳"),
        ] {
            assert_eq!(text(name).as_deref(), Some(expected), "{name}");
        }
        for name in ["", "NBSP", "nbs", "nbsp;", "foo"] {
            assert_eq!(text(name), None, "{name}");
        }
        for line in ENTITIES.lines() {
            let name = line.split(' ').next().unwrap_or_default();
            let short = html_entity(name.as_bytes()).unwrap_or_default();
            assert!((1..=8).contains(&short.len), "{line}");
        }
    }
}
