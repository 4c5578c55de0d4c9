//! Declarations of a document: entities, defaults, namespaces, encodings. Every document is cut everywhere.

use crate::support::{Outcome, parse, parse_every_way};
use bounded_core::xml::{DoctypePolicy, Emit, Options};

/// The events between the document's start and its end, or its error.
fn told(document: &str, options: &Options) -> Vec<String> {
    let Outcome { events, error, .. } = parse_every_way(document.as_bytes(), options);
    let mut told: Vec<String> = events.into_iter().map(|(_, event)| event).collect();
    told.retain(|event| event != "end" && !event.starts_with("document "));
    told.extend(error.map(|error| error.to_string()));
    told
}

fn plain(document: &str) -> Vec<String> {
    told(document, &Options::default())
}

fn last(document: &str) -> String {
    plain(document).pop().unwrap_or_default()
}

#[test]
fn entities_are_text_and_elements() {
    let document = "<!DOCTYPE r [<!ENTITY a 'x&b;y'><!ENTITY b '<e k=\"&c;\">&c;</e>'><!ENTITY c '&#38;lt;é'>]>\
                    <r>1&a;2&c;&lt;</r>";
    assert_eq!(
        plain(document),
        [
            "<r>",
            "text \"1x\"",
            "<e k=\"<é\">",
            "text \"<é\"",
            "</e>",
            "text \"y2<é<\"",
            "</r>"
        ]
    );
}

#[test]
fn entities_in_values_are_normalised_like_values() {
    let document = "<!DOCTYPE r [<!ENTITY a '\"\n&#9;&#13;&#10;'><!ENTITY b \"'&a;'\">]><r x='[&b;]' y=\"&#10;\r\n&b;\"/>";
    assert_eq!(
        plain(document),
        ["<r x=\"['\\\"    ']\" y=\"\\n '\\\"    '\">", "</r>"]
    );
}

#[test]
fn entities_balance_what_they_begin() {
    let entity = |text: &str, content: &str| {
        last(&format!(
            "<!DOCTYPE r [<!ENTITY a \"{text}\">]><r>{content}</r>"
        ))
    };
    let reason = "the entity a does not end what it begins at line 1, column 40 (byte 39)";
    for text in [
        "<e/><x>",
        "&#60;!--",
        "<e",
        "&#38;",
        "&#38;l",
        "<![CDATA[x",
        "<?p x",
    ] {
        let document = format!("<!DOCTYPE r [<!ENTITY a \"{text}\">]><r>&a;</x></r>");
        let outcome = parse_every_way(document.as_bytes(), &Options::default());
        assert!(
            outcome.error_line().contains("does not end what it begins"),
            "{text}: {}",
            outcome.error_line()
        );
    }
    assert_eq!(entity("<e/><x>", "&a;</x>"), reason);
    assert_eq!(
        entity("</r><r>", "&a;"),
        "this end tag has no start tag here at line 1, column 40 (byte 39)"
    );
    assert_eq!(
        entity("&a;", "&a;"),
        "the entity a contains itself at line 1, column 36 (byte 35)"
    );
    assert_eq!(
        entity("x", "&b;"),
        "the entity b is not declared (recover: [:entities] lets it through) at line 1, column 34 (byte 33)"
    );
}

#[test]
fn what_is_elsewhere_is_never_opened() {
    let external =
        "<!DOCTYPE r SYSTEM 'http://127.0.0.1:9/' [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>";
    assert_eq!(
        plain(&format!("{external}<r>a&x;b&y;</r>")),
        [
            "<r>",
            "text \"a\"",
            "skipped x",
            "text \"b\"",
            "skipped y",
            "</r>"
        ]
    );
    assert_eq!(
        plain(&format!("{external}<r a='1&y;2'/>")),
        ["<r a=\"12\">", "</r>"]
    );
    let found = plain(&format!("{external}<r a='&x;'/>"))
        .pop()
        .unwrap_or_default();
    assert!(found.starts_with("the external entity x is not allowed in an attribute"));
    let standalone = format!("<?xml version='1.0' standalone='yes'?>{external}<r>&y;</r>");
    assert!(last(&standalone).starts_with("the entity y is not declared"));
}

#[test]
fn defaults_and_types_of_attributes() {
    let document = "<!DOCTYPE r [<!ATTLIST r a CDATA ' d &amp; ' b NMTOKENS #IMPLIED c ID ' e\n f ' xmlns CDATA 'u'>]>\
                    <r b=' 1 \n 2&#32; ' a=\" x \"><r/></r>";
    assert_eq!(
        plain(document),
        [
            "<r b=\"1 2\" a=\" x \" c=\"e f\" xmlns=\"u\">",
            "<r a=\" d & \" c=\"e f\" xmlns=\"u\">",
            "</r>",
            "</r>"
        ]
    );
}

