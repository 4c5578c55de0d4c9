//! Documents that are nearly right.

use crate::{Accepted, Case, Limit, Malformed};

/// Every document here breaks one rule.
pub fn cases() -> Vec<Case> {
    [
        "",
        " ",
        "x",
        "<r>",
        "</r>",
        "<r/><r/>",
        "<r></R>",
        "<a><b></a></b>",
        "<r a=1/>",
        "<r a/>",
        "<r a=\"1\" a=\"2\"/>",
        "<r a=\"<\"/>",
        "<r>]]></r>",
        "<r>&</r>",
        "<r>&#0;</r>",
        "<r>&#xD800;</r>",
        "<r>&#x110000;</r>",
        "<r>&#xFFFFFFFFFFFFFFFF41;</r>",
        "<r>&nbsp;</r>",
        "<!-- a -- b --><r/>",
        "<!-- a ---><r/>",
        "<?xml?><r/>",
        " <?xml version=\"1.0\"?><r/>",
        "<?XML version=\"1.0\"?><r/>",
        "<r><?xml version=\"1.0\"?></r>",
        "<r/>x",
        "<r/>&#32;",
        "<1r/>",
        "<r a=\"1\"b=\"2\"/>",
        "< r/>",
        "<r></ r>",
        "<r/ >",
        "<r><![cdata[]]></r>",
        "<![CDATA[]]><r/>",
        "<!DOCTYPE r><!DOCTYPE r><r/>",
        "<r/><!DOCTYPE r>",
        "<r><!DOCTYPE r></r>",
        "<r><!ENTITY a ''></r>",
    ]
    .into_iter()
    .map(|document| Case::new(document, document, Malformed))
    .collect()
}

pub fn namespaces() -> Vec<Case> {
    let wrong = [
        "<a:r/>",
        "<r a:b=''/>",
        "<r xmlns:a=\"u\"><b xmlns:a=\"\"/></r>",
        "<r xmlns:a=\"u\" xmlns:b=\"u\" a:x=\"1\" b:x=\"2\"/>",
        "<r xmlns:xml=\"u\"/>",
        "<r xmlns:xmlns=\"u\"/>",
        "<r xmlns:a=\"http://www.w3.org/XML/1998/namespace\"/>",
        "<r xmlns:a=\"http://www.w3.org/2000/xmlns/\"/>",
        "<xmlns:r/>",
        "<a:b:c xmlns:a=\"u\"/>",
        "<:a/>",
        "<a:/>",
        "<r xmlns:a=\"u\" a:=\"1\"/>",
        "<?a:b?><r/>",
        "<!DOCTYPE r [<!ENTITY a:b ''>]><r/>",
    ];
    let right = [
        (
            "prefix xml",
            "<r xml:a='' xmlns:xml='http://www.w3.org/XML/1998/namespace'/>".to_owned(),
        ),
        (
            "a long URI on many elements",
            format!(
                "<r xmlns='{}'>{}</r>",
                "u".repeat(100_000),
                "<a/>".repeat(1000)
            ),
        ),
        (
            "a URI on very many elements",
            format!(
                "<r xmlns='{}'>{}</r>",
                "u".repeat(4000),
                "<a/>".repeat(100_000)
            ),
        ),
        (
            "equal local names",
            "<r xmlns:a='u' xmlns='u' a:x='' x=''/>".to_owned(),
        ),
    ];
    let wrong = wrong.map(|document| Case::new(document, document, Malformed));
    let right = right.map(|(name, document)| Case::new(name, document, Accepted));
    // Names in it would be as long in every batch of events.
    let huge = format!("<r xmlns='{}'><a/></r>", "u".repeat(1_000_000));
    let huge = Case::new("a huge URI", huge, Limit("max_name_bytes"));
    wrong
        .into_iter()
        .chain(right)
        .chain([huge])
        .map(Case::with_namespaces)
        .collect()
}

/// One document with a bit of everything, cut at every byte.
pub fn cut_short() -> Vec<Case> {
    let document = "<?xml version='1.0'?><!DOCTYPE r [<!ENTITY e 'v'><!ATTLIST r a CDATA 'd'><!-- c -->\
                    <?p d?>]><!-- c --><r a='1' b=\"&lt;&#x41;&e;\">t&amp;x<![CDATA[c]]><?p d?>\
                    <s:e xmlns:s='u'/></r><!-- z -->";
    let root = document.find("<!-- z").unwrap_or(0);
    let cut = |len: usize| {
        let verdict = if len == root || len == document.len() {
            Accepted
        } else {
            Malformed
        };
        Case::new(format!("the first {len} bytes"), &document[..len], verdict)
    };
    (0..=document.len()).map(cut).collect()
}
