//! White space that `skip_whitespace` drops, and white space that it keeps.

use crate::support::{Outcome, parse, parse_by, parse_every_way, parse_pieces};
use bounded_core::xml::{Emit, Interest, Options, TextMode};

fn skipping() -> Options {
    Options {
        skip_whitespace: true,
        ..Options::default()
    }
}

/// The texts of the events, joined, and the length of each.
fn texts(outcome: &Outcome) -> (String, Vec<usize>) {
    assert_eq!(outcome.error, None);
    let texts = outcome.texts().into_iter();
    let texts = texts.filter_map(|event| event.strip_prefix("text \"")?.strip_suffix('"'));
    let texts: Vec<String> = texts
        .map(|text| {
            text.replace("\\n", "\n")
                .replace("\\t", "\t")
                .replace("\\r", "\r")
        })
        .collect();
    (texts.concat(), texts.iter().map(String::len).collect())
}

/// The same in pieces of many sizes, and event by event.
fn every_way(document: &str, options: &Options) -> Outcome {
    let whole = parse(document.as_bytes(), options);
    for size in [1, 7, 1_000, 65_535, 65_536] {
        let cut = parse_by(document.as_bytes(), size, options);
        assert!(cut == whole, "by {size}");
    }
    assert!(parse_pieces([document.as_bytes()], options, 1) == whole);
    whole
}

#[test]
#[cfg_attr(emulated, ignore = "takes minutes under emulation")]
fn a_run_is_white_space_when_all_of_it_is() {
    for spaces in [65_535, 65_536, 65_537, 131_071, 131_072, 131_073, 200_000] {
        let space = " \n".repeat(spaces / 2) + &"\t".repeat(spaces % 2);
        for (between, text) in [
            ("x", "x"),
            ("é", "é"),
            ("<!-- c -->x", "x"),
            ("<?p?><![CDATA[x]]>", "x"),
            ("<![CDATA[]]>", ""),
            ("&#32;", " "),
            ("&lt;", "<"),
            ("&e;", "x"),
            ("&s;x", "  x"),
        ] {
            let document = format!(
                "<!DOCTYPE p [<!ENTITY e 'x'><!ENTITY s '  '>]><p>{space}{between}{space}</p>"
            );
            for positions in [false, true] {
                let options = Options {
                    positions,
                    ..skipping()
                };
                let (found, lengths) = texts(&every_way(&document, &options));
                assert!(
                    found == format!("{space}{text}{space}"),
                    "{spaces} {between}"
                );
                // As many bytes in each piece as without the option.
                let kept = parse(
                    document.as_bytes(),
                    &Options {
                        positions,
                        ..Options::default()
                    },
                );
                assert_eq!(lengths, texts(&kept).1, "{spaces} {between}");
                assert!(
                    kept == parse(document.as_bytes(), &options),
                    "{spaces} {between}"
                );
            }
        }
        for nothing in ["", "<!-- c -->", "<?p?>", "&s;", "&s;<!-- c -->"] {
            let document =
                format!("<!DOCTYPE p [<!ENTITY s '  '>]><p>{space}{nothing}{space}<i/></p>");
            assert_eq!(
                texts(&every_way(&document, &skipping())).0,
                "",
                "{spaces} {nothing}"
            );
        }
    }
}

#[test]
fn an_event_ends_a_run() {
    let options = Options {
        emit: Emit {
            cdata: true,
            comments: true,
            ..Emit::default()
        },
        ..skipping()
    };
    let outcome = parse_every_way(b"<p> <!-- c --> x<![CDATA[ ]]> </p>", &options);
    let expected = [
        "<p>",
        "comment \" c \"",
        "text \" x\"",
        "cdata \" \"",
        "</p>",
    ];
    assert_eq!(outcome.texts()[1..6], expected);
}

#[test]
fn more_white_space_than_a_text_may_have_is_over_its_limit() {
    let mut options = skipping();
    options.limits.max_text_bytes = 100_000;
    let document = format!("<p>{}</p>", " ".repeat(100_001));
    let error = "Limit: max_text_bytes is 100000, and the document has 100001 or more at line 1, column 100004 (byte 100003)";
    assert_eq!(every_way(&document, &options).error_line(), error);
    let document = format!("<p>{}</p>", " ".repeat(100_000));
    assert_eq!(every_way(&document, &options).error_line(), "ok");
}