#[test]
fn what_a_doctype_says_is_told_when_asked_for() {
    let mut options = Options {
        emit: Emit {
            comments: true,
            processing_instructions: true,
            doctype: true,
            ..Emit::default()
        },
        positions: true,
        ..Options::default()
    };
    let document = "<!DOCTYPE r PUBLIC '-//X//Y' \"z\" [ <!--c--><?p d?> ] ><r/>";
    assert_eq!(
        told(document, &options),
        [
            "Doctype { name: \"r\", public_id: Some(\"-//X//Y\"), system_id: Some(\"z\"), \
             internal_subset: Some(\" <!--c--><?p d?> \") }",
            "comment \"c\"",
            "pi \"p\" \"d\"",
            "<r>",
            "</r>"
        ]
    );
    options.doctype = DoctypePolicy::Reject;
    assert_eq!(
        told(document, &options),
        [
            "the document has a DOCTYPE, which doctype: :reject refuses; doctype: :internal reads it at line 1, column 1 (byte 0)"
        ]
    );
}

#[test]
fn what_is_wrong_in_a_doctype() {
    for (document, expected) in [
        (
            "<!DOCTYPE r",
            "the document ends inside the DOCTYPE at line 1, column 12 (byte 11)",
        ),
        (
            "<!DOCTYPE r [<!ENTITY a 'x'>",
            "the document ends inside the DOCTYPE at line 1, column 29 (byte 28)",
        ),
        (
            "<!DOCTYPE r x><r/>",
            "'[' or '>' belongs here in a DOCTYPE at line 1, column 13 (byte 12)",
        ),
        (
            "<!DOCTYPE r [] x><r/>",
            "'>' belongs after the ']' of a DOCTYPE at line 1, column 16 (byte 15)",
        ),
        (
            "<r/><!DOCTYPE r>",
            "a DOCTYPE belongs before the root element, once at most at line 1, column 5 (byte 4)",
        ),
        (
            "<!DOCTYPE r><!DOCTYPE r><r/>",
            "a DOCTYPE belongs before the root element, once at most at line 1, column 13 (byte 12)",
        ),
    ] {
        assert_eq!(last(document), expected, "{document}");
    }
}

#[test]
fn limits_of_entities_and_declarations() {
    let mut options = Options::default();
    let limits = &mut options.limits;
    limits.max_dtd_bytes = 100;
    limits.max_entity_depth = 2;
    limits.max_entity_expansions = 5;
    limits.max_entity_bytes = 20;
    limits.max_amplification = 1;
    limits.max_attributes = 3;
    let declared = "<!DOCTYPE r [<!ENTITY a '1234'><!ENTITY b '&a;'><!ENTITY c '&b;'>]>";
    for (document, limit) in [
        (format!("{declared}<r>&a;&b;</r>"), ""),
        (format!("{declared}<r>&c;</r>"), "max_entity_depth"),
        (format!("{declared}<r a='&c;'/>"), "max_entity_depth"),
        (
            format!("{declared}<r>&a;&a;&a;&a;&a;&a;</r>"),
            "max_entity_expansions",
        ),
        (
            format!(
                "<!DOCTYPE r [<!ENTITY a '{}'>]><r>&a;&a;</r>",
                "x".repeat(40)
            ),
            "max_amplification",
        ),
        (format!("<!DOCTYPE r [{}]><r/>", " ".repeat(84)), ""),
        (
            format!("<!DOCTYPE r [{}]><r/>", " ".repeat(86)),
            "max_dtd_bytes",
        ),
        (format!("<!DOCTYPE r [{}", " ".repeat(200)), "max_dtd_bytes"),
        (
            format!("<!DOCTYPE r SYSTEM '{}'><r/>", "x".repeat(200)),
            "max_dtd_bytes",
        ),
        (
            "<!DOCTYPE r [<!ATTLIST r a CDATA '' b CDATA ''>]><r c='' d=''/>".into(),
            "max_attributes",
        ),
    ] {
        let outcome = parse_every_way(document.as_bytes(), &options);
        let found = outcome.error.and_then(|error| error.limit);
        assert_eq!(found.map_or("", |limit| limit.name), limit, "{document}");
    }
}

