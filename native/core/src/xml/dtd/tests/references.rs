//! Where references are replaced: default values and parameter entities.

use crate::xml::dtd::tests::*;

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
    // References that may be declared in text that was not read are skipped.
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
