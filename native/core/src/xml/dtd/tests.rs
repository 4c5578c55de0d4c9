use super::*;
use crate::xml::error::ExceededLimit;
use crate::xml::expansion::Expansions;

const OPTIONS: DtdOptions = DtdOptions {
    namespaces: true,
    standalone: false,
    external_subset: false,
    consumed: 100,
};

fn parse_with(limits: &Limits, options: DtdOptions, subset: &str) -> Result<Dtd, Fault> {
    let account = Account::root();
    let mut parser = DtdParser::new(&account, limits.clone(), options);
    let mut expansions = Expansions::new(limits);
    let text = format!("{subset}]");
    while parser.step(text.as_bytes(), &mut expansions)? != Step::Done {}
    assert_eq!(parser.offset(), subset.len());
    Ok(parser.into_dtd())
}

fn parse(subset: &str) -> Result<Dtd, Fault> {
    parse_with(&Limits::default(), OPTIONS, subset)
}

/// Asserts that a subset is malformed for a reason that contains `rule`, at the place marked by `^`.
#[track_caller]
fn malformed_at(marked: &str, rule: &str) {
    malformed_with(OPTIONS, marked, rule);
}

#[track_caller]
fn malformed_with(options: DtdOptions, marked: &str, rule: &str) {
    let offset = marked.find('^').unwrap();
    let fault = parse_with(&Limits::default(), options, &marked.replace('^', "")).unwrap_err();
    match fault.reason {
        Reason::Malformed(reason) if reason.contains(rule) => {}
        other => panic!("{marked}: {other:?}"),
    }
    assert_eq!(fault.offset, offset, "{marked}: {:?}", fault.reason);
}

#[track_caller]
fn limit(limits: Limits, subset: &str) -> (ExceededLimit, usize) {
    match parse_with(&limits, OPTIONS, subset).unwrap_err() {
        Fault {
            offset,
            reason: Reason::Limit(hit),
        } => (hit, offset),
        other => panic!("{other:?}"),
    }
}

fn text<'a>(dtd: &'a Dtd, name: &str) -> Option<&'a str> {
    match dtd.entity(name.as_bytes()) {
        Lookup::Internal(entity) => {
            assert_eq!(dtd.entity_name(entity), name.as_bytes());
            Some(std::str::from_utf8(dtd.replacement_text(entity)).unwrap())
        }
        _ => None,
    }
}

fn defaults(dtd: &Dtd, element: &str) -> Vec<(String, String)> {
    let string = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    dtd.element(element.as_bytes())
        .map_or(Vec::new(), |element| {
            dtd.defaults(element)
                .map(|(name, value)| (string(name), string(value)))
                .collect()
        })
}

/// The default value of the only attribute with one.
fn default(subset: &str) -> String {
    let dtd = parse(subset).unwrap();
    let [(_, value)] = &defaults(&dtd, "r")[..] else {
        panic!("{subset}: {:?}", defaults(&dtd, "r"));
    };
    value.clone()
}

#[test]
fn replacement_texts() {
    let dtd = parse(
        "<!ENTITY a 'x&#60;&#x3c;&b;&amp;\"'>\n<!ENTITY\r\nb \"1\r\n2\r3&#13;\n'\" >\
         <!ENTITY a 'second'><!ENTITY % a 'third'><!ENTITY empty ''>",
    )
    .unwrap();
    assert_eq!(text(&dtd, "a"), Some("x<<&b;&amp;\""));
    assert_eq!(text(&dtd, "b"), Some("1\n2\n3\r\n'"));
    assert_eq!(text(&dtd, "empty"), Some(""));
    assert_eq!(dtd.entity(b"c"), Lookup::Undeclared);
}

