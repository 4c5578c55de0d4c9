//! Which encoding a document is found to be in.

use crate::xml::encoding::tests::*;
use ErrorKind::{Encoding as Wrong, Unsupported};

fn utf16le(text: &str) -> Vec<u8> {
    encode("UTF-16LE", text).unwrap()
}

fn utf16be(text: &str) -> Vec<u8> {
    encode("UTF-16BE", text).unwrap()
}

fn join(mark: &[u8], rest: impl AsRef<[u8]>) -> Vec<u8> {
    [mark, rest.as_ref()].concat()
}

const MARK_8: &[u8] = b"\xEF\xBB\xBF";
const MARK_LE: &[u8] = b"\xFF\xFE";
const MARK_BE: &[u8] = b"\xFE\xFF";

/// The verdict, which must not depend on how the document is cut.
fn verdict(raw: &[u8], told: Option<&str>) -> (String, Result<(), EncodingError>) {
    let whole = decode_until_failure(raw, &[], told);
    assert_eq!(decode_until_failure(raw, &every(1, raw.len()), told), whole);
    for cut in 0..raw.len().min(200) {
        assert_eq!(
            decode_until_failure(raw, &[cut], told),
            whole,
            "cut at {cut}"
        );
    }
    whole
}

fn accepted(raw: impl AsRef<[u8]>, told: Option<&str>) -> String {
    let (text, result) = verdict(raw.as_ref(), told);
    assert_eq!(result, Ok(()));
    text
}

fn rejected(raw: impl AsRef<[u8]>, told: Option<&str>) -> (ErrorKind, u64, String) {
    let (_, result) = verdict(raw.as_ref(), told);
    let error = result.unwrap_err();
    (error.kind, error.offset, error.reason)
}

#[test]
fn without_mark_and_declaration_it_is_utf_8() {
    for text in [
        "",
        "<",
        "<r/>",
        "<r>é</r>",
        "<?xml version='1.0'?><r>é</r>",
        "<?xm",
        "\n",
    ] {
        assert_eq!(accepted(text, None), text);
    }
}

#[test]
fn no_more_is_awaited_than_it_takes_to_tell() {
    for (raw, expected) in [
        (&b"<"[..], ""),
        (b"<a", "<a"),
        (b" ", ""),
        (b"  ", "  "),
        (b" \0", ""),
        (b"\x1F", ""),
        (b"<?", ""),
        (b"<?p", "<?p"),
        (b"\xEF\xBB", ""),
        (b"\xEF\xBB\xBF", ""),
        (b"\xFF\xFE<", ""),
        (b"\xFF\xFE<\0a\0", "<a"),
        (b"<?xml version='1.0'?>", "<?xml version='1.0'?>"),
        (b"<?xml version='1.0' ", ""),
    ] {
        let account = Account::root();
        let mut text = ChargedVec::new(&account);
        let mut decoder = Decoder::new(&account, None).unwrap();
        decoder.feed(raw, &mut text).unwrap();
        assert_eq!(&text[..], expected.as_bytes(), "{raw:?}");
    }
}

#[test]
fn byte_order_marks_are_taken_off() {
    assert_eq!(accepted(join(MARK_8, "<r>é</r>"), None), "<r>é</r>");
    assert_eq!(
        accepted(join(MARK_LE, utf16le("<r>é</r>")), None),
        "<r>é</r>"
    );
    assert_eq!(
        accepted(join(MARK_BE, utf16be("<r>é</r>")), None),
        "<r>é</r>"
    );
    for mark in [MARK_8, MARK_LE, MARK_BE] {
        assert_eq!(accepted(mark, None), "");
    }
    // A second one is a character.
    assert_eq!(accepted(join(MARK_8, "\u{FEFF}<r/>"), None), "\u{FEFF}<r/>");
    assert_eq!(
        accepted(join(MARK_LE, utf16le("\u{FEFF}<r/>")), None),
        "\u{FEFF}<r/>"
    );
}

#[test]
fn utf_16_with_a_mark_may_be_declared() {
    for name in ["UTF-16", "utf-16", "ISO-10646-UCS-2"] {
        let text = format!("<?xml version='1.0' encoding='{name}'?><r a='é'>\u{1F600}</r>");
        assert_eq!(accepted(join(MARK_LE, utf16le(&text)), None), text);
        assert_eq!(accepted(join(MARK_BE, utf16be(&text)), None), text);
    }
}

