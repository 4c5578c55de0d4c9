//! Attribute-list declarations: types and defaults.

use crate::xml::dtd::cursor::Cursor;
use crate::xml::dtd::fault::Fault;
use std::ops::Range;

const NEXT_TOKEN: &str = "'|' or ')' belongs here in an enumeration";

/// One attribute definition as read, its default value not yet normalised.
#[derive(Debug)]
pub(super) struct Definition {
    pub name: Range<usize>,
    /// Whether the value consists of tokens rather than of any text.
    pub tokenized: bool,
    pub default: Option<Range<usize>>,
}

/// Reads what follows `<!ATTLIST` up to the definitions: the name of the element.
///
/// ```text
/// AttlistDecl ::= '<!ATTLIST' S Name AttDef* S? '>'      (XML 1.0, 3.3)
/// ```
pub(super) fn element(cursor: &mut Cursor) -> Result<Range<usize>, Fault> {
    cursor.space("white space belongs before the name of the element")?;
    cursor.qname("the name of an element belongs here")
}

/// Reads the next definition, or the end of the declaration.
///
/// ```text
/// AttDef ::= S Name S AttType S DefaultDecl      (XML 1.0, 3.3)
/// ```
pub(super) fn definition(cursor: &mut Cursor) -> Result<Option<Definition>, Fault> {
    let spaced = cursor.skip_space();
    if cursor.eat(b">")? {
        return Ok(None);
    }
    if !spaced {
        return Err(cursor.unexpected("white space belongs before the name of an attribute"));
    }
    let name = cursor.qname("the name of an attribute or '>' belongs here")?;
    cursor.space("white space belongs after the name of the attribute")?;
    let tokenized = attribute_type(cursor)?;
    cursor.space("white space belongs after the type of the attribute")?;
    let default = default(cursor)?;
    Ok(Some(Definition {
        name,
        tokenized,
        default,
    }))
}

/// ```text
/// AttType ::= 'CDATA' | 'ID' | 'IDREF' | 'IDREFS' | 'ENTITY' | 'ENTITIES' | 'NMTOKEN' | 'NMTOKENS'      (XML 1.0, 3.3.1)
///           | 'NOTATION' S '(' S? Name (S? '|' S? Name)* S? ')' | '(' S? Nmtoken (S? '|' S? Nmtoken)* S? ')'
/// ```
fn attribute_type(cursor: &mut Cursor) -> Result<bool, Fault> {
    const KEYWORDS: [&[u8]; 7] = [
        b"IDREFS",
        b"IDREF",
        b"ID",
        b"ENTITIES",
        b"ENTITY",
        b"NMTOKENS",
        b"NMTOKEN",
    ];
    if cursor.eat(b"CDATA")? {
        return Ok(false);
    }
    for keyword in KEYWORDS {
        if cursor.eat(keyword)? {
            return Ok(true);
        }
    }
    if cursor.eat(b"NOTATION")? {
        cursor.space("white space belongs after NOTATION")?;
        cursor.expect(b"(", "the names of notations in parentheses belong here")?;
        enumeration(cursor, |cursor| {
            cursor.ncname("the name of a notation belongs here")
        })?;
    } else {
        cursor.expect(b"(", "the type of the attribute belongs here")?;
        enumeration(cursor, |cursor| cursor.nmtoken("a name token belongs here"))?;
    }
    Ok(true)
}

fn enumeration(
    cursor: &mut Cursor,
    token: impl Fn(&mut Cursor) -> Result<Range<usize>, Fault>,
) -> Result<(), Fault> {
    loop {
        cursor.skip_space();
        token(cursor)?;
        cursor.skip_space();
        if cursor.eat(b")")? {
            return Ok(());
        }
        cursor.expect(b"|", NEXT_TOKEN)?;
    }
}

/// ```text
/// DefaultDecl ::= '#REQUIRED' | '#IMPLIED' | (('#FIXED' S)? AttValue)      (XML 1.0, 3.3.2)
/// ```
fn default(cursor: &mut Cursor) -> Result<Option<Range<usize>>, Fault> {
    const VALUE: &str = "#REQUIRED, #IMPLIED, #FIXED or a quoted default value belongs here";
    if cursor.eat(b"#REQUIRED")? || cursor.eat(b"#IMPLIED")? {
        return Ok(None);
    }
    if cursor.eat(b"#FIXED")? {
        cursor.space("white space belongs after #FIXED")?;
    }
    cursor.quoted(VALUE).map(Some)
}
