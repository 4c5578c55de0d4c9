//! Small documents: what they mean, and that they mean it however they are cut.

use crate::support::{parse, parse_by, parse_every_way};
use bounded_core::xml::{Emit, Options, TextMode};

const ALL: Emit = Emit {
    cdata: true,
    comments: true,
    processing_instructions: true,
    doctype: true,
};

fn events(document: &str, options: &Options) -> Vec<String> {
    let outcome = parse_every_way(document.as_bytes(), options);
    assert_eq!(outcome.error, None, "{document}");
    let mut texts: Vec<String> = outcome
        .texts()
        .iter()
        .map(|text| text.to_string())
        .collect();
    assert_eq!(texts.first().map(|first| &first[..8]), Some("document"));
    assert_eq!(texts.pop().as_deref(), Some("end"));
    texts.remove(0);
    texts
}

/// The error of a document: reason and position.
fn error(document: &str) -> String {
    let options = Options {
        positions: true,
        ..Options::default()
    };
    let outcome = parse_every_way(document.as_bytes(), &options);
    outcome.error_line()
}

#[test]
fn elements_attributes_and_text() {
    let document = "<?xml version=\"1.0\" encoding='UTF-8' standalone=\"no\" ?>\n<!-- c --><r a='1' b = \"x &amp; y\"\n\
                    c='&#65;\t&#x9;'>text &lt; é<e/> <é\u{B7} x='>'></é\u{B7} >]] ]></r>\n<?pi x?>\n";
    assert_eq!(
        events(document, &Options::default()),
        [
            "<r a=\"1\" b=\"x & y\" c=\"A \\t\">",
            "text \"text < é\"",
            "<e>",
            "</e>",
            "text \" \"",
            "<é\u{B7} x=\">\">",
            "</é\u{B7}>",
            "text \"]] ]>\"",
            "</r>"
        ]
    );
}

#[test]
fn a_run_of_text_goes_on_over_what_nobody_asked_for() {
    let document = "<r>a<!-- - -->b<?p d?>c<![CDATA[<&>]]]]>d&amp;<![CDATA[]]></r>";
    assert_eq!(
        events(document, &Options::default()),
        ["<r>", "text \"abc<&>]]d&\"", "</r>"]
    );
    let options = Options {
        emit: ALL,
        ..Options::default()
    };
    assert_eq!(
        events(document, &options),
        [
            "<r>",
            "text \"a\"",
            "comment \" - \"",
            "text \"b\"",
            "pi \"p\" \"d\"",
            "text \"c\"",
            "cdata \"<&>]]\"",
            "text \"d&\"",
            "cdata \"\"",
            "</r>"
        ]
    );
}

#[test]
fn line_ends_become_line_feeds() {
    let document =
        "<r a='1\r\n2\r3\n'>\r\n\ra\r<![CDATA[\r\n\r]]>\r<!--\r\n\r--><?p \r\n a\r\r\n?></r>\r\r\n";
    assert_eq!(
        events(document, &Options::default()),
        ["<r a=\"1 2 3 \">", "text \"\\n\\na\\n\\n\\n\\n\"", "</r>"]
    );
    let options = Options {
        emit: ALL,
        ..Options::default()
    };
    assert_eq!(
        events(document, &options),
        [
            "<r a=\"1 2 3 \">",
            "text \"\\n\\na\\n\"",
            "cdata \"\\n\\n\"",
            "text \"\\n\"",
            "comment \"\\n\\n\"",
            "pi \"p\" \"a\\n\\n\"",
            "</r>"
        ]
    );
}

#[test]
fn white_space_between_elements_can_be_skipped() {
    let options = Options {
        skip_whitespace: true,
        ..Options::default()
    };
    let document =
        "<r> \n<a> x </a> <!-- --> <b>&#32;</b>\t<c><![CDATA[ ]]></c> <d> <![CDATA[]]></d></r>";
    assert_eq!(
        events(document, &options),
        [
            "<r>",
            "<a>",
            "text \" x \"",
            "</a>",
            "<b>",
            "text \" \"",
            "</b>",
            "<c>",
            "text \" \"",
            "</c>",
            "<d>",
            "text \" \"",
            "</d>",
            "</r>"
        ]
    );
}

