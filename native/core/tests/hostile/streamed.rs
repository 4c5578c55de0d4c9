//! Documents of any length, made while they are read.

use crate::{Accepted, Limit, Malformed, NO_OPTION, Verdict};

/// Bytes of one chunk.
const CHUNK: usize = 1 << 16;

/// A document of any length.
pub struct Stream {
    pub name: &'static str,
    /// The text before, the repeated text, and the text behind.
    before: &'static [u8],
    unit: Unit,
    after: &'static [u8],
    pub verdict: Verdict,
}

enum Unit {
    Same(&'static [u8]),
    /// Different each time: made from its number.
    Numbered(fn(u64) -> String),
    /// So many opening tags, then as many closing ones.
    Nested(&'static [u8], &'static [u8]),
    NestedNumbered(fn(u64) -> String, &'static [u8]),
}

impl Stream {
    /// The document, with about `bytes` of repetition, in chunks.
    pub fn chunks(&self, bytes: u64) -> impl Iterator<Item = Vec<u8>> {
        let mut parts = self.parts(bytes);
        std::iter::from_fn(move || {
            let mut chunk = Vec::with_capacity(2 * CHUNK);
            while chunk.len() < CHUNK {
                let Some(part) = parts.next() else { break };
                chunk.extend_from_slice(&part);
            }
            (!chunk.is_empty()).then_some(chunk)
        })
    }

    fn parts(&self, bytes: u64) -> Box<dyn Iterator<Item = Vec<u8>>> {
        let numbered = |make: fn(u64) -> String, bytes: u64| {
            let times = bytes / make(0).len() as u64;
            (
                (0..times).map(move |number| make(number).into_bytes()),
                times,
            )
        };
        let once = |part: &'static [u8]| std::iter::once(part.to_vec());
        let middle: Box<dyn Iterator<Item = Vec<u8>>> = match self.unit {
            Unit::Same(unit) => Box::new(repeated(unit, bytes / unit.len() as u64)),
            Unit::Numbered(make) => Box::new(numbered(make, bytes).0),
            Unit::Nested(open, close) => {
                let times = bytes / (open.len() + close.len()) as u64;
                Box::new(repeated(open, times).chain(repeated(close, times)))
            }
            Unit::NestedNumbered(make, close) => {
                let (opened, times) = numbered(make, bytes);
                Box::new(opened.chain(repeated(close, times)))
            }
        };
        Box::new(once(self.before).chain(middle).chain(once(self.after)))
    }
}

/// `unit`, this number of times, in larger pieces.
fn repeated(unit: &'static [u8], times: u64) -> impl Iterator<Item = Vec<u8>> {
    let block = (4096 / unit.len() as u64).max(1);
    let rest = (times % block) as usize;
    (0..times / block)
        .map(move |_| unit.repeat(block as usize))
        .chain(std::iter::once(unit.repeat(rest)))
}

/// Every attack that is a matter of length.
pub fn all() -> Vec<Stream> {
    [
        long_tags_and_markup(),
        long_text_and_declarations(),
        many_elements(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn same(
    name: &'static str,
    before: &'static str,
    unit: &'static str,
    after: &'static str,
    verdict: Verdict,
) -> Stream {
    Stream {
        name,
        before: before.as_bytes(),
        unit: Unit::Same(unit.as_bytes()),
        after: after.as_bytes(),
        verdict,
    }
}

fn numbered(
    name: &'static str,
    before: &'static str,
    make: fn(u64) -> String,
    after: &'static str,
    verdict: Verdict,
) -> Stream {
    Stream {
        name,
        before: before.as_bytes(),
        unit: Unit::Numbered(make),
        after: after.as_bytes(),
        verdict,
    }
}

fn long_tags_and_markup() -> Vec<Stream> {
    vec![
        same(
            "attribute_value",
            "<r a=\"",
            "x",
            "\"/>",
            Limit("max_attribute_bytes"),
        ),
        same("element_name", "<", "x", "/>", Limit("max_name_bytes")),
        same(
            "attribute_name",
            "<r ",
            "x",
            "=\"1\"/>",
            Limit("max_name_bytes"),
        ),
        same("end_tag", "<r></r", " ", ">", Limit("max_token_bytes")),
        same("space_in_tag", "<r", " ", "/>", Limit("max_token_bytes")),
        same("comment", "<!--", "x", "--><r/>", Limit("max_token_bytes")),
        same("hyphens", "<!--", "- ", "--><r/>", Limit("max_token_bytes")),
        same(
            "instruction",
            "<?p ",
            "x",
            "?><r/>",
            Limit("max_token_bytes"),
        ),
        same(
            "question_marks",
            "<?p ",
            "?",
            "?><r/>",
            Limit("max_token_bytes"),
        ),
        same(
            "xml_declaration",
            "<?xml version=\"1.0\"",
            " ",
            "?><r/>",
            Limit(NO_OPTION),
        ),
    ]
}

fn long_text_and_declarations() -> Vec<Stream> {
    vec![
        same("cdata", "<r><![CDATA[", "x", "]]></r>", Accepted),
        same(
            "cdata_brackets",
            "<r><![CDATA[",
            "]",
            ">x]]></r>",
            Malformed,
        ),
        same("brackets", "<r>", "] ", "</r>", Accepted),
        same("text", "<r>", "x", "</r>", Accepted),
        same("wide_text", "<r>", "\u{20AC}", "</r>", Accepted),
        same("space_behind", "<r/>", " \n", "", Accepted),
        same("line_ends", "<r>", "\r\n", "</r>", Accepted),
        same("returns", "<r>", "\r", "</r>", Accepted),
        same(
            "declarations",
            "<!DOCTYPE r [",
            "<!-- x -->\n",
            "]><r/>",
            Limit("max_dtd_bytes"),
        ),
        same(
            "system_identifier",
            "<!DOCTYPE r SYSTEM \"",
            "x",
            "\"><r/>",
            Limit("max_dtd_bytes"),
        ),
        same(
            "entity_value",
            "<!DOCTYPE r [<!ENTITY a \"",
            "x",
            "\">]><r/>",
            Limit("max_dtd_bytes"),
        ),
        same(
            "reference_digits",
            "<r>&#",
            "0",
            "65;</r>",
            Limit("max_name_bytes"),
        ),
        same(
            "reference_name",
            "<r>&",
            "x",
            ";</r>",
            Limit("max_name_bytes"),
        ),
        same("references", "<r>", "&#65;", "</r>", Accepted),
        same(
            "value_references",
            "<r a='",
            "&#65;",
            "'/>",
            Limit("max_token_bytes"),
        ),
    ]
}

fn many_elements() -> Vec<Stream> {
    vec![
        same("elements", "<r>", "<a/>", "</r>", Accepted),
        same("short_texts", "<r>", "a<b/>", "</r>", Accepted),
        same(
            "records",
            "<r>",
            "<rec id=\"1\"><v>some text</v></rec>\n",
            "",
            Malformed,
        ),
        same("roots", "", "<a/>", "", Malformed),
        same("never_closed", "", "<a>", "", Limit("max_depth")),
        numbered(
            "element_names",
            "<r>",
            |n| format!("<n{n:07}/>"),
            "</r>",
            Accepted,
        ),
        numbered(
            "attribute_names",
            "<r>",
            |n| format!("<e a{n:07}=\"1\"/>"),
            "</r>",
            Accepted,
        ),
        numbered(
            "attributes",
            "<r",
            |n| format!(" a{n:07}=\"\""),
            "/>",
            Limit("max_attributes"),
        ),
        numbered(
            "twin_attributes",
            "<r",
            |n| format!(" a{:07}=\"\"", n % 70_000),
            "/>",
            Limit("max_attributes"),
        ),
        // Names with equal hashes of the form h * 31 + c.
        numbered(
            "colliding_names",
            "<r",
            |n| {
                let pair = |bit: u64| if n >> bit & 1 == 1 { "Aa" } else { "BB" };
                format!(" {}=\"\"", (0..20).map(pair).collect::<String>())
            },
            "/>",
            Limit("max_attributes"),
        ),
        numbered(
            "declared_prefixes",
            "<r",
            |n| format!(" xmlns:p{n:07}=\"u{n}\""),
            "/>",
            Limit("max_attributes"),
        ),
        Stream {
            name: "depth",
            before: b"",
            unit: Unit::Nested(b"<a>", b"</a>"),
            after: b"",
            verdict: Limit("max_depth"),
        },
        Stream {
            name: "deep_namespaces",
            before: b"",
            unit: Unit::NestedNumbered(|n| format!("<a xmlns=\"u{n:07}\">"), b"</a>"),
            after: b"",
            verdict: Limit("max_depth"),
        },
        Stream {
            name: "deep_prefixes",
            before: b"",
            unit: Unit::NestedNumbered(
                |n| {
                    let declare = |i: u64| format!(" xmlns:p{n:07}_{i}=\"u\"");
                    format!("<a{}>", (0..200).map(declare).collect::<String>())
                },
                b"</a>",
            ),
            after: b"",
            verdict: Limit("max_depth"),
        },
        // '<', 'a', '>' in UTF-16.
        Stream {
            name: "utf_16_depth",
            before: b"\xFF\xFE",
            unit: Unit::Same(b"<\0a\0>\0"),
            after: b"",
            verdict: Limit("max_depth"),
        },
    ]
}