#[test]
fn xml_space_keeps_it() {
    let cases = [
        ("<p xml:space='preserve'> <i> </i> </p>", "   "),
        ("<p> <q xml:space='preserve'> <i/> </q> <i/></p>", "  "),
        (
            "<p xml:space='preserve'> <q xml:space='default'> <i/> </q> </p>",
            "  ",
        ),
        (
            "<p xml:space='preserve'><q xml:space='default'><r xml:space='preserve'> </r> </q></p>",
            " ",
        ),
        ("<p xml:space='other'> </p>", ""),
        ("<p xml:space='preserve'/>", ""),
        ("<p><q xml:space='preserve'/> <i> </i></p>", ""),
        ("<p><q xml:space='preserve'></q> <i> </i></p>", ""),
        ("<p><q a='&lt;' xml:space='preserve' b='1'> </q> </p>", " "),
        (
            "<!DOCTYPE p [<!ATTLIST q xml:space (default|preserve) 'preserve'>]><p> <q> <i> </i></q> </p>",
            "  ",
        ),
        (
            "<!DOCTYPE p [<!ATTLIST q xml:space CDATA #FIXED 'preserve'>]><p> <q xml:space='default'> </q> </p>",
            "",
        ),
        (
            "<!DOCTYPE p [<!ENTITY e '<q xml:space=\"preserve\"> </q> '>]><p>&e;</p>",
            " ",
        ),
    ];
    for (document, kept) in cases {
        for namespaces in [false, true] {
            for text in [TextMode::Pieces, TextMode::Joined] {
                let options = Options {
                    namespaces,
                    text,
                    ..skipping()
                };
                let outcome = parse_every_way(document.as_bytes(), &options);
                assert_eq!(texts(&outcome).0, kept, "{document}");
            }
        }
    }
}

/// Where not everything is wanted, what is around the elements that are counts as well.
#[test]
fn xml_space_around_what_is_wanted_keeps_it() {
    use crate::support::choosy::{Choice, How, check, told};
    let choice: Choice = |name, _| match name {
        "a" => Interest::All,
        _ => Interest::Within(1),
    };
    for (document, kept) in [
        ("<r xml:space='preserve'><a> <i> </i> </a></r>", 3),
        ("<r><b xml:space='preserve'><a> </a></b><a> </a></r>", 1),
        (
            "<r><b c='1' xml:space='preserve'><a> </a></b><b><a> </a></b></r>",
            1,
        ),
        (
            "<r xml:space='preserve'><b xml:space='default'><a> </a></b><a> </a></r>",
            1,
        ),
        ("<r> <a> </a> </r>", 0),
    ] {
        check(document.as_bytes(), &skipping(), choice, &[1, 2, 7]);
        let (events, error) = told([document.as_bytes()], &skipping(), choice, How::AtOnce);
        assert_eq!(error, None);
        let texts = events.iter().filter(|(_, event)| event.starts_with("text"));
        assert_eq!(texts.count(), kept, "{document}: {events:?}");
    }
}

#[test]
fn joined_texts_join_sections() {
    let options = Options {
        text: TextMode::Joined,
        emit: Emit {
            cdata: true,
            ..Emit::default()
        },
        ..Options::default()
    };
    let x = "x".repeat(150_000);
    let document = format!("<p>{x}<![CDATA[{x}]]></p>");
    let outcome = every_way(&document, &options);
    let lengths: Vec<usize> = outcome.texts()[2..4]
        .iter()
        .map(|event| event.len())
        .collect();
    assert_eq!(lengths, [150_007, 150_008]);
    let mut limited = options.clone();
    limited.limits.max_text_bytes = 4;
    let error = parse_every_way(b"<p>abcd<![CDATA[abcde]]></p>", &limited).error_line();
    assert!(error.starts_with("Limit: max_text_bytes is 4"), "{error}");
    let pieces = Options {
        text: TextMode::Pieces,
        ..options
    };
    assert_eq!(every_way(&document, &pieces).events.len(), 2 + 3 + 3 + 2);
}