#[test]
fn external_and_unparsed_entities() {
    let dtd = parse(
        "<!ENTITY a SYSTEM 'u'><!ENTITY b PUBLIC '-//p' \"u'\"><!ENTITY c SYSTEM '' NDATA n >\
         <!ENTITY d PUBLIC '' '' NDATA n>",
    )
    .unwrap();
    assert_eq!(dtd.entity(b"a"), Lookup::External);
    assert_eq!(dtd.entity(b"b"), Lookup::External);
    assert_eq!(dtd.entity(b"c"), Lookup::Unparsed);
    assert_eq!(dtd.entity(b"d"), Lookup::Unparsed);
}

#[test]
fn malformed_entities() {
    malformed_at("<!ENTITY^>", "white space belongs before");
    malformed_at("<!ENTITY ^'a'>", "name of an entity");
    malformed_at("<!ENTITY a^'b'>", "white space belongs after");
    malformed_at("<!ENTITY a ^b>", "quoted value");
    malformed_at("<!ENTITY a '^& '>", "'&' starts a reference");
    malformed_at("<!ENTITY a '^&b'>", "'&' starts a reference");
    malformed_at("<!ENTITY a '^&#;'>", "character reference");
    malformed_at("<!ENTITY a '^&#xG;'>", "character reference");
    malformed_at("<!ENTITY a '^&#x0;'>", "does not allow");
    malformed_at("<!ENTITY a '^&#99999999999999;'>", "does not allow");
    malformed_at("<!ENTITY a '^&b:c;'>", "colon");
    malformed_at("<!ENTITY a '\t^\u{1}'>", "does not allow");
    malformed_at("<!ENTITY a '\u{FFFD}^\u{FFFF}'>", "does not allow");
    malformed_at("<!ENTITY ^a:b ''>", "colon");
    malformed_at("<!ENTITY a '^%'>", "no '%'");
    malformed_at("<!ENTITY a '' ^NDATA n>", "end here");
    malformed_at("<!ENTITY a SYSTEM^'u'>", "white space");
    malformed_at("<!ENTITY a SYSTEM ^u>", "system identifier");
    malformed_at("<!ENTITY a PUBLIC 'p'^>", "system identifier");
    malformed_at("<!ENTITY a PUBLIC 'p'^'s'>", "white space");
    malformed_at("<!ENTITY a PUBLIC 'p^{' 's'>", "public identifier");
    malformed_at("<!ENTITY a SYSTEM 's'^NDATA n>", "before NDATA");
    malformed_at("<!ENTITY a SYSTEM 's' NDATA^>", "after NDATA");
    malformed_at("<!ENTITY % a SYSTEM 's' ^NDATA n>", "no notation");
    malformed_at("<!ENTITY %^'a'>", "white space belongs after '%'");
    malformed_at("<!ENTITY ^%a; 'b'>", "parameter entity reference inside");
}

#[test]
fn element_declarations() {
    parse(
        "<!ELEMENT a EMPTY><!ELEMENT b ANY ><!ELEMENT c (#PCDATA)><!ELEMENT d ( #PCDATA )*>\
         <!ELEMENT e (#PCDATA|a | b)*><!ELEMENT f (a)><!ELEMENT g (a?,(b|c)*,( d+ ))+ >\
         <!ELEMENT h:h ((a|b)|c:c)?>",
    )
    .unwrap();
    malformed_at("<!ELEMENT a^>", "after the name");
    malformed_at("<!ELEMENT a ^empty>", "content model");
    malformed_at("<!ELEMENT a EMPTY^x>", "end here");
    malformed_at("<!ELEMENT a (^)>", "element name or a group");
    malformed_at("<!ELEMENT a (b,c^|d)>", "both");
    malformed_at("<!ELEMENT a (b,(c|d)^|d)>", "both");
    malformed_at("<!ELEMENT a (b ^?)>", "belongs here in a group");
    malformed_at("<!ELEMENT a (b,^)>", "element name or a group");
    malformed_at("<!ELEMENT a (b) ^?>", "end here");
    malformed_at("<!ELEMENT a (#PCDATA|b)^>", "')*'");
    malformed_at("<!ELEMENT a (#PCDATA^,b)*>", "mixed content");
    malformed_at("<!ELEMENT a (b|^#PCDATA)*>", "element name or a group");
    malformed_at("<!ELEMENT a (^%b;)>", "parameter entity reference inside");
    malformed_at("<!ELEMENT ^a:b:c ANY>", "one colon");
    malformed_at("<!ELEMENT a (^b:)>", "one colon");
    malformed_at("<!ELEMENT a (b^", "group");
}

