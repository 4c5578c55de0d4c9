//! Attribute-list declarations: types and defaults.

use crate::xml::dtd::cursor::Cursor;
use crate::xml::dtd::fault::Fault;
use std::ops::Range;

const NEXT_TOKEN: &str = "'|' or ')' belongs here in an enumeration";

/// One attribute definition, as far as it was read.
#[derive(Debug)]
pub(super) struct Definition {
    pub name: Range<usize>,
    pub rest: Rest,
}

/// What follows the name of an attribute.
#[derive(Debug)]
pub(super) enum Rest {
    /// The tokens of an enumeration, not yet read, nor what follows them.
    Enumeration(Enumeration),
    /// All of it. `tokenized`: whether the value consists of tokens rather than of any text. The default value is not yet normalised.
    Read {
        tokenized: bool,
        default: Option<Range<usize>>,
    },
}

/// What the tokens of an enumeration are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Enumeration {
    Notations,
    Tokens,
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
    let rest = match attribute_type(cursor)? {
        Type::Enumeration(of) => Rest::Enumeration(of),
        Type::Text => default(cursor, false)?,
        Type::Tokens => default(cursor, true)?,
    };
    Ok(Some(Definition { name, rest }))
}

enum Type {
    Text,
    Tokens,
    /// Its parenthesis is open.
    Enumeration(Enumeration),
}

/// ```text
/// AttType ::= 'CDATA' | 'ID' | 'IDREF' | 'IDREFS' | 'ENTITY' | 'ENTITIES' | 'NMTOKEN' | 'NMTOKENS'      (XML 1.0, 3.3.1)
///           | 'NOTATION' S '(' S? Name (S? '|' S? Name)* S? ')' | '(' S? Nmtoken (S? '|' S? Nmtoken)* S? ')'
/// ```
fn attribute_type(cursor: &mut Cursor) -> Result<Type, Fault> {
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
        return Ok(Type::Text);
    }
    for keyword in KEYWORDS {
        if cursor.eat(keyword)? {
            return Ok(Type::Tokens);
        }
    }
    if cursor.eat(b"NOTATION")? {
        cursor.space("white space belongs after NOTATION")?;
        cursor.expect(b"(", "the names of notations in parentheses belong here")?;
        return Ok(Type::Enumeration(Enumeration::Notations));
    }
    cursor.expect(b"(", "the type of the attribute belongs here")?;
    Ok(Type::Enumeration(Enumeration::Tokens))
}

/// Reads on in an enumeration, where one of its tokens begins, about `bytes` of it; behind the last one, the default.
pub(super) fn enumeration(
    cursor: &mut Cursor,
    of: Enumeration,
    bytes: usize,
) -> Result<Option<Rest>, Fault> {
    let stop = cursor.at + bytes;
    while cursor.at < stop {
        cursor.skip_space();
        match of {
            Enumeration::Notations => cursor.ncname("the name of a notation belongs here")?,
            Enumeration::Tokens => cursor.nmtoken("a name token belongs here")?,
        };
        cursor.skip_space();
        if cursor.eat(b")")? {
            return default(cursor, true).map(Some);
        }
        cursor.expect(b"|", NEXT_TOKEN)?;
    }
    Ok(None)
}

/// ```text
/// DefaultDecl ::= '#REQUIRED' | '#IMPLIED' | (('#FIXED' S)? AttValue)      (XML 1.0, 3.3.2)
/// ```
fn default(cursor: &mut Cursor, tokenized: bool) -> Result<Rest, Fault> {
    const VALUE: &str = "#REQUIRED, #IMPLIED, #FIXED or a quoted default value belongs here";
    cursor.space("white space belongs after the type of the attribute")?;
    if cursor.eat(b"#REQUIRED")? || cursor.eat(b"#IMPLIED")? {
        return Ok(Rest::Read {
            tokenized,
            default: None,
        });
    }
    if cursor.eat(b"#FIXED")? {
        cursor.space("white space belongs after #FIXED")?;
    }
    let default = cursor.quoted(VALUE).map(Some)?;
    Ok(Rest::Read { tokenized, default })
}
