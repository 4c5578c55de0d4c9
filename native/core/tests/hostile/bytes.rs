//! Bytes that are no characters, or none that XML allows, in every place that a byte can have.

use crate::{Accepted, Case, Malformed};

/// Sequences of bytes that must be refused wherever they stand.
const BAD: [(&str, &[u8]); 17] = [
    ("nul", b"\0"),
    ("control", b"\x01"),
    ("ff", b"\xFF"),
    ("overlong slash", b"\xC0\xAF"),
    ("overlong nul", b"\xC0\x80"),
    ("overlong in three", b"\xE0\x80\xBC"),
    ("overlong in four", b"\xF0\x80\x80\xBC"),
    ("surrogate", b"\xED\xA0\x80"),
    ("surrogate pair", b"\xED\xA0\xBD\xED\xB8\x80"),
    ("beyond unicode", b"\xF4\x90\x80\x80"),
    ("far beyond", b"\xF5\x80\x80\x80"),
    ("one of two", b"\xC3"),
    ("two of three", b"\xE2\x82"),
    ("three of four", b"\xF0\x9F\x98"),
    ("continuation", b"\x80"),
    ("U+FFFE", b"\xEF\xBF\xBE"),
    ("U+FFFF", b"\xEF\xBF\xBF"),
];

/// LineCounter in a document: what stands before and behind, and whether any character may stand there.
const PLACES: [(&str, &str, &str, bool); 13] = [
    ("text", "<r>", "</r>", true),
    ("attribute", "<r a=\"", "\"/>", true),
    ("comment", "<!--", "--><r/>", true),
    ("instruction", "<?p ", "?><r/>", true),
    ("cdata", "<r><![CDATA[", "]]></r>", true),
    (
        "entity value",
        "<!DOCTYPE r [<!ENTITY e \"",
        "\">]><r/>",
        true,
    ),
    ("name", "<r", "/>", false),
    ("attribute name", "<r x", "=\"1\"/>", false),
    ("target", "<?p", "?><r/>", false),
    ("prolog", "", "<r/>", false),
    ("epilog", "<r/>", "", false),
    ("entity name", "<r>&e", ";</r>", false),
    ("end tag", "<r></r", ">", false),
];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (place, before, after, any) in PLACES {
        let document = |bytes: &[u8]| [before.as_bytes(), bytes, after.as_bytes()].concat();
        for (what, bytes) in BAD {
            cases.push(Case::new(
                format!("{what} in {place}"),
                document(bytes),
                Malformed,
            ));
        }
        // U+0080 is a character, if a rare one, but none of a name.
        let verdict = if any { Accepted } else { Malformed };
        cases.push(Case::new(
            format!("U+0080 in {place}"),
            document(b"\xC2\x80"),
            verdict,
        ));
    }
    cases
}