#[test]
fn joined_text_comes_as_one() {
    let mut options = Options {
        text: TextMode::Joined,
        ..Options::default()
    };
    let text = "x".repeat(200_000);
    let outcome = parse(format!("<r>{text}&amp;</r>").as_bytes(), &options);
    assert_eq!(outcome.texts()[2], format!("text \"{text}&\""));
    options.limits.max_text_bytes = 4;
    assert_eq!(
        events("<r>a&lt;b<!-- -->c<s/>d</r>", &options),
        ["<r>", "text \"a<bc\"", "<s>", "</s>", "text \"d\"", "</r>"]
    );
    let outcome = parse_every_way(b"<r>a&lt;bcd<s/></r>", &options);
    assert_eq!(
        outcome.error_line(),
        "Limit: max_text_bytes is 4, and the document has 5 or more at line 1, column 11 (byte 10)"
    );
    assert_eq!(outcome.texts().len(), 2);
}

#[test]
fn positions_are_where_events_begin() {
    let options = Options {
        positions: true,
        emit: ALL,
        ..Options::default()
    };
    let document = "<?xml version='1.0'?>\r\n<r\n a='é'>é<b/>\rx<![CDATA[y]]><!--z--><?p?>\n</r>";
    let outcome = parse_every_way(document.as_bytes(), &options);
    let line_counter: Vec<String> = outcome
        .events
        .iter()
        .map(|(position, event)| {
            let position = position.expect("positions were asked for");
            let bytes = position.byte_offset;
            format!("{}:{}+{bytes} {event}", position.line, position.column)
        })
        .collect();
    assert_eq!(
        line_counter,
        [
            "1:1+0 document Some(\"1.0\") None None",
            "2:1+23 <r a=\"é\">",
            "3:8+34 text \"é\"",
            "3:9+36 <b>",
            "3:9+36 </b>",
            "3:13+40 text \"\\nx\"",
            "4:2+42 cdata \"y\"",
            "4:15+55 comment \"z\"",
            "4:23+63 pi \"p\" \"\"",
            "4:28+68 text \"\\n\"",
            "5:1+69 </r>",
            "5:5+73 end"
        ]
    );
}

#[test]
fn errors_say_what_and_where() {
    for (document, expected) in [
        (
            "",
            "Truncated: the document has no root element at line 1, column 1 (byte 0)",
        ),
        (
            " \n",
            "Truncated: the document has no root element at line 2, column 1 (byte 2)",
        ),
        (
            "x",
            "Malformed: no text is allowed outside of the root element at line 1, column 1 (byte 0)",
        ),
        (
            "<r>",
            "Truncated: the document ends before </r> at line 1, column 4 (byte 3)",
        ),
        (
            "<r",
            "Truncated: the document ends inside a start tag at line 1, column 3 (byte 2)",
        ),
        (
            "<r>é]]>",
            "Malformed: no ']]>' is allowed in text, write ']]&gt;' at line 1, column 5 (byte 5)",
        ),
        (
            "<r>é]]",
            "Truncated: the document ends before </r> at line 1, column 7 (byte 7)",
        ),
        (
            "<a><b>\n</a></b>",
            "Malformed: </b> belongs here, not </a> at line 2, column 1 (byte 7)",
        ),
        (
            "<r/><r/>",
            "Malformed: only one root element is allowed at line 1, column 5 (byte 4)",
        ),
        (
            "<r a='1' a='2'/>",
            "Malformed: the attribute a appears twice at line 1, column 10 (byte 9)",
        ),
        (
            "<r a='1'b='2'/>",
            "Malformed: white space belongs before an attribute at line 1, column 9 (byte 8)",
        ),
        (
            "<r a='<'/>",
            "Malformed: no '<' is allowed in the value of an attribute at line 1, column 7 (byte 6)",
        ),
        (
            "<r a='x&y'/>",
            "Malformed: '&' starts a reference: a name and ';' belong here, or write '&amp;' (recover: [:ampersands] takes the '&' as it is) at line 1, column 8 (byte 7)",
        ),
        (
            "<r>&nbsp;</r>",
            "Malformed: the entity nbsp is not declared (recover: [:entities] lets it through) at line 1, column 4 (byte 3)",
        ),
        (
            "<r>a\u{1}</r>",
            "Malformed: the character U+0001 is not allowed in XML (recover: [:characters] replaces it) at line 1, column 5 (byte 4)",
        ),
        (
            "<r>\u{FFFE}</r>",
            "Malformed: the character U+FFFE is not allowed in XML (recover: [:characters] replaces it) at line 1, column 4 (byte 3)",
        ),
        (
            "<r \u{D7}='1'/>",
            "Malformed: a name does not contain this character at line 1, column 4 (byte 3)",
        ),
        (
            "<?xml?><r/>",
            "Malformed: an XML declaration belongs at the very beginning, in lower case at line 1, column 1 (byte 0)",
        ),
        (
            "<?xml encoding='UTF-8'?><r/>",
            "Malformed: an XML declaration has a version, then perhaps an encoding, then perhaps standalone at line 1, column 7 (byte 6)",
        ),
        (
            "<!-- -- --><r/>",
            "Malformed: no '--' is allowed in a comment at line 1, column 6 (byte 5)",
        ),
        (
            "<r><!ELEMENT></r>",
            "Malformed: '<!' starts a comment '<!--', a section '<![CDATA[' or '<!DOCTYPE' at line 1, column 4 (byte 3)",
        ),
    ] {
        assert_eq!(error(document), expected, "{document}");
    }
}