#[test]
fn attribute_types() {
    let dtd = parse(
        "<!ATTLIST r a CDATA #IMPLIED b ID #REQUIRED\nc IDREFS 'd' e NMTOKEN #FIXED 'f'\
         \tg (a|-b | c) 'h' i NOTATION (n |m) #IMPLIED><!ATTLIST s><!ATTLIST r j ENTITIES 'k' a ID 'x'>",
    )
    .unwrap();
    let element = dtd.element(b"r").unwrap();
    for (name, tokenized) in [
        ("a", false),
        ("b", true),
        ("g", true),
        ("i", true),
        ("z", false),
    ] {
        assert_eq!(
            dtd.is_tokenized(element, name.as_bytes()),
            tokenized,
            "{name}"
        );
    }
    let values = [("c", "d"), ("e", "f"), ("g", "h"), ("j", "k")];
    let values = values.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(defaults(&dtd, "r"), values);
    assert_eq!(defaults(&dtd, "s"), []);
    assert_eq!(dtd.element(b"t"), None);
}

#[test]
fn malformed_attribute_lists() {
    malformed_at("<!ATTLIST^>", "before the name of the element");
    malformed_at("<!ATTLIST r ^'>", "attribute or '>'");
    malformed_at("<!ATTLIST r a^>", "after the name of the attribute");
    malformed_at("<!ATTLIST r a ^cdata 'x'>", "type of the attribute");
    malformed_at("<!ATTLIST r a CDATA^'x'>", "after the type");
    malformed_at("<!ATTLIST r a ID^X 'x'>", "after the type");
    malformed_at("<!ATTLIST r a CDATA ^x>", "#REQUIRED");
    malformed_at("<!ATTLIST r a CDATA #FIXED^'x'>", "after #FIXED");
    malformed_at(
        "<!ATTLIST r a CDATA 'x'^b CDATA 'x'>",
        "before the name of an attribute",
    );
    malformed_at("<!ATTLIST r a (^) 'x'>", "name token");
    malformed_at("<!ATTLIST r a (b^,c) 'x'>", "'|' or ')'");
    malformed_at("<!ATTLIST r a NOTATION^(n) 'x'>", "after NOTATION");
    malformed_at("<!ATTLIST r a NOTATION (^a:b) 'x'>", "colon");
    malformed_at("<!ATTLIST r ^:a CDATA 'x'>", "one colon");
    malformed_at("<!ATTLIST r a CDATA 'x^<'>", "no '<'");
}

#[test]
fn without_namespaces_a_colon_is_a_letter() {
    let options = DtdOptions {
        namespaces: false,
        ..OPTIONS
    };
    parse_with(
        &Limits::default(),
        options,
        "<!ELEMENT :a:b: (::)><!ENTITY a:b ''><!NOTATION : SYSTEM ''><?a:b?><!ATTLIST r x CDATA '&a:b;'>",
    )
    .unwrap();
}

