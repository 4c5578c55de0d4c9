//! Entity declarations, and the references that may stand in their values.

use crate::arena::charged_vec::ChargedVec;
use crate::xml::dtd::cursor::Cursor;
use crate::xml::dtd::fault::{Fault, Reason, malformed};
use crate::xml::syntax::chars::is_char;
use crate::xml::syntax::names::{is_ncname, name_len};
use std::ops::Range;

/// An entity declaration as read, up to its value or, without one, to its end.
#[derive(Debug)]
pub(super) struct EntityDeclaration {
    pub parameter: bool,
    pub name: Range<usize>,
    pub content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    /// Where its value stands. What follows it was not read.
    Internal(Range<usize>),
    External,
    Unparsed,
}

/// Reads what follows `<!ENTITY`.
///
/// ```text
/// GEDecl ::= '<!ENTITY' S Name S (EntityValue | (ExternalID NDataDecl?)) S? '>'      (XML 1.0, 4.2)
/// PEDecl ::= '<!ENTITY' S '%' S Name S (EntityValue | ExternalID) S? '>'
/// ```
pub(super) fn declaration(cursor: &mut Cursor) -> Result<EntityDeclaration, Fault> {
    const NAME: &str = "the name of an entity belongs here";
    cursor.space("white space belongs before the name of the entity")?;
    // The character after a '%' decides whether it starts a reference.
    let parameter = cursor.peek() == Some(b'%') && name_len(&cursor.rest()[1..]) == 0;
    if parameter {
        cursor.at += 1;
        cursor.space("white space belongs after '%'")?;
    }
    let name = cursor.ncname(NAME)?;
    cursor.space("white space belongs after the name of the entity")?;
    let content = match cursor.external_id(false)? {
        None => Content::Internal(cursor.quoted("a quoted value, SYSTEM or PUBLIC belongs here")?),
        Some(_) if unparsed(cursor, parameter)? => Content::Unparsed,
        Some(_) => Content::External,
    };
    if !matches!(content, Content::Internal(_)) {
        cursor.close()?;
    }
    Ok(EntityDeclaration {
        parameter,
        name,
        content,
    })
}

fn unparsed(cursor: &mut Cursor, parameter: bool) -> Result<bool, Fault> {
    let spaced = cursor.skip_space();
    let start = cursor.at;
    if cursor.peek() == Some(b'>') || !cursor.eat(b"NDATA")? {
        return Ok(false);
    }
    if parameter {
        return Err(malformed(start, "a parameter entity has no notation"));
    }
    if !spaced {
        return Err(malformed(start, "white space belongs before NDATA"));
    }
    cursor.space("white space belongs after NDATA")?;
    cursor.ncname("the name of a notation belongs here")?;
    Ok(true)
}

/// Appends the replacement text of a literal, which ends with `text`, from `at` up to `stop` or a little beyond: character
/// references are replaced, references to general entities stay, and none to parameter entities may stand in the internal
/// subset. `line_ends`: whether the text has line ends that are not yet normalised. Returns the place that it reached.
///
/// ```text
/// EntityValue ::= '"' ([^%&"] | PEReference | Reference)* '"' | "'" ([^%&'] | PEReference | Reference)* "'"      (XML 1.0, 2.3)
/// ```
pub(super) fn replacement_text(
    text: &[u8],
    mut at: usize,
    stop: usize,
    line_ends: bool,
    namespaces: bool,
    out: &mut ChargedVec<u8>,
) -> Result<usize, Fault> {
    let stop = stop.min(text.len());
    while at < stop {
        let special = memchr::memchr3(b'&', b'%', b'\r', &text[at..]);
        let run = at..special.map_or(text.len(), |len| at + len);
        append(out, &text[run.clone()], at)?;
        at = run.end;
        match text.get(at) {
            Some(b'&') if text.get(at + 1) == Some(&b'#') => {
                let (char, next) = character_reference(text, at)?;
                append(out, char.encode_utf8(&mut [0; 4]).as_bytes(), at)?;
                at = next;
            }
            Some(b'&') => {
                let name = entity_reference(text, at, namespaces)?;
                append(out, &text[at..=name.end], at)?;
                at = name.end + 1;
            }
            Some(b'%') => {
                return Err(malformed(
                    at,
                    "no '%' is allowed in the value of an entity of the internal subset, write '&#37;'",
                ));
            }
            Some(_) if line_ends => {
                append(out, b"\n", at)?;
                at += 1 + usize::from(text.get(at + 1) == Some(&b'\n'));
            }
            Some(&carriage_return) => {
                append(out, &[carriage_return], at)?;
                at += 1;
            }
            None => {}
        }
    }
    Ok(at)
}

pub(super) fn append(out: &mut ChargedVec<u8>, bytes: &[u8], at: usize) -> Result<(), Fault> {
    out.extend_from_slice(bytes)
        .map_err(|refusal| Reason::Refused(refusal).at(at))
}

/// The character that the reference at `at` stands for, and where the reference ends.
pub(super) fn character_reference(text: &[u8], at: usize) -> Result<(char, usize), Fault> {
    let hex = text.get(at + 2) == Some(&b'x');
    let (radix, start) = if hex { (16, at + 3) } else { (10, at + 2) };
    let mut code: u32 = 0;
    let mut next = start;
    while let Some(digit) = text.get(next).and_then(|&b| char::from(b).to_digit(radix)) {
        // Beyond the last character it stays beyond it.
        code = code.saturating_mul(radix).saturating_add(digit);
        next += 1;
    }
    if next == start || text.get(next) != Some(&b';') {
        return Err(malformed(
            at,
            "a character reference is '&#' digits ';' or '&#x' hexadecimal digits ';'",
        ));
    }
    match char::from_u32(code) {
        Some(char) if is_char(code) => Ok((char, next + 1)),
        _ => Err(Reason::Forbidden(code).at(at)),
    }
}

/// The name in the entity reference at `at`; the reference ends with the byte after it.
pub(super) fn entity_reference(
    text: &[u8],
    at: usize,
    namespaces: bool,
) -> Result<Range<usize>, Fault> {
    let name = at + 1..at + 1 + name_len(&text[at + 1..]);
    if name.is_empty() || text.get(name.end) != Some(&b';') {
        return Err(malformed(
            at,
            "'&' starts a reference: a name and ';' belong here, or write '&amp;'",
        ));
    }
    if namespaces && !is_ncname(&text[name.clone()]) {
        return Err(malformed(
            at,
            "with namespaces, no entity has a name with a colon",
        ));
    }
    Ok(name)
}