#[test]
fn bytes_that_are_not_utf_8() {
    for (document, expected) in [
        (
            &b"<r>\xC3\xA9\xFF</r>"[..],
            "Encoding: byte 0xFF is not UTF-8 here at line 1, column 5 (byte 5)",
        ),
        (
            b"<r>\xED\xA0\x80</r>",
            "Encoding: byte 0xED is not UTF-8 here at line 1, column 4 (byte 3)",
        ),
        (
            b"<r/>\xE2\x82",
            "Truncated: the document ends inside a character at line 1, column 5 (byte 4)",
        ),
        (
            b"<r>\xC3</r>",
            "Encoding: byte 0xC3 is not UTF-8 here at line 1, column 4 (byte 3)",
        ),
    ] {
        let outcome = parse_every_way(document, &Options::default());
        assert_eq!(outcome.error_line(), expected);
    }
}

#[test]
fn limits_fire_at_the_exact_byte() {
    let mut options = Options::default();
    let limits = &mut options.limits;
    limits.max_depth = 3;
    limits.max_attributes = 2;
    limits.max_name_bytes = 4;
    limits.max_attribute_bytes = 6;
    limits.max_token_bytes = 24;
    limits.max_elements = 5;
    limits.max_bytes = 60;
    for (document, limit, byte) in [
        ("<a><b><c/><d>x</d></b></a>", "", 0),
        ("<a><b><c><d>", "max_depth", 9),
        ("<a><b/><b/><b/><b/><b/></a>", "max_elements", 19),
        ("<a b='' c=''/>", "", 0),
        ("<a b='' c='' d=''/>", "max_attributes", 13),
        ("<abcd/>", "", 0),
        ("<abcde/>", "max_name_bytes", 5),
        ("<abcde", "max_name_bytes", 5),
        ("<a><b></bcdef", "max_name_bytes", 12),
        ("<?abcde?>", "max_name_bytes", 6),
        ("<a abcde", "max_name_bytes", 7),
        ("<a>&abcde", "max_name_bytes", 8),
        ("<a b='123456'/>", "", 0),
        ("<a b='1234567'/>", "max_attribute_bytes", 12),
        ("<a b='1<23456'/>", "", 0),
        ("<a b='1&lt;34567'/>", "max_attribute_bytes", 15),
        ("<a b='12345&#xE9;'/>", "max_attribute_bytes", 11),
        ("<a b='1234567", "max_attribute_bytes", 12),
        ("<a                     />", "max_token_bytes", 24),
        ("<a                    />", "", 0),
        ("<a></a                     >", "max_token_bytes", 27),
        ("<!-- 123456789 12345 --><a/>", "", 0),
        ("<!-- 123456789 123456 --><a/>", "max_token_bytes", 24),
        ("<!-- 123456789 123456789 1234", "max_token_bytes", 24),
        ("<?p  123456789 123456789 ?>", "max_token_bytes", 24),
        ("<a><![CDATA[123456789012345678901234567890]]></a>", "", 0),
        (
            "<a>012345678901234567890123456789012345678901234567890123456</a>",
            "max_bytes",
            60,
        ),
    ] {
        let outcome = parse_every_way(document.as_bytes(), &options);
        let found = outcome.error.and_then(|error| {
            let exceeded = error.limit?;
            Some((exceeded.name, error.position.byte_offset))
        });
        let expected = Some((limit, byte)).filter(|(limit, _)| !limit.is_empty());
        assert_eq!(found, expected, "{document}");
    }
}

#[test]
fn text_is_cut_at_whole_characters_counted_from_the_start_of_its_run() {
    let piece = bounded_core::xml::TEXT_PIECE;
    for (before, text) in [
        (piece - 1, "é".repeat(40_000)),
        (piece, "x".repeat(10)),
        (piece - 2, "a&amp;b".into()),
    ] {
        let document = format!(
            "<r>{}<!-- -->{text}<![CDATA[{text}]]></r>",
            "é".repeat(before / 2)
        );
        let whole = parse(document.as_bytes(), &Options::default());
        assert_eq!(whole.error, None);
        for size in [1000, 4093, 65_536] {
            assert_eq!(
                parse_by(document.as_bytes(), size, &Options::default()),
                whole
            );
        }
    }
}
