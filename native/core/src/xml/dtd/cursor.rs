//! Reading one declaration: the tokens that all of them are made of.

use crate::xml::api::error::ExceededLimit;
use crate::xml::dtd::Rules;
use crate::xml::dtd::fault::{Fault, Reason, malformed};
use crate::xml::simd::utf8_scan;
use crate::xml::syntax::byte_class::first_illegal;
use crate::xml::syntax::chars::{is_public_id_char, is_space};
use crate::xml::syntax::names::{is_ncname, is_qname, name_len, nmtoken_len};
use std::ops::Range;

const PE_INSIDE: &str =
    "a parameter entity reference inside a declaration is not allowed in the internal subset";

/// The number of bytes that are looked at one by one before a search is prepared.
const NEAR: usize = 16;

/// A place in the text of a declaration, which may not reach beyond `end`.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    pub text: &'a [u8],
    pub at: usize,
    /// Where `max_token_bytes` or the text ends, whichever comes first.
    end: usize,
    pub rules: &'a Rules,
}

impl<'a> Cursor<'a> {
    /// Reads on at `at` in a declaration that began at `start`.
    pub fn new(text: &'a [u8], start: usize, at: usize, rules: &'a Rules) -> Cursor<'a> {
        let end = start.saturating_add(rules.limits.max_token_bytes as usize);
        Cursor {
            text,
            at,
            end: end.min(text.len()),
            rules,
        }
    }

    /// The rest of the text that the declaration may have.
    pub fn rest(&self) -> &'a [u8] {
        &self.text[self.at.min(self.end)..self.end]
    }

    pub fn peek(&self) -> Option<u8> {
        self.rest().first().copied()
    }

    /// The fault of needing more than there is.
    pub fn exhausted(&self) -> Fault {
        if self.end == self.text.len() {
            return Reason::Truncated.at(self.end);
        }
        let value = self.rules.limits.max_token_bytes;
        Reason::Limit(ExceededLimit {
            name: "max_token_bytes",
            value,
            seen: value + 1,
        })
        .at(self.end)
    }

    /// The fault of finding something else than `rule` asks for.
    pub fn unexpected(&self, rule: &'static str) -> Fault {
        match self.rest() {
            [] => self.exhausted(),
            [b'%', next @ ..] if name_len(next) > 0 => malformed(self.at, PE_INSIDE),
            _ => malformed(self.at, rule),
        }
    }

    /// Takes `token` if it comes next.
    pub fn eat(&mut self, token: &[u8]) -> Result<bool, Fault> {
        let rest = self.rest();
        if rest.starts_with(token) {
            self.at += token.len();
            return Ok(true);
        }
        if token.starts_with(rest) {
            return Err(self.exhausted());
        }
        Ok(false)
    }

    pub fn expect(&mut self, token: &[u8], rule: &'static str) -> Result<(), Fault> {
        if self.eat(token)? {
            return Ok(());
        }
        Err(self.unexpected(rule))
    }

    /// Skips white space, if there is any.
    pub fn skip_space(&mut self) -> bool {
        let rest = self.rest();
        let len = rest
            .iter()
            .position(|&byte| !is_space(byte))
            .unwrap_or(rest.len());
        self.at += len;
        len > 0
    }

    pub fn space(&mut self, rule: &'static str) -> Result<(), Fault> {
        if self.skip_space() {
            return Ok(());
        }
        Err(self.unexpected(rule))
    }

    fn token(&mut self, len: usize, rule: &'static str) -> Result<Range<usize>, Fault> {
        let value = self.rules.limits.max_name_bytes;
        if len as u64 > value {
            return Err(Reason::Limit(ExceededLimit {
                name: "max_name_bytes",
                value,
                seen: value + 1,
            })
            .at(self.at + value as usize));
        }
        if len == self.rest().len() {
            return Err(self.exhausted());
        }
        if len == 0 {
            return Err(self.unexpected(rule));
        }
        let token = self.at..self.at + len;
        self.at = token.end;
        Ok(token)
    }

    pub fn nmtoken(&mut self, rule: &'static str) -> Result<Range<usize>, Fault> {
        self.token(nmtoken_len(self.rest()), rule)
    }

    fn name(&mut self, rule: &'static str) -> Result<Range<usize>, Fault> {
        self.token(name_len(self.rest()), rule)
    }

    /// The name of an element or an attribute.
    pub fn qname(&mut self, rule: &'static str) -> Result<Range<usize>, Fault> {
        let name = self.name(rule)?;
        if self.rules.options.namespaces && !is_qname(&self.text[name.clone()]) {
            return Err(malformed(
                name.start,
                "the name of an element or attribute has one colon at most, between two names",
            ));
        }
        Ok(name)
    }

    /// The name of an entity, a notation or a processing instruction's target.
    pub fn ncname(&mut self, rule: &'static str) -> Result<Range<usize>, Fault> {
        let name = self.name(rule)?;
        if self.rules.options.namespaces && !is_ncname(&self.text[name.clone()]) {
            return Err(malformed(
                name.start,
                "with namespaces, no entity, notation or target has a name with a colon",
            ));
        }
        Ok(name)
    }

    /// The text between two equal quotes.
    pub fn quoted(&mut self, rule: &'static str) -> Result<Range<usize>, Fault> {
        let Some(quote @ (b'"' | b'\'')) = self.peek() else {
            return Err(self.unexpected(rule));
        };
        let start = self.at + 1;
        let len =
            memchr::memchr(quote, &self.text[start..self.end]).ok_or_else(|| self.exhausted())?;
        let literal = start..start + len;
        self.check_characters(literal.clone())?;
        self.at = literal.end + 1;
        Ok(literal)
    }

    pub fn check_characters(&self, range: Range<usize>) -> Result<(), Fault> {
        let text = &self.text[range.clone()];
        match first_illegal(text, utf8_scan::scan(text)) {
            None => Ok(()),
            Some(at) => Err(malformed(
                range.start + at,
                "a character that XML does not allow",
            )),
        }
    }

    /// Takes everything up to `end`, and `end`.
    pub fn until(&mut self, end: &[u8]) -> Result<Range<usize>, Fault> {
        let len = find(self.rest(), end).ok_or_else(|| self.exhausted())?;
        let range = self.at..self.at + len;
        self.at = range.end + end.len();
        Ok(range)
    }

    pub fn public_id(&mut self) -> Result<Range<usize>, Fault> {
        let literal = self.quoted("a quoted public identifier belongs here")?;
        match self.text[literal.clone()]
            .iter()
            .position(|&byte| !is_public_id_char(byte))
        {
            None => Ok(literal),
            Some(at) => Err(malformed(
                literal.start + at,
                "a public identifier does not contain this character",
            )),
        }
    }

    /// The identifiers after SYSTEM or PUBLIC, if one of the two comes next. Only a notation may
    /// leave out the system identifier of a public one.
    ///
    /// ```text
    /// ExternalID ::= 'SYSTEM' S SystemLiteral | 'PUBLIC' S PubidLiteral S SystemLiteral      (XML 1.0, 4.2.2)
    /// ```
    pub fn external_id(&mut self, notation: bool) -> Result<Option<ExternalId>, Fault> {
        const SPACE: &str = "white space belongs before an identifier";
        const SYSTEM: &str = "a quoted system identifier belongs here";
        let mut public = None;
        if self.eat(b"PUBLIC")? {
            self.space(SPACE)?;
            public = Some(self.public_id()?);
            let spaced = self.skip_space();
            let quote = matches!(self.peek(), Some(b'"' | b'\''));
            if notation && !quote {
                return match self.peek() {
                    None => Err(self.exhausted()),
                    Some(_) => Ok(Some(ExternalId {
                        public,
                        system: None,
                    })),
                };
            }
            if !spaced {
                return Err(self.unexpected(if quote { SPACE } else { SYSTEM }));
            }
        } else if self.eat(b"SYSTEM")? {
            self.space(SPACE)?;
        } else {
            return Ok(None);
        }
        let system = Some(self.quoted(SYSTEM)?);
        Ok(Some(ExternalId { public, system }))
    }

    /// The end of a declaration.
    pub fn close(&mut self) -> Result<(), Fault> {
        self.skip_space();
        self.expect(b">", "the declaration should end here with '>'")
    }
}

/// Where `end` stands in `text`. Mostly it is near, where to look takes less than to prepare a search.
pub(super) fn find(text: &[u8], end: &[u8]) -> Option<usize> {
    let near = &text[..text.len().min(NEAR)];
    near.windows(end.len())
        .position(|window| window == end)
        .or_else(|| memchr::memmem::find(text, end))
}

/// Where the identifiers of something external stand.
#[derive(Debug)]
pub(super) struct ExternalId {
    pub public: Option<Range<usize>>,
    pub system: Option<Range<usize>>,
}