#[test]
fn default_values_are_normalised() {
    assert_eq!(
        default("<!ATTLIST r a CDATA ' x\t\ny\r\nz\r '>"),
        " x  y z  "
    );
    assert_eq!(
        default("<!ATTLIST r a NMTOKENS ' x\t\ny\r\nz\r '>"),
        "x y z"
    );
    assert_eq!(
        default("<!ATTLIST r a CDATA '&#9;&#xA;&lt;&amp;&quot;&apos;&gt;'>"),
        "\t\n<&\"'>"
    );
    assert_eq!(
        default("<!ATTLIST r a NMTOKENS '&#9;  x&#32;&#32;y '>"),
        "\t x y"
    );
    assert_eq!(
        default("<!ENTITY e 'a&#13;\n&#38;#10;b'><!ATTLIST r a CDATA '-&e;-'>"),
        "-a  \nb-"
    );
    assert_eq!(
        default("<!ENTITY e '&f;&f;'><!ENTITY f '[&lt;]'><!ATTLIST r a CDATA '&e;x'>"),
        "[<][<]x"
    );
    assert_eq!(
        default("<!ENTITY lt '&#38;#60;'><!ATTLIST r a CDATA '&lt;'>"),
        "<"
    );
}

#[test]
fn references_in_default_values() {
    malformed_at(
        "<!ATTLIST r a CDATA '^&e;'><!ENTITY e 'x'>",
        "not declared before",
    );
    malformed_at(
        "<!ENTITY e '&f;'><!ATTLIST r a CDATA 'x^&e;'>",
        "not declared",
    );
    malformed_at(
        "<!ENTITY e SYSTEM 'u'><!ATTLIST r a CDATA '^&e;'>",
        "external",
    );
    malformed_at(
        "<!ENTITY e SYSTEM 'u' NDATA n><!ATTLIST r a CDATA '^&e;'>",
        "unparsed",
    );
    malformed_at("<!ENTITY e '&e;'><!ATTLIST r a CDATA '^&e;'>", "itself");
    malformed_at(
        "<!ENTITY e '&f;'><!ENTITY f 'x&e;'><!ATTLIST r a CDATA '^&e;'>",
        "itself",
    );
    malformed_at("<!ENTITY e '&#60;'><!ATTLIST r a CDATA '^&e;'>", "no '<'");
    malformed_at(
        "<!ENTITY e '&#38;'><!ATTLIST r a CDATA '^&e;'>",
        "'&' starts a reference",
    );
    // What may be declared where it was not read is left out.
    assert_eq!(
        default("<!ENTITY % p ''>%p;<!ATTLIST r a CDATA '-&e;-'>"),
        "--"
    );
    let options = DtdOptions {
        external_subset: true,
        ..OPTIONS
    };
    let dtd = parse_with(&Limits::default(), options, "<!ATTLIST r a CDATA '-&e;-'>").unwrap();
    assert_eq!(defaults(&dtd, "r")[0].1, "--");
    assert_eq!(dtd.entity(b"e"), Lookup::Skipped);
}

#[test]
fn parameter_entities_hold_whole_declarations() {
    let dtd = parse(
        "<!ENTITY % a '<!ENTITY b \"&#38;#38;\"> &#37;c; '><!ENTITY % c '<!ENTITY d \"1\r\n2\">'>%a;\n%c;",
    )
    .unwrap();
    assert_eq!(text(&dtd, "b"), Some("&"));
    assert_eq!(text(&dtd, "d"), Some("1\n2"));
    malformed_at("<!ENTITY % a '<!ELEMENT b '> ^%a; EMPTY>", "ends inside");
    malformed_at("<!ENTITY % a ']'> ^%a;", "belongs here");
    malformed_at("<!ENTITY % a '&#37;a;'> ^%a;", "itself");
    malformed_at(
        "<!ENTITY % a '&#37;b;'><!ENTITY % b '&#37;a;'> ^%a;",
        "itself",
    );
    malformed_at(
        "<!ENTITY % a 'b'><!ENTITY % c '<!ENTITY d \"&#37;a;\">'>^%c;",
        "no '%'",
    );
    malformed_at("<!ENTITY % a '<?xml version=\"1.0\"?>'>^%a;", "reserved");
    malformed_at("<!ENTITY % a 'x'>^%a;", "belongs here");
    malformed_at("%^ a;", "name of a parameter entity");
    malformed_at("%a^ ;", "ends with ';'");
    malformed_at("%a^", "ends with ';'");
}