#[test]
fn prefixes_stand_for_namespaces() {
    let options = Options {
        namespaces: true,
        ..Options::default()
    };
    let document = "<a:r xmlns:a='u' xmlns='v' k='1' a:k='2' xml:lang='en'><e xmlns=''><a:f xmlns:a='w'/></e><e/></a:r>";
    let xmlns = "{http://www.w3.org/2000/xmlns/}";
    assert_eq!(
        told(document, &options),
        [
            format!(
                "<{{u}}r {xmlns}a=\"u\" {xmlns}xmlns=\"v\" k=\"1\" {{u}}k=\"2\" {{http://www.w3.org/XML/1998/namespace}}lang=\"en\">"
            ),
            format!("<e {xmlns}xmlns=\"\">"),
            format!("<{{w}}f {xmlns}a=\"w\">"),
            "</{w}f>".into(),
            "</e>".into(),
            "<{v}e>".into(),
            "</{v}e>".into(),
            "</{u}r>".into(),
        ]
    );
    for (document, reason) in [
        (
            "<a:r/>",
            "the prefix a is not declared at line 1, column 1 (byte 0)",
        ),
        (
            "<r a:b=''/>",
            "the prefix a is not declared at line 1, column 1 (byte 0)",
        ),
        (
            "<r><e xmlns:a='u'/><a:e/></r>",
            "the prefix a is not declared at line 1, column 20 (byte 19)",
        ),
        (
            "<r xmlns:a='u' xmlns:b='u' a:x='' b:x=''/>",
            "two attributes are both the x of the same namespace at line 1, column 1 (byte 0)",
        ),
        (
            "<r xmlns:a=''/>",
            "a prefix cannot be undeclared in Namespaces 1.0 at line 1, column 1 (byte 0)",
        ),
        (
            "<r xmlns:xml='u'/>",
            "the prefix xml and its namespace belong to each other alone at line 1, column 1 (byte 0)",
        ),
        (
            "<r xmlns:xmlns='u'/>",
            "the prefix xmlns and its namespace cannot be declared at line 1, column 1 (byte 0)",
        ),
        (
            "<r xmlns='http://www.w3.org/2000/xmlns/'/>",
            "the prefix xmlns and its namespace cannot be declared at line 1, column 1 (byte 0)",
        ),
        (
            "<a:b:c/>",
            "the name of an element or attribute has one colon at most, between two names at line 1, column 2 (byte 1)",
        ),
        (
            "<r a:=''/>",
            "the name of an element or attribute has one colon at most, between two names at line 1, column 4 (byte 3)",
        ),
    ] {
        let found = told(document, &options).pop();
        assert_eq!(found.as_deref(), Some(reason), "{document}");
    }
    let mut limited = options.clone();
    limited.limits.max_namespaces = 2;
    let found = parse_every_way(
        b"<r xmlns:a='a'><r xmlns:b='b'/><r xmlns:c='c'><r xmlns:d='d'/></r></r>",
        &limited,
    );
    assert_eq!(
        found
            .error
            .and_then(|error| error.limit)
            .map(|limit| limit.name),
        Some("max_namespaces")
    );
}

#[test]
fn offsets_are_those_of_the_original_bytes() {
    let document = "<?xml version='1.0' encoding='utf-16'?>\n<r a='é'>€😀<é/>\u{FFFE}</r>";
    let mut original = vec![0xFF, 0xFE];
    for unit in document.encode_utf16() {
        original.extend_from_slice(&unit.to_le_bytes());
    }
    let options = Options {
        positions: true,
        ..Options::default()
    };
    let outcome = parse_every_way(&original, &options);
    let offsets: Vec<u64> = outcome
        .events
        .iter()
        .map(|(position, _)| position.expect("positions were asked for").byte_offset)
        .collect();
    assert_eq!(offsets, [2, 82, 100, 106, 106]);
    assert_eq!(
        outcome.error_line(),
        "Malformed: the character U+FFFE is not allowed in XML (recover: [:characters] replaces it) at line 2, column 16 (byte 114)"
    );
    let latin = b"<?xml version='1.0' encoding='ISO-8859-1'?><r>\xE9\xE9&x;</r>";
    assert_eq!(
        parse_every_way(latin, &options).error_line(),
        "Malformed: the entity x is not declared (recover: [:entities] lets it through) at line 1, column 49 (byte 48)"
    );
}

#[test]
fn an_encoding_can_be_said_from_outside() {
    let options = |name: &str| Options {
        encoding: Some(name.into()),
        ..Options::default()
    };
    let outcome = parse_every_way(b"<r>\xE9</r>", &options("ISO-8859-1"));
    assert_eq!(outcome.texts()[2], "text \"é\"");
    assert_eq!(
        parse(b"<r/>", &options("x-nope"))
            .error
            .map(|error| error.kind),
        Some(bounded_core::xml::ErrorKind::Unsupported)
    );
}
