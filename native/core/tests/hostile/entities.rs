//! Bombs made of entities and defaults, and references to what lies outside.

use crate::{Accepted, Case, Limit, Malformed, Verdict};

/// Entities `e1` to `e{levels}`, each `times` references to the one before; `e0` is given.
fn doubling(levels: usize, times: usize, open: &str, refer: &str) -> String {
    (1..=levels)
        .map(|level| {
            let reference = format!("{refer}e{};", level - 1);
            format!("<!ENTITY {open}e{level} \"{}\">", reference.repeat(times))
        })
        .collect()
}

fn laughs() -> String {
    format!("<!ENTITY e0 \"lol\">{}", doubling(9, 10, "", "&"))
}

fn big(bytes: usize) -> String {
    format!("<!ENTITY a \"{}\">", "a".repeat(bytes))
}

fn chain(length: usize) -> String {
    format!("<!ENTITY e0 \"x\">{}", doubling(length, 1, "", "&"))
}

fn elements() -> String {
    let entities = doubling(7, 8, "", "&");
    format!("<!ENTITY e0 \"{}\">{entities}", "<x/>".repeat(8))
}

fn attributes(count: usize, bytes: usize) -> String {
    let value = "v".repeat(bytes);
    let one = |number| format!("<!ATTLIST r a{number} CDATA \"{value}\">");
    (0..count).map(one).collect()
}

fn model(depth: usize) -> String {
    format!("<!ELEMENT r {}a{}>", "(".repeat(depth), ")".repeat(depth))
}

fn parameter_entities(levels: usize) -> String {
    let entities = doubling(levels, 10, "% ", "&#37;");
    format!("<!ENTITY % e0 \"<!-- -->\">{entities}%e{levels};")
}