#[test]
fn utf_16_without_a_mark_is_found_by_its_first_character() {
    for name in ["UTF-16", "UTF-16LE"] {
        let text = format!("<?xml version='1.0' encoding='{name}'?><r>é</r>");
        assert_eq!(accepted(utf16le(&text), None), text);
    }
    let text = "<?xml version='1.0' encoding='UTF-16BE'?><r>é</r>";
    assert_eq!(accepted(utf16be(text), None), text);
    for text in [
        "<?xml version='1.0'?><r/>",
        "<?pi?><r/>",
        "<?",
        "<",
        "<r>é</r>",
        " <r/>",
        "\n<r/>",
    ] {
        assert_eq!(accepted(utf16le(text), None), text);
        assert_eq!(accepted(utf16be(text), None), text);
    }
    let wrong = utf16le("<?xml version='1.0' encoding='UTF-16BE'?><r/>");
    assert_eq!(rejected(wrong, None).0, Wrong);
}

#[test]
fn marks_and_declarations_must_agree() {
    let latin1 = join(MARK_8, "<?xml version='1.0' encoding='iso-8859-1'?><r/>");
    assert_eq!(
        rejected(latin1, None),
        (
            Wrong,
            33,
            "the XML declaration says ISO-8859-1, but the document's byte order mark says UTF-8: \
             pass encoding: \"utf-8\" to read it as that"
                .to_owned()
        )
    );
    let utf8 = join(
        MARK_BE,
        utf16be("<?xml version='1.0' encoding='utf-8'?><r/>"),
    );
    assert_eq!(rejected(utf8, None).1, 62);
    let little = join(
        MARK_BE,
        utf16be("<?xml version='1.0' encoding='utf-16le'?><r/>"),
    );
    assert_eq!(rejected(little, None).0, Wrong);
    let narrow = "<?xml version=\"1.0\" encoding=\"UTF-16\"?><r/>";
    assert_eq!(
        rejected(narrow, None),
        (
            Wrong,
            30,
            "the XML declaration says UTF-16, but the document's first bytes are UTF-8: \
             pass encoding: \"utf-8\" to read it as that"
                .to_owned()
        )
    );
    // The way out that the message names.
    assert_eq!(accepted(narrow, Some("utf-8")), narrow);
    let declared = "<?xml version='1.0' encoding='utf-8'?><r/>";
    let (_, _, reason) = rejected(utf16be(declared), None);
    assert!(reason.contains("encoding: \"utf-16be\""), "{reason}");
    assert_eq!(accepted(utf16be(declared), Some("utf-16be")), declared);
}

#[test]
fn the_text_before_a_failure_is_delivered() {
    let raw = join(
        MARK_BE,
        utf16be("<?xml version='1.0'\nencoding='nope'?><r/>"),
    );
    let (text, result) = verdict(&raw, None);
    assert_eq!(text, "<?xml version='1.0'\nencoding='");
    assert_eq!(result.unwrap_err().offset, 62);
}

#[test]
fn what_is_not_read_is_refused_by_name() {
    let wide = |text: &str, order: [usize; 4]| -> Vec<u8> {
        let units = text.chars().map(|c| u32::from(c).to_be_bytes());
        units
            .flat_map(|unit| order.map(|place| unit[place]))
            .collect()
    };
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2], [2, 3, 0, 1]] {
        for text in ["<r/>", "\u{FEFF}<r/>"] {
            let (kind, offset, reason) = rejected(wide(text, order), None);
            assert_eq!((kind, offset), (Unsupported, 0), "{order:?} {text:?}");
            assert_eq!(reason, "UCS-4 (UTF-32) is not read");
        }
    }
    let ebcdic = b"\x4C\x6F\xA7\x94\x93\x40\xA5";
    assert_eq!(rejected(ebcdic, None).2, "EBCDIC is not read");
    for name in [
        "UTF-7",
        "x-nope",
        "UTF-32",
        "x-user-defined",
        "replacement",
        "hz-gb-2312",
    ] {
        let (kind, offset, reason) =
            rejected(format!("<?xml version='1.0' encoding='{name}'?><r/>"), None);
        assert_eq!((kind, offset), (Unsupported, 30), "{name}");
        assert!(
            reason.starts_with(&format!("the encoding \"{name}\" is not one that is read")),
            "{reason}"
        );
    }
}

#[test]
fn a_long_name_is_not_repeated_in_full() {
    let name = "x".repeat(1000);
    let (_, _, reason) = rejected(format!("<?xml version='1.0' encoding='{name}'?>"), None);
    assert!(reason.len() < 150, "{reason}");
}

