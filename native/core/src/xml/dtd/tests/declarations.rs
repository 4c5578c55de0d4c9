//! The syntax of each kind of declaration.

use crate::xml::dtd::tests::*;

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
    let mut amplification = Amplification::new(&limits);
    let mut parser = DtdParser::new(&account, limits, OPTIONS);
    let subset = b"<!-- a\r\n - b --><?p?><?q  \rx?y?>]";
    let mut told = Vec::new();
    loop {
        match parser.step(subset, &mut amplification).unwrap() {
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
