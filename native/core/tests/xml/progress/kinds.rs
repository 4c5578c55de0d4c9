//! The parts of a document that may be long.

use bounded_core::xml::Limits;

/// A kind of token: its name, what stands before it, what it consists of, and what stands behind it.
pub type Kind = (&'static str, &'static str, &'static str, &'static str);

pub const KINDS: &[Kind] = &[
    ("declaration: version", "<?xml version='1.", "0", "'?><r/>"),
    (
        "declaration: encoding",
        "<?xml version='1.0' encoding='utf-8",
        "8",
        "'?><r/>",
    ),
    (
        "declaration: standalone",
        "<?xml version='1.0' standalone='",
        "a",
        "'?><r/>",
    ),
    (
        "declaration: space",
        "<?xml version='1.0' encoding='utf-8'",
        " ",
        "?><r/>",
    ),
    (
        "declaration: space first",
        "<?xml",
        " ",
        "version='1.0'?><r/>",
    ),
    (
        "declaration: another name",
        "<?xml version='1.0' ",
        "a",
        "='1'?><r/>",
    ),
    (
        "declaration: no end",
        "<?xml version='1.0' standalone='",
        "?",
        "",
    ),
    ("prolog: space", "", "\n", "<r/>"),
    ("prolog: comment", "<!--", "x", "--><r/>"),
    ("start tag: name", "<r><", "a", "></r>"),
    ("start tag: name of é", "<r><", "é", "></r>"),
    ("start tag: name with ÷", "<r><", "é", "÷></r>"),
    ("start tag: prefix", "<r><", "p", ":a xmlns:p='u'/></r>"),
    ("start tag: no end", "<r><", "a", ""),
    ("start tag: space", "<r><a", " ", "></a></r>"),
    ("empty tag: name", "<r><", "a", "/></r>"),
    ("empty tag: space", "<r><a", "\t", "/></r>"),
    ("root tag: name", "<", "a", "/>"),
    ("attribute: name", "<r><a ", "b", "='1'/></r>"),
    ("attribute: name of €", "<r><a ", "€", "='1'/></r>"),
    (
        "attribute: prefix",
        "<r><a xmlns:p='u' ",
        "p",
        ":b='1'/></r>",
    ),
    ("attribute: space before =", "<r><a b", " ", "='1'/></r>"),
    ("attribute: space behind =", "<r><a b=", " ", "'1'/></r>"),
    ("attribute: value", "<r><a b='", "x", "'/></r>"),
    (
        "attribute: value of line ends",
        "<r><a b='",
        "\r\n",
        "'/></r>",
    ),
    ("attribute: value of quotes", "<r><a b='", "\"", "'/></r>"),
    (
        "attribute: value of references",
        "<r><a b='",
        "&#65;",
        "'/></r>",
    ),
    ("attribute: entity", "<r><a b='&", "a", ";'/></r>"),
    (
        "attribute: decimal reference",
        "<r><a b='&#",
        "0",
        "65;'/></r>",
    ),
    (
        "attribute: hexadecimal reference",
        "<r><a b='x&#x",
        "0",
        "41;'/></r>",
    ),
    ("attribute: reference without end", "<r><a b='&#x", "0", ""),
    ("namespace: uri", "<r xmlns='", "u", "'/>"),
    ("namespace: declared prefix", "<r xmlns:", "p", "='u'/>"),
    ("end tag: another name", "<r></", "a", "></r>"),
    ("end tag: name that begins alike", "<r></r", "a", "></r>"),
    ("end tag: space", "<r></r", " ", ">"),
    ("instruction: target", "<r><?", "a", " b?></r>"),
    ("instruction: target alone", "<r><?", "a", "?></r>"),
    ("instruction: space", "<r><?a", " ", "b?></r>"),
    ("instruction: data", "<r><?a b", "c", "?></r>"),
    ("instruction: data of ?", "<r><?a b", "?", "?></r>"),
    ("comment", "<r><!--", "x", "--></r>"),
    ("comment: -", "<r><!--", "x-", "--></r>"),
    ("section", "<r><![CDATA[", "x", "]]></r>"),
    ("section: ]", "<r><![CDATA[", "]", "]]></r>"),
    ("section: line ends", "<r><![CDATA[", "\r", "]]></r>"),
    ("text", "<r>", "x", "</r>"),
    ("text: white space", "<r>", " ", "</r>"),
    ("text: ]", "<r>", "]", "</r>"),
    ("text: ends of sections", "<r>", "x", "]]></r>"),
    ("text: line ends", "<r>", "\r", "</r>"),
    ("text: references", "<r>", "&lt;", "</r>"),
    ("text: entity", "<r>&", "a", ";</r>"),
    ("text: entity of é", "<r>&", "é", ";</r>"),
    ("text: decimal reference", "<r>&#", "0", "65;</r>"),
    ("text: hexadecimal reference", "<r>x&#x", "0", "41;</r>"),
    ("text: reference to no character", "<r>&#", "9", ";</r>"),
    ("text: reference without end", "<r>&", "a", ""),
    ("text: no end", "<r>", "x", ""),
    ("document type: name", "<!DOCTYPE ", "a", " [ ]><r/>"),
    ("document type: space", "<!DOCTYPE a", " ", "[ ]><r/>"),
    (
        "document type: identifier",
        "<!DOCTYPE a SYSTEM '",
        "x",
        "'><r/>",
    ),
    (
        "document type: subset of space",
        "<!DOCTYPE a [",
        " ",
        "]><r/>",
    ),
    (
        "document type: space at the end",
        "<!DOCTYPE a []",
        " ",
        "><r/>",
    ),
    (
        "document type: comment",
        "<!DOCTYPE a [<!--",
        "x",
        "-->]><r/>",
    ),
    (
        "document type: instruction",
        "<!DOCTYPE a [<?",
        "x",
        "?>]><r/>",
    ),
    (
        "document type: entity's name",
        "<!DOCTYPE a [<!ENTITY ",
        "x",
        " 'y'>]><r/>",
    ),
    (
        "document type: entity's value",
        "<!DOCTYPE a [<!ENTITY x '",
        "y",
        "'>]><r>&x;</r>",
    ),
    (
        "document type: parameter entity",
        "<!DOCTYPE a [%",
        "x",
        ";]><r/>",
    ),
    (
        "document type: element",
        "<!DOCTYPE a [<!ELEMENT a (",
        "x",
        ")>]><r/>",
    ),
    (
        "document type: attribute",
        "<!DOCTYPE a [<!ATTLIST a ",
        "x",
        " CDATA 'y'>]><r/>",
    ),
    (
        "document type: default",
        "<!DOCTYPE a [<!ATTLIST a x CDATA '",
        "y",
        "'>]><a/>",
    ),
    (
        "document type: notation",
        "<!DOCTYPE a [<!NOTATION ",
        "x",
        " SYSTEM 'y'>]><r/>",
    ),
    ("document type: no end", "<!DOCTYPE a [", " ", ""),
    ("epilog: space", "<r/>", " ", ""),
    ("epilog: instruction", "<r/><?", "a", "?>"),
    ("not XML", "", "a", ""),
];

/// The document that has a token of about `len` bytes.
pub fn document(kind: &Kind, len: usize) -> Vec<u8> {
    let (_, before, token, behind) = kind;
    let mut document = before.as_bytes().to_vec();
    document.extend(
        token
            .as_bytes()
            .iter()
            .cycle()
            .take(len - len % token.len()),
    );
    // A name that was begun has to be ended as well.
    if kind.0.starts_with("start tag: name") {
        let name = document["<r><".len()..].to_vec();
        document.extend_from_slice(b"></");
        document.extend_from_slice(&name);
    }
    document.extend_from_slice(behind.as_bytes());
    document
}

/// Limits that allow all long parts.
pub fn raised() -> Limits {
    const MUCH: u64 = 1 << 30;
    Limits {
        max_name_bytes: MUCH,
        max_attribute_bytes: MUCH,
        max_token_bytes: MUCH,
        max_text_bytes: MUCH,
        max_dtd_bytes: MUCH,
        max_entity_bytes: MUCH,
        max_amplification: MUCH,
        ..Limits::trusted()
    }
}
