//! Comments and processing instructions between declarations, and texts that are kept.

use crate::arena::charged_vec::ChargedVec;
use crate::xml::dtd::cursor::Cursor;
use crate::xml::dtd::entity::append;
use crate::xml::dtd::fault::{Fault, Reason, malformed};
use crate::xml::syntax::names::name_len;
use std::ops::Range;

/// Reads what follows `<!--` and appends the comment's text to `out`.
pub(super) fn comment(
    cursor: &mut Cursor,
    line_ends: bool,
    out: &mut ChargedVec<u8>,
) -> Result<(), Fault> {
    let text = cursor.until(b"--")?;
    cursor.check_characters(text.clone())?;
    cursor.expect(b">", "'--' is not allowed within a comment")?;
    copy(cursor.text, text, line_ends, out)?;
    Ok(())
}

/// Reads what follows `<?` and appends target and data to `out`; returns the target's length.
pub(super) fn instruction(
    cursor: &mut Cursor,
    line_ends: bool,
    out: &mut ChargedVec<u8>,
) -> Result<usize, Fault> {
    let target = cursor.ncname("the target of a processing instruction belongs here")?;
    if cursor.text[target.clone()].eq_ignore_ascii_case(b"xml") {
        return Err(malformed(
            target.start,
            "the target 'xml' is reserved: an XML declaration stands only at the very start of a document",
        ));
    }
    let target = copy(cursor.text, target, line_ends, out)?;
    if !cursor.eat(b"?>")? {
        cursor.space("white space belongs after the target of a processing instruction")?;
        let data = cursor.until(b"?>")?;
        cursor.check_characters(data.clone())?;
        copy(cursor.text, data, line_ends, out)?;
    }
    Ok(target.len())
}

/// Appends a part of `text` to `out`, its line ends normalised if they are not yet, and says where
/// it went.
pub(super) fn copy(
    text: &[u8],
    part: Range<usize>,
    line_ends: bool,
    out: &mut ChargedVec<u8>,
) -> Result<Range<usize>, Fault> {
    let (start, at) = (out.len(), part.start);
    let part = &text[part];
    if !line_ends || memchr::memchr(b'\r', part).is_none() {
        append(out, part, at)?;
        return Ok(start..out.len());
    }
    // Then nothing is refused.
    let refused = |refusal| Reason::Refused(refusal).at(at);
    out.reserve(part.len()).map_err(refused)?;
    let mut before = 0;
    for &byte in part {
        if byte == b'\r' {
            out.push(b'\n').map_err(refused)?;
        } else if byte != b'\n' || before != b'\r' {
            out.push(byte).map_err(refused)?;
        }
        before = byte;
    }
    Ok(start..out.len())
}

/// Normalises a public identifier: no space at its ends, one space for any white space between.
pub(super) fn normalise_public_id(id: &mut [u8]) -> usize {
    for byte in id.iter_mut() {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    crate::xml::dtd::value::tokenize(id)
}

/// The error of a text that starts no declaration.
pub(super) fn misplaced(text: &[u8]) -> &'static str {
    if text.starts_with(b"<![") {
        "a conditional section is not allowed in the internal subset"
    } else if text.starts_with(b"<!") && name_len(&text[2..]) > 0 {
        "the declarations are <!ELEMENT, <!ATTLIST, <!ENTITY and <!NOTATION"
    } else if text.starts_with(b"<") {
        "an element does not belong among declarations"
    } else {
        "a declaration, comment, processing instruction or parameter entity reference belongs here"
    }
}
