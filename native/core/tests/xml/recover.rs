//! Errors that are recovered when asked for, and only then.

use crate::support::{Outcome, parse, parse_by, parse_every_way};
use bounded_core::xml::{ErrorKind, Options, Recover};

const ALL: Recover = Recover {
    entities: true,
    characters: true,
    ampersands: true,
    leading_whitespace: true,
};

const ENTITIES: Recover = Recover {
    entities: true,
    ..NONE
};

const CHARACTERS: Recover = Recover {
    characters: true,
    ..NONE
};

const AMPERSANDS: Recover = Recover {
    ampersands: true,
    ..NONE
};

const LEADING: Recover = Recover {
    leading_whitespace: true,
    ..NONE
};

const NONE: Recover = Recover {
    entities: false,
    characters: false,
    ampersands: false,
    leading_whitespace: false,
};

fn options(recover: Recover) -> Options {
    Options {
        recover,
        report_recovered: true,
        ..Options::default()
    }
}

/// Parses a document that only `recover` lets through, every way there is.
fn recovered(document: &str, recover: Recover) -> Outcome {
    let outcome = parse_every_way(document.as_bytes(), &options(recover));
    assert_eq!(outcome.error, None, "{document}");
    let positions = Options {
        positions: true,
        ..options(recover)
    };
    let placed = parse_every_way(document.as_bytes(), &positions);
    assert_eq!(placed.texts(), outcome.texts());
    assert_eq!(placed.recovered, outcome.recovered);
    let silent = Options {
        report_recovered: false,
        ..options(recover)
    };
    let silent = parse_every_way(document.as_bytes(), &silent);
    assert_eq!(
        (silent.texts(), silent.recovered.len()),
        (outcome.texts(), 0)
    );
    if !outcome.recovered.is_empty() {
        let others = Recover {
            entities: !recover.entities,
            characters: !recover.characters,
            ampersands: !recover.ampersands,
            leading_whitespace: !recover.leading_whitespace,
        };
        for without in [NONE, others] {
            let error = parse_every_way(document.as_bytes(), &options(without)).error;
            // A name that an external subset may declare is no error, and a long name is beyond a limit.
            match error {
                Some(error) if error.limit.is_none() => {
                    assert!(error.reason.contains("(recover: [:"), "{document}: {error}");
                }
                Some(_) => assert!(recover == AMPERSANDS),
                None => assert!(recover == ENTITIES && document.contains("SYSTEM")),
            }
        }
    }
    outcome
}

/// The text of the root element, if that is all there is in it.
fn text(document: &str, recover: Recover) -> (String, Vec<String>) {
    let Outcome {
        events, recovered, ..
    } = recovered(document, recover);
    let texts = events
        .iter()
        .filter_map(|(_, event)| event.strip_prefix("text "));
    (texts.collect::<Vec<_>>().join(" "), recovered)
}

#[test]
fn entities_of_html_are_replaced_and_others_kept() {
    let (found, recovered) = text("<r>a&nbsp;b\n&eacute;&NotEqualTilde;&LT;</r>", ENTITIES);
    assert_eq!(found, format!("{:?}", "a\u{a0}b\né≂\u{338}<"));
    assert_eq!(
        recovered,
        [
            "Entities \"&nbsp;\" 1:5",
            "Entities \"&eacute;\" 2:1",
            "Entities \"&NotEqualTilde;\" 2:9",
            "Entities \"&LT;\" 2:24",
        ]
    );
    let outcome = recovered_events("<r>a&foo;b</r>", ENTITIES);
    assert_eq!(outcome[2..5], ["text \"a\"", "skipped foo", "text \"b\""]);
    let outcome = recovered_events("<r a='&foo;&eacute;&amp;' b='x'/>", ENTITIES);
    assert_eq!(outcome[1], "<r a=\"&foo;é&\" b=\"x\">");
}

fn recovered_events(document: &str, recover: Recover) -> Vec<String> {
    let outcome = recovered(document, recover);
    outcome.texts().into_iter().map(str::to_owned).collect()
}

