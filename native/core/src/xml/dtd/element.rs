//! Element declarations. A parser that does not validate keeps nothing of them, but they must be right.

use crate::arena::charged_vec::ChargedVec;
use crate::xml::api::error::ExceededLimit;
use crate::xml::dtd::cursor::Cursor;
use crate::xml::dtd::fault::{Fault, Reason};

const CONTENT: &str = "EMPTY, ANY or a content model in parentheses belongs here";
const PARTICLE: &str = "an element name or a group in parentheses belongs here";

/// The separator of a group that has shown none yet.
const NONE_YET: u8 = 0;

/// What is left of a content model, up to the end of the declaration.
#[derive(Clone, Copy, Debug)]
pub(super) enum Model {
    /// Whether it had the name of an element.
    Mixed { names: bool },
    /// Element names in groups, of which some are open.
    Children,
}

/// Reads what follows `<!ELEMENT`: all of it (`None`), or up to the parts of a content model. `groups` is scratch memory.
///
/// ```text
/// elementdecl ::= '<!ELEMENT' S Name S contentspec S? '>'      (XML 1.0, 3.2)
/// contentspec ::= 'EMPTY' | 'ANY' | Mixed | children
/// ```
pub(super) fn declaration(
    cursor: &mut Cursor,
    groups: &mut ChargedVec<u8>,
) -> Result<Option<Model>, Fault> {
    cursor.space("white space belongs before the name of the element")?;
    cursor.qname("the name of an element belongs here")?;
    cursor.space("white space belongs after the name of the element")?;
    if cursor.eat(b"EMPTY")? || cursor.eat(b"ANY")? {
        cursor.close()?;
        return Ok(None);
    }
    cursor.expect(b"(", CONTENT)?;
    cursor.skip_space();
    if cursor.eat(b"#PCDATA")? {
        return Ok(Some(Model::Mixed { names: false }));
    }
    groups.clear();
    open(cursor, groups)?;
    Ok(Some(Model::Children))
}

/// Reads on in a content model, about `bytes` of it, and what follows it: true when the declaration is complete.
///
/// Refused, `groups` is what it was.
pub(super) fn advance(
    cursor: &mut Cursor,
    model: &mut Model,
    groups: &mut ChargedVec<u8>,
    bytes: usize,
) -> Result<bool, Fault> {
    let stop = cursor.at + bytes;
    let complete = match model {
        Model::Mixed { names } => mixed(cursor, names, stop)?,
        Model::Children => {
            // Every group that this opens takes a byte of the text.
            let refused = |refusal| Reason::Refused(refusal).at(cursor.at);
            groups.reserve(bytes).map_err(refused)?;
            children(cursor, groups, stop)?
        }
    };
    if complete {
        cursor.close()?;
    }
    Ok(complete)
}

/// ```text
/// Mixed ::= '(' S? '#PCDATA' (S? '|' S? Name)* S? ')*' | '(' S? '#PCDATA' S? ')'      (XML 1.0, 3.2.2)
/// ```
fn mixed(cursor: &mut Cursor, names: &mut bool, stop: usize) -> Result<bool, Fault> {
    const NEXT: &str = "'|' or ')' belongs here in mixed content";
    while cursor.at < stop {
        cursor.skip_space();
        if cursor.eat(b")")? {
            if *names {
                cursor.expect(b"*", "mixed content with element names ends with ')*'")?;
            } else {
                cursor.eat(b"*")?;
            }
            return Ok(true);
        }
        cursor.expect(b"|", NEXT)?;
        cursor.skip_space();
        cursor.qname("the name of an element belongs here")?;
        *names = true;
    }
    Ok(false)
}

/// Reads on in a group whose parenthesis is open, where one of its parts begins, to any depth, with a stack of our own: one
/// byte for each open group, the separator that it uses.
///
/// ```text
/// children ::= (choice | seq) ('?' | '*' | '+')?      (XML 1.0, 3.2.1)
/// cp       ::= (Name | choice | seq) ('?' | '*' | '+')?
/// choice   ::= '(' S? cp ( S? '|' S? cp )+ S? ')'
/// seq      ::= '(' S? cp ( S? ',' S? cp )* S? ')'
/// ```
fn children(cursor: &mut Cursor, groups: &mut ChargedVec<u8>, stop: usize) -> Result<bool, Fault> {
    while cursor.at < stop {
        cursor.skip_space();
        if cursor.eat(b"(")? {
            open(cursor, groups)?;
            continue;
        }
        cursor.qname(PARTICLE)?;
        loop {
            if matches!(cursor.peek(), Some(b'?' | b'*' | b'+')) {
                cursor.at += 1;
            }
            let Some(separator) = groups.last_mut() else {
                return Ok(true);
            };
            cursor.skip_space();
            match cursor.peek() {
                Some(next @ (b',' | b'|')) if *separator == NONE_YET || *separator == next => {
                    *separator = next;
                    cursor.at += 1;
                    break;
                }
                Some(b',' | b'|') => {
                    return Err(
                        cursor.unexpected("one group does not use both ',' and '|' as separator")
                    );
                }
                Some(b')') => {
                    cursor.at += 1;
                    groups.pop();
                }
                _ => return Err(cursor.unexpected("',', '|' or ')' belongs here in a group")),
            }
        }
    }
    Ok(false)
}

fn open(cursor: &Cursor, groups: &mut ChargedVec<u8>) -> Result<(), Fault> {
    let value = cursor.rules.limits.max_depth;
    let seen = groups.len() as u64 + 1;
    if seen > value {
        let hit = ExceededLimit {
            name: "max_depth",
            value,
            seen,
        };
        return Err(Reason::Limit(hit).at(cursor.at - 1));
    }
    groups
        .push(NONE_YET)
        .map_err(|refusal| Reason::Refused(refusal).at(cursor.at))
}