#[test]
fn after_an_unread_parameter_entity_declarations_are_ignored() {
    let rest = "%x;<!ENTITY b 'B'><!ATTLIST r a CDATA '&u;'><!NOTATION n SYSTEM 's'>";
    let dtd = parse(&format!("<!ENTITY a 'A'><!ENTITY % x SYSTEM 'u'>{rest}")).unwrap();
    assert!(dtd.is_incomplete());
    assert_eq!(text(&dtd, "a"), Some("A"));
    assert_eq!(dtd.entity(b"b"), Lookup::Skipped);
    assert_eq!(defaults(&dtd, "r"), []);
    assert_eq!(dtd.notations().count(), 1);
    assert!(parse(rest).unwrap().is_incomplete());
    malformed_at("%x;<!ATTLIST r a CDATA '^<'>", "no '<'");
    malformed_at("%x;<!ATTLIST r a CDATA '^&;'>", "'&' starts");
}

#[test]
fn a_standalone_document_declares_what_it_refers_to() {
    let options = DtdOptions {
        standalone: true,
        ..OPTIONS
    };
    let subset = "<!ENTITY % x SYSTEM 'u'>%x;<!ENTITY b 'B'><!ATTLIST r a CDATA '&b;'>";
    let dtd = parse_with(&Limits::default(), options.clone(), subset).unwrap();
    assert!(!dtd.is_incomplete());
    assert_eq!(defaults(&dtd, "r")[0].1, "B");
    assert_eq!(dtd.entity(b"c"), Lookup::Undeclared);
    let subset = "<!ENTITY % p '<!ENTITY e \"x\">'>%p;";
    let dtd = parse_with(&Limits::default(), options.clone(), subset).unwrap();
    assert_eq!(dtd.entity(b"e"), Lookup::DeclaredInParameterEntity);
    malformed_with(options.clone(), "^%x;", "does not declare");
    malformed_with(
        options,
        "<!ENTITY % p '<!ENTITY &#37; q \"\">'>%p;^%q;",
        "declared in another",
    );
}

#[test]
fn notations() {
    let dtd = parse(
        "<!NOTATION a SYSTEM \"s\r\n\"><!NOTATION b PUBLIC ' p\n q '>\
         <!NOTATION c PUBLIC 'p' 's' ><!NOTATION a SYSTEM 'again'>",
    )
    .unwrap();
    let found: Vec<_> = dtd.notations().collect();
    assert_eq!(found.len(), 3);
    assert_eq!(found[0].system, Some(&b"s\n"[..]));
    assert_eq!(
        (found[1].public, found[1].system),
        (Some(&b"p q"[..]), None)
    );
    assert_eq!(
        (found[2].name, found[2].system),
        (&b"c"[..], Some(&b"s"[..]))
    );
    malformed_at("<!NOTATION a ^'s'>", "SYSTEM or PUBLIC");
    malformed_at("<!NOTATION a PUBLIC 'p'^'s'>", "white space");
    malformed_at("<!NOTATION ^a:b SYSTEM 's'>", "colon");
    malformed_at("<!NOTATION a SYSTEM 's' ^'t'>", "end here");
}