/// A name, the declarations, the root element, and the verdict.
type Row = (&'static str, String, String, Verdict);

pub fn cases() -> Vec<Case> {
    let rows = [amplification(), nesting(), wrong_references()]
        .into_iter()
        .flatten();
    rows.map(|(name, declarations, root, verdict)| {
        let document = format!("<!DOCTYPE r [{declarations}]>{root}");
        Case::new(name, document, verdict)
    })
    .collect()
}

fn amplification() -> Vec<Row> {
    vec![
        (
            "a billion laughs",
            laughs(),
            "<r>&e9;</r>".into(),
            Limit("max_amplification"),
        ),
        (
            "laughs in an attribute",
            laughs(),
            "<r a='&e9;'/>".into(),
            Limit("max_amplification"),
        ),
        (
            "laughs in a default",
            laughs() + "<!ATTLIST r a CDATA '&e9;'>",
            "<r/>".into(),
            Limit("max_amplification"),
        ),
        (
            "laughs among declarations",
            parameter_entities(7),
            "<r/>".into(),
            Limit("max_amplification"),
        ),
        (
            "one entity, often",
            big(50_000),
            format!("<r>{}</r>", "&a;".repeat(50_000)),
            Limit("max_amplification"),
        ),
        (
            "one entity, often, in an attribute",
            big(50_000),
            format!("<r a='{}'/>", "&a;".repeat(50_000)),
            Limit("max_attribute_bytes"),
        ),
        (
            "one entity beyond the declarations' limit",
            big(100_000),
            "<r>&a;</r>".into(),
            Limit("max_dtd_bytes"),
        ),
        (
            "an empty entity, very often",
            "<!ENTITY a \"\">".into(),
            format!("<r>{}</r>", "&a;".repeat(1_000_000)),
            Limit("max_entity_expansions"),
        ),
        (
            "an empty entity, very often, in an attribute",
            "<!ENTITY a \"\">".into(),
            format!("<r a='{}'/>", "&a;".repeat(1_000_000)),
            Limit("max_entity_expansions"),
        ),
    ]
}

fn nesting() -> Vec<Row> {
    vec![
        (
            "a chain of entities",
            chain(1000),
            "<r>&e1000;</r>".into(),
            Limit("max_entity_depth"),
        ),
        ("a short chain", chain(19), "<r>&e19;</r>".into(), Accepted),
        (
            "elements from entities",
            elements(),
            "<r>&e7;</r>".into(),
            Limit("max_amplification"),
        ),
        (
            "more entities than allowed",
            (0..2501).map(|n| format!("<!ENTITY e{n} ''>")).collect(),
            "<r/>".into(),
            Limit("max_entities"),
        ),
        (
            "defaults on every element",
            attributes(200, 100),
            format!("<r>{}</r>", "<r/>".repeat(2000)),
            Limit("max_amplification"),
        ),
        (
            "more defaults than attributes",
            attributes(2000, 1),
            "<r/>".into(),
            Limit("max_attributes"),
        ),
        (
            "defaults beyond the declarations' limit",
            attributes(2000, 100),
            "<r/>".into(),
            Limit("max_dtd_bytes"),
        ),
        (
            "a large default",
            attributes(1, 20_000),
            format!("<x>{}</x>", "<r/>".repeat(20_000)),
            Limit("max_amplification"),
        ),
        (
            "a deep content model",
            model(20_000),
            "<r/>".into(),
            Limit("max_depth"),
        ),
        (
            "a deeper content model",
            model(50_000),
            "<r/>".into(),
            Limit("max_depth"),
        ),
    ]
}

fn wrong_references() -> Vec<Row> {
    vec![
        (
            "an entity in itself",
            "<!ENTITY a \"&a;\">".into(),
            "<r>&a;</r>".into(),
            Malformed,
        ),
        (
            "two entities in each other",
            "<!ENTITY a \"&b;\"><!ENTITY b \"&a;\">".into(),
            "<r>&a;</r>".into(),
            Malformed,
        ),
        (
            "an entity in itself, in a default",
            "<!ENTITY a \"&a;\"><!ATTLIST r x CDATA \"&a;\">".into(),
            "<r/>".into(),
            Malformed,
        ),
        (
            "half an element in an entity",
            "<!ENTITY a \"<x>\">".into(),
            "<r>&a;</x></r>".into(),
            Malformed,
        ),
        (
            "a parameter entity in itself",
            "<!ENTITY % a \"&#37;a;\"> %a;".into(),
            "<r/>".into(),
            Malformed,
        ),
        (
            "no declaration in a parameter entity",
            "<!ENTITY % a \"x\"><!ENTITY % b \"&#37;a;&#37;a;\"> %b;".into(),
            "<r/>".into(),
            Malformed,
        ),
        (
            "a parameter entity in a value",
            "<!ENTITY % a \"x\"><!ENTITY b \"%a;\">".into(),
            "<r/>".into(),
            Malformed,
        ),
        (
            "nested conditional sections",
            format!("{}{}", "<![IGNORE[".repeat(1000), "]]>".repeat(1000)),
            "<r/>".into(),
            Malformed,
        ),
    ]
}

/// A file that a parser which opens external entities would open.
pub fn external() -> Vec<Case> {
    let mut cases = Vec::new();
    for uri in [
        "file:///etc/passwd",
        "file:///dev/zero",
        "http://127.0.0.1:9/x",
        "ftp://127.0.0.1/x",
        "../../../../etc/passwd",
    ] {
        let entity = format!("<!DOCTYPE r [<!ENTITY x SYSTEM \"{uri}\">]>");
        cases.extend([
            Case::new(
                format!("{uri} in text"),
                format!("{entity}<r>&x;</r>"),
                Accepted,
            ),
            Case::new(
                format!("{uri} in an attribute"),
                format!("{entity}<r a=\"&x;\"/>"),
                Malformed,
            ),
            Case::new(
                format!("{uri} among declarations"),
                format!("<!DOCTYPE r [<!ENTITY % x SYSTEM \"{uri}\"> %x; ]><r/>"),
                Accepted,
            ),
            Case::new(
                format!("{uri} as declarations"),
                format!("<!DOCTYPE r SYSTEM \"{uri}\"><r/>"),
                Accepted,
            ),
        ]);
    }
    let include = "<r xmlns:xi=\"http://www.w3.org/2001/XInclude\"><xi:include href=\"file:///etc/passwd\"/></r>";
    let stylesheet = "<?xml-stylesheet href=\"http://127.0.0.1/x\" type=\"text/xsl\"?><r/>";
    cases.push(Case::new("inclusion", include, Accepted).with_namespaces());
    cases.push(Case::new("style sheet", stylesheet, Accepted));
    cases
}
