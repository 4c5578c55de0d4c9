//! A position in a document.

use std::fmt;

/// A place in a document, as an editor shows it and as a program seeks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// Line, from 1. Lines end with LF, CR or CR LF.
    pub line: u64,
    /// Column, from 1, in characters.
    pub column: u64,
    /// Offset in bytes of the original input, from 0, byte order mark and all.
    pub byte_offset: u64,
}

impl Position {
    /// Where every document begins.
    pub const START: Position = Position {
        line: 1,
        column: 1,
        byte_offset: 0,
    };
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}, column {} (byte {})",
            self.line, self.column, self.byte_offset
        )
    }
}