#[test]
fn entities_that_are_declared_stay_what_they_are() {
    let document =
        "<!DOCTYPE r [<!ENTITY nbsp '_'><!ENTITY x SYSTEM 'u'>]><r a='&nbsp;'>&nbsp;&x;</r>";
    let events = recovered_events(document, ENTITIES);
    assert_eq!(events[1..4], ["<r a=\"_\">", "text \"_\"", "skipped x"]);
    // Declared in what is not read, perhaps.
    let document = "<!DOCTYPE r SYSTEM 'u'><r a='&nbsp;&y;'>&nbsp;&y;</r>";
    let events = recovered_events(document, ENTITIES);
    assert_eq!(
        events[1..4],
        ["<r a=\"\\u{a0}&y;\">", "text \"\\u{a0}\"", "skipped y"]
    );
    let events = parse(document.as_bytes(), &Options::default());
    assert_eq!(
        events.texts()[1..4],
        ["<r a=\"\">", "skipped nbsp", "skipped y"]
    );
    // In the text of an entity, whose reference is the place.
    let document = "<!DOCTYPE r [<!ENTITY e '&nbsp;&foo;'>]>\n<r a='&e;'>x&e;</r>";
    let outcome = recovered(document, ENTITIES);
    assert_eq!(
        outcome.texts()[1..4],
        ["<r a=\"\\u{a0}&foo;\">", "text \"x\\u{a0}\"", "skipped foo"]
    );
    assert_eq!(
        outcome.recovered,
        [
            "Entities \"&nbsp;\" 2:7",
            "Entities \"&foo;\" 2:7",
            "Entities \"&nbsp;\" 2:13",
            "Entities \"&foo;\" 2:13"
        ]
    );
    // With namespaces a colon is of no consequence to what is not declared.
    let options = Options {
        namespaces: true,
        ..options(ENTITIES)
    };
    let outcome = parse_every_way(b"<r>&a:b;</r>", &options);
    assert_eq!(outcome.texts()[2], "skipped a:b");
}

#[test]
fn forbidden_characters_are_replaced() {
    let (found, recovered) = text("<r>a&#x1A;\u{8}é&#8;\n\u{FFFE}x&#x110000;</r>", CHARACTERS);
    assert_eq!(
        found,
        format!("{:?}", "a\u{FFFD}\u{FFFD}é\u{FFFD}\n\u{FFFD}x\u{FFFD}")
    );
    assert_eq!(
        recovered,
        [
            "Characters \"&#x1A;\" 1:5",
            "Characters \"\\u{8}\" 1:11",
            "Characters \"&#8;\" 1:13",
            "Characters \"\\u{fffe}\" 2:1",
            "Characters \"&#x110000;\" 2:3",
        ]
    );
    let document = "<r a='\u{1}&#1;'><!--\u{2}--><?p \u{3}?><![CDATA[\u{4}]]>\u{5}</r>";
    let events = recovered_events(document, CHARACTERS);
    assert_eq!(
        events[1..3],
        ["<r a=\"\u{FFFD}\u{FFFD}\">", "text \"\u{FFFD}\u{FFFD}\""]
    );
    // In the document type declaration too, where references are not.
    let document = "<!DOCTYPE r [<!ENTITY e '\u{1}'><!--\u{2}-->]><r>&e;</r>";
    assert_eq!(
        recovered_events(document, CHARACTERS)[2],
        "text \"\u{FFFD}\""
    );
    let error = parse_every_way(
        b"<!DOCTYPE r [<!ENTITY e '&#1;'>]><r/>",
        &options(CHARACTERS),
    );
    assert!(error.error_line().contains("this reference is to U+0001"));
}

