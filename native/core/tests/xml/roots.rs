//! Many root elements, each of a document of its own.

use crate::support::parse_every_way;
use bounded_core::xml::{DoctypePolicy, Emit, Limits, Options, Roots};

fn many() -> Options {
    Options {
        roots: Roots::Many,
        ..Options::default()
    }
}

/// The events, with documents that declare nothing as "(" and their ends as ")".
fn told(document: &str, options: &Options) -> Vec<String> {
    let outcome = parse_every_way(document.as_bytes(), options);
    let events = outcome.texts().into_iter().map(|event| match event {
        "document None None None" => "(".into(),
        "end" => ")".into(),
        event => event.to_owned(),
    });
    let error = outcome.error.iter().map(|error| error.reason.clone());
    events.chain(error).collect()
}

#[test]
fn each_is_framed() {
    assert_eq!(
        told("<a/>\n<b>x</b><!-- --> ", &many()),
        [
            "(",
            "<a>",
            "</a>",
            ")",
            "(",
            "<b>",
            "text \"x\"",
            "</b>",
            ")"
        ]
    );
    assert_eq!(told("", &many()), ["(", ")"]);
    assert_eq!(told(" <?p?>", &many()), ["(", ")"]);
}

#[test]
fn each_may_have_a_declaration() {
    let document = "<?xml version='1.0'?><a/>\n<?xml version='1.1' standalone='yes'?>\n<b/><?xml-style?><c/><?xml version='1.0'?><d/>";
    assert_eq!(
        told(document, &many()),
        [
            "document Some(\"1.0\") None None",
            "<a>",
            "</a>",
            ")",
            "document Some(\"1.1\") None Some(true)",
            "<b>",
            "</b>",
            ")",
            "(",
            "<c>",
            "</c>",
            ")",
            "document Some(\"1.0\") None None",
            "<d>",
            "</d>",
            ")"
        ]
    );
}

#[test]
fn comments_and_instructions_belong_to_the_document_before_them() {
    let options = Options {
        emit: Emit {
            comments: true,
            processing_instructions: true,
            ..Emit::default()
        },
        ..many()
    };
    assert_eq!(
        told(
            "<a/><!--1--><?p?><?xml version='1.0'?><!--2--><b/>",
            &options
        ),
        [
            "(",
            "<a>",
            "</a>",
            "comment \"1\"",
            "pi \"p\" \"\"",
            ")",
            "document Some(\"1.0\") None None",
            "comment \"2\"",
            "<b>",
            "</b>",
            ")"
        ]
    );
}

#[test]
fn declarations_are_those_of_one_document() {
    let first = "<!DOCTYPE a [<!ENTITY e 'x'><!ATTLIST a k CDATA 'v'>]><a>&e;</a>";
    let events = ["(", "<a k=\"v\">", "text \"x\"", "</a>", ")"];
    assert_eq!(
        told(&format!("{first}{first}"), &many()),
        [events, events].concat()
    );
    // Neither entities nor defaults last.
    assert_eq!(
        told(&format!("{first}<a/>"), &many())[5..],
        ["(", "<a>", "</a>", ")"]
    );
    let undeclared = told(&format!("{first}<b>&e;</b>"), &many());
    assert!(
        undeclared[7].contains("the entity e is not declared"),
        "{undeclared:?}"
    );
    let standalone = format!("<?xml version='1.0' standalone='yes'?>{first}");
    assert_eq!(
        told(
            &format!("{standalone}<!DOCTYPE b SYSTEM 'x'><b>&e;</b>"),
            &many()
        )[7],
        "skipped e"
    );
}

#[test]
fn limits_are_those_of_one_document() {
    let limited = |limits: Limits| Options { limits, ..many() };
    let elements = limited(Limits {
        max_elements: 2,
        ..Limits::default()
    });
    assert_eq!(told("<a><b/></a><a><b/></a>", &elements).len(), 12);
    assert!(told("<a/><a><b/><c/></a>", &elements)[8].starts_with("max_elements is 2"));
    let amplification = limited(Limits {
        max_entity_expansions: 2,
        ..Limits::default()
    });
    let document = "<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;&e;</a>";
    assert_eq!(told(&document.repeat(3), &amplification).len(), 15);
    // Input before a document does not count for the amplification of that document.
    let amplification = limited(Limits {
        max_entity_bytes: 10,
        max_amplification: 2,
        ..Limits::default()
    });
    let amplifying = format!(
        "<!DOCTYPE a [<!ENTITY e '{}'>]><a>{}</a>",
        "x".repeat(20),
        "&e;".repeat(20)
    );
    let alone = told(&amplifying, &amplification);
    assert!(
        alone
            .last()
            .is_some_and(|last| last.starts_with("max_amplification")),
        "{alone:?}"
    );
    let before = format!("<b>{}</b>", "y".repeat(2_000));
    let behind = told(&format!("{before}{amplifying}"), &amplification);
    assert_eq!(behind[5..], alone);
}