#[test]
fn a_malformed_declaration_is_left_to_the_scanner() {
    for text in [
        "<?xml encoding='latin1' version='1.0'?><r/>",
        "<?xml version='1.0' encoding=' latin1'?><r/>",
        "<?xml version='1.0' encoding='8-bit'?><r/>",
        "<?xml version='1.0' encoding=''?><r/>",
        "<?xml version='1.0'encoding='latin1'?><r/>",
        "<?xml version='1.0' encoding='latin1\"?><r/>",
        "<?xml version='1.0' encoding='lat",
        "<?xml version='1.0' encoding='latin1",
        "<?xmlversion='1.0' encoding='latin1'?><r/>",
        " <?xml version='1.0' encoding='latin1'?><r/>",
    ] {
        assert_eq!(accepted(text, None), text);
    }
}

#[test]
fn an_endless_declaration_is_refused() {
    let spaces = " ".repeat(20_000);
    let endless = format!("<?xml version='1.0'{spaces}");
    for (raw, offset) in [
        (endless.clone().into_bytes(), 4096),
        (join(MARK_8, &endless), 4099),
        (join(MARK_LE, utf16le(&endless)), 8194),
    ] {
        let (text, result) = verdict(&raw, None);
        assert_eq!(text, endless[..4096]);
        let error = result.unwrap_err();
        assert_eq!((error.kind, error.offset), (ErrorKind::Limit, offset));
    }
}

#[test]
fn the_caller_knows_better_than_the_declaration() {
    let text = "<?xml version='1.0' encoding='UTF-16'?><r>é</r>";
    assert_eq!(accepted(text, Some("UTF-8")), text);
    let raw = encode(
        "windows-1251",
        "<?xml version='1.0' encoding='x-nope'?><r>Ж</r>",
    )
    .unwrap();
    assert!(accepted(raw, Some("windows-1251")).ends_with("<r>Ж</r>"));
    assert_eq!(accepted(join(MARK_8, "<r/>"), Some("utf-8")), "<r/>");
}

#[test]
fn the_caller_may_leave_the_byte_order_open() {
    for raw in [
        join(MARK_LE, utf16le("<r>é</r>")),
        join(MARK_BE, utf16be("<r>é</r>")),
        utf16le("<r>é</r>"),
        utf16be("<r>é</r>"),
    ] {
        assert_eq!(accepted(raw, Some("UTF-16")), "<r>é</r>");
    }
}

#[test]
fn a_mark_stands_above_the_caller() {
    let declared = "<?xml version='1.0' encoding='latin1'?><r>é</r>";
    for told in ["ISO-8859-1", "UTF-16", "UTF-8", "UTF-16BE", "Shift_JIS"] {
        assert_eq!(accepted(join(MARK_8, "<r>é</r>"), Some(told)), "<r>é</r>");
        assert_eq!(accepted(join(MARK_8, declared), Some(told)), declared);
        let wide = join(MARK_LE, utf16le("<r>é</r>"));
        assert_eq!(accepted(wide, Some(told)), "<r>é</r>");
    }
}

#[test]
fn gzip_is_recognised() {
    for told in [None, Some("latin1"), Some("utf-8")] {
        let (kind, offset, reason) = rejected(b"\x1F\x8B\x08\0\0\0\0\0", told);
        assert_eq!((kind, offset), (Unsupported, 0));
        assert!(reason.contains("{:file, path, [:compressed]}"), "{reason}");
        assert!(reason.contains("BoundedBinary.inflate/2"), "{reason}");
    }
    // Only with both bytes.
    assert_eq!(accepted(b"\x1F<r/>", None), "\x1F<r/>");
}

#[test]
fn an_unknown_option_is_refused_at_once() {
    let error = Decoder::new(&Account::root(), Some("x-nope")).unwrap_err();
    assert_eq!(error.kind, Unsupported);
}

#[test]
fn only_utf_8_passes_unread() {
    for (label, expected) in [("UTF-8", true), ("US-ASCII", false), ("UTF-16LE", false)] {
        let account = Account::root();
        let mut text = ChargedVec::new(&account);
        let mut decoder = Decoder::new(&account, None).unwrap();
        assert!(!decoder.is_utf8());
        decoder.feed(&document(label, 1).0, &mut text).unwrap();
        assert_eq!(decoder.is_utf8(), expected, "{label}");
    }
}
