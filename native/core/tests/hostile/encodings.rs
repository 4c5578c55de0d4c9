//! Byte order marks, declarations, and what contradicts them.

use crate::{Accepted, Case, Malformed, Unsupported};

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, mark, encode) in [
        (
            "UTF-16LE",
            [0xFF, 0xFE],
            u16::to_le_bytes as fn(u16) -> [u8; 2],
        ),
        ("UTF-16BE", [0xFE, 0xFF], u16::to_be_bytes),
    ] {
        let raw =
            |units: &[u16]| -> Vec<u8> { units.iter().flat_map(|&unit| encode(unit)).collect() };
        let text = |text: &str| raw(&text.encode_utf16().collect::<Vec<_>>());
        let marked = |bytes: Vec<u8>| [&mark[..], &bytes].concat();
        let document = "<?xml version=\"1.0\" encoding=\"UTF-16\"?><r a=\"\u{E9}\">\u{1F600}</r>";
        let whole = marked(text(document));
        let lone = |unit: u16| marked([text("<r>"), raw(&[unit]), text("</r>")].concat());
        let utf_8 = "<?xml version=\"1.0\" encoding=\"utf-8\"?><r/>";
        let mut add = |what: &str, document: Vec<u8>, verdict| {
            cases.push(Case::new(format!("{name} {what}"), document, verdict));
        };
        add("with its mark", whole.clone(), Accepted);
        add(
            "cut within a character",
            whole[..whole.len() - 1].to_vec(),
            Malformed,
        );
        add("with half a pair, the first", lone(0xD83D), Malformed);
        add("with half a pair, the second", lone(0xDE00), Malformed);
        add("that says it is UTF-8", marked(text(utf_8)), Malformed);
    }
    let declared = |encoding: &str, content: &[u8]| {
        let head = format!("<?xml version=\"1.0\" encoding=\"{encoding}\"?><r>");
        [head.as_bytes(), content, b"</r>"].concat()
    };
    let utf_32: Vec<u8> = "\u{FEFF}<r/>"
        .chars()
        .flat_map(|char| (char as u32).to_le_bytes())
        .collect();
    // "<?xml" as mainframes write it.
    let ebcdic = [&b"\x4C\x6F\xA7\x94\x93"[..], &[0x40; 40]].concat();
    cases.extend([
        Case::new("mark", b"\xEF\xBB\xBF<r/>", Accepted),
        Case::new("two marks", b"\xEF\xBB\xBF\xEF\xBB\xBF<r/>", Malformed),
        Case::new(
            "mark against declaration",
            [b"\xEF\xBB\xBF", &declared("iso-8859-1", b"")[..]].concat(),
            Malformed,
        ),
        Case::new("UTF-16 in single bytes", declared("UTF-16", b""), Malformed),
        Case::new("UCS-4", utf_32, Unsupported),
        Case::new("EBCDIC", ebcdic, Unsupported),
        Case::new("UTF-7", declared("UTF-7", b"+ADw-x+AD4-"), Unsupported),
        Case::new("unknown", declared("x-nope", b""), Unsupported),
        Case::new("latin 1", declared("ISO-8859-1", b"\xE9\x85"), Accepted),
        Case::new("windows", declared("windows-1252", b"\x80"), Accepted),
        Case::new(
            "ASCII beyond ASCII",
            declared("US-ASCII", b"\xE9"),
            Malformed,
        ),
        Case::new(
            "version 1.1",
            "<?xml version=\"1.1\"?><r>\u{85}</r>",
            Accepted,
        ),
        Case::new("version 2.0", "<?xml version=\"2.0\"?><r/>", Malformed),
    ]);
    cases
}