#[test]
fn surrogates_of_a_pair_become_its_character() {
    for (document, expected, count) in [
        ("<r>&#xD83D;&#xDE00;</r>", "😀", 1),
        ("<r>&#55357;&#56832;x</r>", "😀x", 1),
        ("<r>&#xDBFF;&#xDFFF;</r>", "\u{10FFFF}", 1),
        ("<r>&#xD83D;</r>", "\u{FFFD}", 1),
        ("<r>&#xD83D;&amp;</r>", "\u{FFFD}&", 1),
        ("<r>&#xD83D;&#65;</r>", "\u{FFFD}A", 1),
        ("<r>&#xD83D;x</r>", "\u{FFFD}x", 1),
        ("<r>&#xDE00;&#xD83D;</r>", "\u{FFFD}\u{FFFD}", 2),
        ("<r>&#xD83D;&#xD83D;&#xDE00;</r>", "\u{FFFD}😀", 2),
    ] {
        let (found, recovered) = text(document, CHARACTERS);
        assert_eq!(found, format!("{expected:?}"), "{document}");
        assert_eq!(recovered.len(), count, "{document}");
        let value = document.replace("<r>", "<r a='").replace("</r>", "'/>");
        let events = recovered_events(&value, CHARACTERS);
        assert_eq!(events[1], format!("<r a={expected:?}>"), "{value}");
    }
    let document = "<!DOCTYPE r [<!ENTITY e '&#38;#xD83D;'>]><r>&e;&#xDE00;</r>";
    assert_eq!(
        text(document, CHARACTERS).0,
        format!("{:?}", "\u{FFFD}\u{FFFD}")
    );
}

#[test]
fn an_ampersand_that_begins_no_reference_is_one() {
    let long = "中".repeat(400);
    for (written, expected) in [
        ("a & b", "a & b"),
        ("a&b", "a&b"),
        ("&&amp;&", "&&&"),
        ("&;&1;&#;&#x;&#xG;&#12", "&;&1;&#;&#x;&#xG;&#12"),
        ("AT&T &copy 2024", "AT&T &copy 2024"),
        ("x?a=1&b=2&c=3", "x?a=1&b=2&c=3"),
        (&format!("&{long}"), &format!("&{long}")),
    ] {
        let document = format!("<r>{written}</r>");
        let (found, recovered) = text(&document, AMPERSANDS);
        assert_eq!(found, format!("{expected:?}"));
        assert!(!recovered.is_empty());
        let events = recovered_events(&format!("<r a='{written}'/>"), AMPERSANDS);
        assert_eq!(events[1], format!("<r a={expected:?}>"));
    }
    let document =
        "<!DOCTYPE r [<!ENTITY e 'a&#38;'><!ENTITY f '&#38;b'>]><r a='&e;&f;'>&e;&f;</r>";
    let events = recovered_events(document, AMPERSANDS);
    assert_eq!(events[1..3], ["<r a=\"a&&b\">", "text \"a&&b\""]);
    // Real references are not recovered.
    let outcome = parse_every_way(b"<r>&foo;</r>", &options(AMPERSANDS));
    assert!(outcome.error_line().contains("foo is not declared"));
}

#[test]
fn white_space_and_marks_before_a_declaration_are_skipped() {
    let declared = "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>";
    for lead in [" ", "\r\n\t ", "\u{FEFF}\u{FEFF}", "\n\u{FEFF}"] {
        let document = format!("{lead}<?xml version=\"1.0\"?><r/>");
        let outcome = recovered(&document, LEADING);
        assert_eq!(outcome.texts()[0], "document Some(\"1.0\") None None");
        assert_eq!(outcome.recovered.len(), 1);
    }
    for (document, text) in [
        (
            [b"\n", declared.as_bytes(), b"<r>\xE9</r>"].concat(),
            "text \"é\"",
        ),
        (
            [b" \xEF\xBB\xBF", declared.as_bytes(), "<r>é</r>".as_bytes()].concat(),
            "text \"é\"",
        ),
    ] {
        let outcome = parse_every_way(&document, &options(LEADING));
        assert_eq!(
            (outcome.error_line().as_str(), outcome.texts()[2]),
            ("ok", text)
        );
    }
    let wide = |text: &str| {
        text.encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect::<Vec<u8>>()
    };
    for text in [
        "\n<?xml version='1.0' encoding='utf-16'?><r/>",
        "\u{FEFF}\u{FEFF}\n<?xml version='1.0'?><r/>",
    ] {
        assert_eq!(parse_every_way(&wide(text), &options(LEADING)).error, None);
    }
    // Neither a declaration nor a mark: nothing is recovered.
    let outcome = parse_every_way(b" \n<r/>", &options(LEADING));
    assert_eq!((outcome.error, outcome.recovered.len()), (None, 0));
    assert_eq!(recovered("\n\u{FEFF}<r/>", LEADING).recovered.len(), 1);
}

