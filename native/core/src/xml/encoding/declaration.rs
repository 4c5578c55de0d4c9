//! The encoding that an XML declaration names.

use crate::xml::syntax::chars::is_space;
use std::ops::Range;

/// How far into the document, in characters, the end of the encoding's name may stand.
pub(super) const LIMIT: usize = 4096;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Declared {
    /// Where the name stands, in characters.
    Name(Range<usize>),
    /// No declaration, none with an encoding, or a malformed one, which the scanner will report.
    Absent,
    /// The declaration goes on.
    NeedMore,
}

/// Reads `<?xml version="1.0" encoding="NAME"` at the start of `characters`, or behind white space and marks where
/// those may be skipped.
pub(super) fn declared(characters: &[u8], skips_leading: bool) -> Declared {
    let mut cursor = Cursor {
        characters,
        position: 0,
    };
    if skips_leading && !cursor.skip_leading() {
        return Declared::Absent;
    }
    if skips_leading && cursor.position == LIMIT {
        return Declared::Absent;
    }
    match cursor.encoding_name() {
        Ok(name) => Declared::Name(name),
        Err(Stop::Mismatch) => Declared::Absent,
        Err(Stop::End) => Declared::NeedMore,
    }
}

struct Cursor<'text> {
    characters: &'text [u8],
    position: usize,
}

enum Stop {
    Mismatch,
    End,
}

impl Cursor<'_> {
    /// Skips white space and the marks of UTF-16, which are `0xFF` here. False: there is a mark of UTF-8.
    fn skip_leading(&mut self) -> bool {
        let rest = self.characters.iter();
        self.position = rest
            .take_while(|&&byte| is_space(byte) || byte == 0xFF)
            .count();
        self.characters.get(self.position) != Some(&0xEF)
    }

    fn encoding_name(&mut self) -> Result<Range<usize>, Stop> {
        self.literal(b"<?xml")?;
        self.space(1)?;
        self.literal(b"version")?;
        self.quoted(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte))?;
        self.space(1)?;
        self.literal(b"encoding")?;
        let name = self.quoted(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))?;
        match self.characters.get(name.start) {
            Some(first) if first.is_ascii_alphabetic() => Ok(name),
            _ => Err(Stop::Mismatch),
        }
    }

    /// `= "value"`, in either kind of quotes.
    fn quoted(&mut self, allowed: impl Fn(u8) -> bool) -> Result<Range<usize>, Stop> {
        self.space(0)?;
        self.literal(b"=")?;
        self.space(0)?;
        let quote = self.peek()?;
        if quote != b'"' && quote != b'\'' {
            return Err(Stop::Mismatch);
        }
        self.position += 1;
        let start = self.position;
        self.skip_while(allowed)?;
        let end = self.position;
        self.literal(&[quote])?;
        Ok(start..end)
    }

    fn literal(&mut self, expected: &[u8]) -> Result<(), Stop> {
        for &byte in expected {
            if self.peek()? != byte {
                return Err(Stop::Mismatch);
            }
            self.position += 1;
        }
        Ok(())
    }

    fn space(&mut self, at_least: usize) -> Result<(), Stop> {
        let start = self.position;
        self.skip_while(is_space)?;
        if self.position - start < at_least {
            return Err(Stop::Mismatch);
        }
        Ok(())
    }

    fn skip_while(&mut self, allowed: impl Fn(u8) -> bool) -> Result<(), Stop> {
        while allowed(self.peek()?) {
            self.position += 1;
        }
        Ok(())
    }

    fn peek(&self) -> Result<u8, Stop> {
        self.characters.get(self.position).copied().ok_or(Stop::End)
    }
}