#[test]
fn comments_and_instructions_are_told() {
    let account = Account::root();
    let limits = Limits::default();
    let mut expansions = Expansions::new(&limits);
    let mut parser = DtdParser::new(&account, limits, OPTIONS);
    let subset = b"<!-- a\r\n - b --><?p?><?q  \rx?y?>]";
    let mut told = Vec::new();
    loop {
        match parser.step(subset, &mut expansions).unwrap() {
            Step::More => {}
            Step::Comment(text) => told.push((Vec::new(), text.to_vec())),
            Step::Instruction { target, data } => told.push((target.to_vec(), data.to_vec())),
            Step::Done => break,
        }
    }
    let expected: [(&[u8], &[u8]); 3] = [(b"", b" a\n - b "), (b"p", b""), (b"q", b"x?y")];
    let expected = expected.map(|(target, data)| (target.to_vec(), data.to_vec()));
    assert_eq!(told, expected);
    malformed_at("<!-- a --^ b -->", "'--'");
    malformed_at("<!-- a --^->", "'--'");
    malformed_at("<?^XmL a?>", "reserved");
    malformed_at("<? ^p?>".replace("? ^", "?^ ").as_str(), "target");
    malformed_at("<?p^!?>", "white space");
    malformed_at("<!--^\u{1}-->", "does not allow");
}

#[test]
fn what_is_no_declaration() {
    malformed_at(" ^<![IGNORE[]]>", "conditional section");
    malformed_at("^<!DOCTYPE a>", "<!ELEMENT");
    malformed_at("^<a/>", "an element");
    malformed_at("^x", "belongs here");
    malformed_at("^&a;", "belongs here");
}

#[test]
fn a_text_cut_short_is_truncated_where_it_is_cut() {
    let subset = "<!ELEMENT a (#PCDATA|b)*><!ENTITY % p '<!-- -->'>%p;<!ENTITY e PUBLIC 'p' 's' NDATA n>\
                  <!ATTLIST r a CDATA #FIXED 'x' b NOTATION (n) #IMPLIED><!NOTATION n PUBLIC 'p'><?p i?><!---->";
    parse(subset).unwrap();
    let limits = Limits::default();
    for cut in 0..=subset.len() {
        let account = Account::root();
        let mut expansions = Expansions::new(&limits);
        let mut parser = DtdParser::new(&account, limits.clone(), OPTIONS);
        let fault = loop {
            match parser.step(&subset.as_bytes()[..cut], &mut expansions) {
                Ok(step) => assert_ne!(step, Step::Done),
                Err(fault) => break fault,
            }
        };
        assert_eq!(
            fault,
            Fault {
                offset: cut,
                reason: Reason::Truncated
            },
            "{}",
            &subset[..cut]
        );
    }
}

#[test]
fn limits_fire_at_the_byte_that_exceeds_them() {
    let limits = || Limits {
        max_token_bytes: 20,
        max_name_bytes: 5,
        ..Limits::default()
    };
    let over = |name, value, seen| ExceededLimit { name, value, seen };
    assert_eq!(
        limit(limits(), "<!-- 4567890123456 -->"),
        (over("max_token_bytes", 20, 21), 20)
    );
    assert!(parse_with(&limits(), OPTIONS, "<!-- 4567890123  -->").is_ok());
    assert_eq!(
        limit(limits(), "<!ENTITY abcdef 'x'>"),
        (over("max_name_bytes", 5, 6), 14)
    );
    assert_eq!(
        limit(
            Limits {
                max_entities: 2,
                ..Limits::default()
            },
            "<!ENTITY a ''><!ENTITY a ''><!ENTITY % c ''>"
        ),
        (over("max_entities", 2, 3), 28)
    );
    assert_eq!(
        limit(
            Limits {
                max_depth: 3,
                ..Limits::default()
            },
            "<!ELEMENT a ((((b))))>"
        ),
        (over("max_depth", 3, 4), 15)
    );
    assert_eq!(
        limit(
            Limits {
                max_attribute_bytes: 5,
                ..Limits::default()
            },
            "<!ATTLIST r a CDATA 'abcdef'>"
        )
        .0,
        over("max_attribute_bytes", 5, 6)
    );
    let chain = "<!ENTITY a 'x'><!ENTITY b '&a;'><!ENTITY c '&b;'><!ATTLIST r x CDATA '&c;'>";
    assert_eq!(
        limit(
            Limits {
                max_entity_depth: 2,
                ..Limits::default()
            },
            chain
        )
        .0,
        over("max_entity_depth", 2, 3)
    );
    let chain = "<!ENTITY % a ''><!ENTITY % b '&#37;a;'><!ENTITY % c '&#37;b;'>%c;";
    assert_eq!(
        limit(
            Limits {
                max_entity_depth: 2,
                ..Limits::default()
            },
            chain
        )
        .0,
        over("max_entity_depth", 2, 3)
    );
}