#[test]
fn so_much_may_stand_before_a_declaration_and_no_more() {
    for (count, expected) in [(4096, true), (4097, false), (100_000, false)] {
        let document = format!("{}<?xml version='1.0'?><r/>", " ".repeat(count));
        let whole = parse(document.as_bytes(), &options(LEADING));
        assert_eq!(whole.error.is_none(), expected, "{count}");
        for size in [1, 1000] {
            assert_eq!(
                parse_by(document.as_bytes(), size, &options(LEADING)),
                whole
            );
        }
        // Without a declaration it may be as long as it likes.
        let document = format!("{}<r/>", "\n".repeat(count));
        assert_eq!(
            parse_by(document.as_bytes(), 999, &options(LEADING)).error,
            None
        );
    }
}

#[test]
fn there_is_a_limit() {
    for (document, recover) in [
        ("<r>&nbsp;&nbsp;</r>", ENTITIES),
        ("<r>&a;&b;</r>", ENTITIES),
        ("<r a='&a;&#38;&b;'/>", ENTITIES),
        ("<r>&&</r>", AMPERSANDS),
        ("<r>&#1;&#2;</r>", CHARACTERS),
        ("<r>\u{1}\u{2}</r>", CHARACTERS),
    ] {
        let mut options = options(recover);
        options.limits.max_recoveries = 2;
        assert_eq!(parse_every_way(document.as_bytes(), &options).error, None);
        options.limits.max_recoveries = 1;
        let outcome = parse_every_way(document.as_bytes(), &options);
        let error = outcome.error.unwrap_or_else(|| panic!("{document}"));
        assert_eq!(error.kind, ErrorKind::Limit);
        assert_eq!(
            error.limit.map(|limit| (limit.name, limit.seen)),
            Some(("max_recoveries", 2))
        );
        assert_eq!(outcome.recovered.len(), 1, "{document}");
    }
}

#[test]
fn offsets_are_those_of_the_original() {
    for encoding in ["UTF-8", "iso-8859-1", "Shift_JIS"] {
        let document = format!(
            "<?xml version='1.0' encoding='{encoding}'?>\n<r>\u{1}a\u{2}\u{3}<b c='\u{4}'/>\u{5}<d/></e>"
        );
        let options = Options {
            positions: true,
            ..options(CHARACTERS)
        };
        let outcome = parse_every_way(document.as_bytes(), &options);
        for (position, event) in &outcome.events {
            let at = position.map_or(0, |position| position.byte_offset) as usize;
            if let Some(name) = event.strip_prefix('<').and_then(|tag| tag.get(..1)) {
                let written = document[at..].trim_start_matches(['<', '/']);
                assert!(document[at..].starts_with('<') || name == "/", "{event}");
                assert!(written.starts_with(name) || name == "/", "{event}");
            }
        }
        let error = outcome.error.map(|error| error.position.byte_offset);
        assert_eq!(
            error,
            document.find("</e>").map(|at| at as u64),
            "{encoding}"
        );
    }
}

#[test]
#[cfg_attr(emulated, ignore = "takes minutes under emulation")]
fn many_in_one_document() {
    let piece = "&nbsp;& \u{1}&#2;<a b='&foo;&\u{3}'/>\n";
    let document = format!("<r>{}</r>", piece.repeat(10_000));
    let whole = parse(document.as_bytes(), &options(ALL));
    assert_eq!(whole.error, None);
    assert_eq!(whole.recovered.len(), 70_000);
    for size in [7, 1000, 65_536] {
        assert_eq!(parse_by(document.as_bytes(), size, &options(ALL)), whole);
    }
}

/// A limit may be reached within the three bytes of a replacement, which stand for one byte.
#[test]
fn a_limit_within_a_replacement_has_its_place() {
    let offset = |limit| {
        let mut options = options(CHARACTERS);
        options.limits.max_attribute_bytes = limit;
        let outcome = parse_every_way(b"<r a='a\x01\x02\x03'/>", &options);
        outcome.error.map(|error| error.position.byte_offset)
    };
    assert!((1..=9).map(offset).is_sorted());
}