#[test]
fn each_may_be_refused_its_document_type() {
    let options = Options {
        doctype: DoctypePolicy::Reject,
        ..many()
    };
    let events = told("<a/><!DOCTYPE b><b/>", &options);
    assert_eq!(events[..5], ["(", "<a>", "</a>", ")", "("]);
    assert_eq!(events.len(), 6);
}

#[test]
fn each_may_have_a_byte_order_mark() {
    let declared = "document Some(\"1.0\") None None";
    let first = ["(", "<a>", "</a>", ")"];
    for document in [
        "<a/>\u{FEFF}<?xml version='1.0'?><b/>",
        "<a/>\n\u{FEFF}<?xml version='1.0'?><b/>",
        "\u{FEFF}<a/><!-- -->\u{FEFF}<?xml version='1.0'?>\n<b/>\n",
    ] {
        let events = told(document, &many());
        assert_eq!(events[..4], first, "{document}");
        assert_eq!(events[4..], [declared, "<b>", "</b>", ")"], "{document}");
    }
    assert_eq!(told("<a/>\u{FEFF}<b/>", &many()).len(), 8);
    // What it begins has a root, and it begins only one.
    let events = told("<a/>\u{FEFF}", &many());
    assert_eq!(events[..4], first);
    assert_eq!(events[5], "the document has no root element");
    let events = told("<a/>\u{FEFF}\u{FEFF}<b/>", &many());
    assert!(
        events[5].contains("recover: [:leading_whitespace]"),
        "{events:?}"
    );
    // Of one document, it is text.
    let events = told("<a/>\u{FEFF}", &Options::default());
    assert_eq!(events[3], "no text is allowed outside of the root element");
}

#[test]
fn what_begins_has_a_root() {
    for document in [
        "<a/><?xml version='1.0'?>",
        "<a/><!DOCTYPE b>",
        "<a/><?xml version='1.0'?> <!-- --> ",
    ] {
        let events = told(document, &many());
        assert_eq!(
            events.last().map(String::as_str),
            Some("the document has no root element"),
            "{document}"
        );
    }
    assert_eq!(
        told("<a/>x", &many())[3],
        "no text is allowed outside of the root element"
    );
    let twice = told("<?xml version='1.0'?><?xml version='1.0'?><a/>", &many());
    assert!(
        twice[1].starts_with("an XML declaration belongs"),
        "{twice:?}"
    );
}

#[test]
fn all_are_in_one_encoding() {
    let utf8 = "<?xml version='1.0' encoding='utf-8'?><a/>";
    let ascii = "<?xml version='1.0' encoding='US-ASCII'?><a/>";
    let latin1 = "<?xml version='1.0' encoding='iso-8859-1'?><a/>";
    assert_eq!(told(&format!("{utf8}{utf8}{ascii}<a/>"), &many()).len(), 16);
    assert_eq!(told(&format!("{latin1}{latin1}<a/>"), &many()).len(), 12);
    for document in [
        format!("{utf8}{latin1}"),
        format!("{latin1}{utf8}"),
        format!("<a/>{latin1}"),
    ] {
        let events = told(&document, &many());
        assert_eq!(events.len(), 5, "{events:?}");
        assert!(
            events[4].starts_with("one source has one encoding"),
            "{events:?}"
        );
    }
    let named = Options {
        encoding: Some("utf-8".into()),
        ..many()
    };
    assert_eq!(told(&format!("{utf8}{latin1}"), &named).len(), 8);
}

#[test]
fn positions_go_on() {
    let options = Options {
        positions: true,
        ..many()
    };
    let outcome = parse_every_way(b"<a/>\n<?xml version='1.0'?><b/>\n", &options);
    let line_counter: Vec<(u64, u64)> = outcome
        .events
        .iter()
        .map(|(position, _)| position.map_or((0, 0), |it| (it.line, it.column)))
        .collect();
    assert_eq!(
        line_counter,
        [
            (1, 1),
            (1, 1),
            (1, 1),
            (2, 1),
            (2, 1),
            (2, 22),
            (2, 22),
            (3, 1)
        ]
    );
}