#[test]
fn amplification_is_limited_in_parameter_entities_and_defaults() {
    let tight = Limits {
        max_entity_bytes: 1000,
        max_amplification: 2,
        ..Limits::default()
    };
    let bomb: String = (1..10)
        .map(|level| {
            format!(
                "<!ENTITY % e{level} '{}'>",
                format!("&#37;e{};", level - 1).repeat(10)
            )
        })
        .collect();
    let pe = format!("<!ENTITY % e0 '<!---->'>{bomb}%e9;");
    assert_eq!(limit(tight.clone(), &pe).0.name, "max_amplification");
    let default = format!(
        "<!ENTITY e0 'lol'>{}<!ATTLIST r a CDATA '&e9;'>",
        bomb.replace("% ", "").replace("&#37;", "&")
    );
    assert_eq!(limit(tight, &default).0.name, "max_amplification");
    let few = Limits {
        max_entity_expansions: 10,
        ..Limits::default()
    };
    let (hit, offset) = limit(few, &format!("<!ENTITY % a ''>{}", "%a;".repeat(11)));
    assert_eq!(
        (hit.name, hit.seen, offset),
        ("max_entity_expansions", 11, 46)
    );
}

#[test]
fn a_deep_content_model_uses_no_stack() {
    let deep = Limits {
        max_depth: 100_000,
        max_token_bytes: 1 << 20,
        ..Limits::default()
    };
    let model = format!("<!ELEMENT a {}b{}>", "(".repeat(50_000), ")".repeat(50_000));
    assert!(parse_with(&deep, OPTIONS, &model).is_ok());
}

#[test]
fn everything_is_charged_and_refunded() {
    let subset = "<!ENTITY a 'text'><!ATTLIST r a CDATA '&a;'><!NOTATION n SYSTEM 's'><!-- c -->]";
    let limits = Limits::default();
    let mut refused = 0;
    for room in (0..10_000).step_by(50) {
        let account = Account::child(&Account::root(), room);
        let mut expansions = Expansions::new(&limits);
        let mut parser = DtdParser::new(&account, limits.clone(), OPTIONS);
        let outcome = loop {
            match parser.step(subset.as_bytes(), &mut expansions) {
                Ok(Step::Done) => break Ok(()),
                Ok(_) => {}
                Err(fault) => break Err(fault.reason),
            }
        };
        match outcome {
            Ok(()) => assert!(room > 0),
            Err(Reason::Refused(_)) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
        let dtd = parser.into_dtd();
        assert!(account.reserved() <= room);
        drop(dtd);
        assert_eq!(account.reserved(), 0);
    }
    assert!((1..200).contains(&refused), "{refused}");
}

#[test]
fn long_work_is_done_in_steps() {
    let subset = format!(
        "{}<!ENTITY a '{}'><!ATTLIST r a CDATA '{}'>]",
        " ".repeat(100_000),
        "x".repeat(10_000),
        "&a;".repeat(60)
    );
    let limits = Limits::default();
    let account = Account::root();
    let mut expansions = Expansions::new(&limits);
    let mut parser = DtdParser::new(&account, limits, OPTIONS);
    let mut before = 0;
    while parser.step(subset.as_bytes(), &mut expansions).unwrap() != Step::Done {
        assert!(parser.work() - before <= 20_000);
        before = parser.work();
    }
    assert!(before >= 710_000);
}
