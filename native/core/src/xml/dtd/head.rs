//! The head of a document type declaration: the part before its internal subset.

use crate::xml::dtd::Rules;
use crate::xml::dtd::cursor::Cursor;
use crate::xml::dtd::fault::{Fault, malformed};
use crate::xml::dtd::{DtdOptions, Limits};
use std::ops::Range;

/// The name of the document type and its external subset: where they stand in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub name: Range<usize>,
    pub public: Option<Range<usize>>,
    pub system: Option<Range<usize>>,
}

/// Reads what follows `<!DOCTYPE`, up to the `[` or `>` that `text` ends with, or as far as there is text.
pub fn head(text: &[u8], limits: Limits, options: DtdOptions) -> Result<Head, Fault> {
    let rules = Rules { limits, options };
    let mut cursor = Cursor::new(text, 0, 0, &rules);
    cursor.space("white space belongs after '<!DOCTYPE'")?;
    let name = cursor.qname("the name of the document type belongs here")?;
    let spaced = cursor.skip_space();
    let start = cursor.at;
    let external = cursor.external_id(false)?;
    if external.is_some() && !spaced {
        return Err(malformed(start, "white space belongs before an identifier"));
    }
    cursor.skip_space();
    if !matches!(cursor.peek(), Some(b'[' | b'>')) {
        return Err(cursor.unexpected("'[' or '>' belongs here in a DOCTYPE"));
    }
    let (public, system) = external.map_or((None, None), |id| (id.public, id.system));
    Ok(Head {
        name,
        public,
        system,
    })
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::xml::dtd::Reason;

    fn read(text: &str) -> Result<Head, Fault> {
        let options = DtdOptions {
            namespaces: false,
            standalone: false,
            external_subset: false,
            consumed: 0,
        };
        head(text.as_bytes(), Limits::default(), options)
    }

    #[test]
    fn names_and_identifiers() {
        let text = " r PUBLIC '-//X' \"u\" [";
        let head = read(text).unwrap();
        assert_eq!(&text[head.name], "r");
        assert_eq!(head.public.map(|id| &text[id]), Some("-//X"));
        assert_eq!(head.system.map(|id| &text[id]), Some("u"));
        assert_eq!(read(" r>").unwrap().system, None);
        assert_eq!(read("\nr\tSYSTEM ''>").unwrap().system, Some(11..11));
    }

    #[test]
    fn what_is_wrong_or_missing() {
        for text in [
            "r>",
            " >",
            " r x>",
            " r SYSTEM>",
            " r PUBLIC 'x'>",
            " rSYSTEM 'x'>",
            " r'x'>",
            " r SYSTEM'x'>",
        ] {
            assert!(
                matches!(read(text).unwrap_err().reason, Reason::Malformed(_)),
                "{text}"
            );
        }
        for text in ["", " ", " r", " r SYST", " r SYSTEM 'x", " r SYSTEM 'x' "] {
            assert_eq!(read(text).unwrap_err().reason, Reason::Truncated, "{text}");
        }
    }
}
