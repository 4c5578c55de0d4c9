//! However it is cut, a document decodes the same, or fails the same.

use crate::arena::account::{Kind, Reservation};
use crate::xml::encoding::tests::*;
use proptest::prelude::*;

#[test]
fn every_encoding_decodes_the_same_at_every_cut() {
    for label in ENCODINGS {
        let (raw, text) = document(label, 1);
        assert!(
            label == "US-ASCII" || !text.is_ascii(),
            "{label}: a poor sample"
        );
        for cut in 0..=raw.len() {
            assert_eq!(
                decode(&raw, &[cut], None).unwrap(),
                text,
                "{label} cut at {cut}"
            );
        }
        for step in [1, 2, 3, 7] {
            let cuts = every(step, raw.len());
            assert_eq!(
                decode(&raw, &cuts, None).unwrap(),
                text,
                "{label} by {step}"
            );
        }
    }
}

#[test]
fn the_whole_upper_half_of_single_byte_encodings_agrees_with_their_tables() {
    let raw: Vec<u8> = (0x20..=0xFF).collect();
    for label in ENCODINGS {
        let encoding = Encoding::for_label(label.as_bytes()).unwrap();
        // KOI8-U is not the web's: see `bin/xml-tables`.
        let by_hand = [
            "ISO-8859-1",
            "ISO-8859-9",
            "ISO-8859-11",
            "US-ASCII",
            "KOI8-U",
        ];
        if !encoding.is_single_byte() || by_hand.contains(&label) {
            continue;
        }
        let (expected, _) = encoding.decode_without_bom_handling(&raw);
        let (text, result) = decode_until_failure(&raw, &[100], Some(label));
        match expected.find('\u{FFFD}') {
            None => assert_eq!((&text[..], result), (&expected[..], Ok(())), "{label}"),
            Some(end) => {
                let offset = expected[..end].chars().count() as u64;
                assert_eq!(text, expected[..end], "{label}");
                assert_eq!(result.unwrap_err().offset, offset, "{label}");
            }
        }
    }
}

#[test]
fn iso_8859_means_what_it_says() {
    let raw = b"<r>\x80\x85\x9F\xA0\xE9\xFF</r>";
    let latin1 = "<r>\u{80}\u{85}\u{9F}\u{A0}\u{E9}\u{FF}</r>";
    for label in ["ISO-8859-1", "latin1", "iso_8859-1:1987", "l1"] {
        assert_eq!(decode(raw, &[], Some(label)).unwrap(), latin1);
    }
    let windows = decode(raw, &[], Some("windows-1252")).unwrap();
    assert_eq!(windows, "<r>\u{20AC}\u{2026}\u{178}\u{A0}\u{E9}\u{FF}</r>");
    let turkish = decode(b"<r>\x85\xFD</r>", &[], Some("ISO-8859-9")).unwrap();
    assert_eq!(turkish, "<r>\u{85}ı</r>");
    let thai = decode(b"<r>\x85\xA1</r>", &[], Some("TIS-620")).unwrap();
    assert_eq!(thai, "<r>\u{85}ก</r>");
    let thai = decode(b"<r>\x85\xA1</r>", &[], Some("windows-874")).unwrap();
    assert_eq!(thai, "<r>…ก</r>");
}

#[test]
fn ascii_refuses_everything_else() {
    for label in ["US-ASCII", "ascii", "ANSI_X3.4-1968"] {
        let error = decode(b"<r>\xE9</r>", &[], Some(label)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Encoding);
        assert_eq!(error.offset, 3);
        assert_eq!(error.reason, "byte 0xE9 means nothing in US-ASCII");
    }
}

/// Malformed and truncated sequences, and where they are.
const MALFORMED: [(&str, &[u8], u64); 14] = [
    ("UTF-16LE", b"<\0\x3D\xD8<\0", 2),
    ("UTF-16LE", b"<\0\x00\xDE<\0", 2),
    ("UTF-16BE", b"\0<\0", 2),
    ("UTF-16BE", b"\0<\xD8\x3D", 2),
    ("Shift_JIS", b"<r>\x82\xA0\x82\x20", 5),
    ("Shift_JIS", b"<r>\x82\xA0\x82", 5),
    ("EUC-JP", b"<r>\x8F\xA1\x20", 3),
    ("EUC-JP", b"<r>\xA4\xA2\xA4", 5),
    ("GBK", b"<r>\xD6\xD0\xFF", 5),
    ("gb18030", b"<r>\x81\x30\x81\x20", 3),
    ("gb18030", b"<r>\x81\x30\x81", 3),
    ("Big5", b"<r>\xA4\xA4\xA4\x20", 5),
    ("EUC-KR", b"<r>\xB0\xA1\xB0", 5),
    ("ISO-2022-JP", b"<r>\x1B$B\x24\x22\x24", 8),
];

#[test]
fn malformed_sequences_fail_alike_at_every_cut() {
    for (label, raw, offset) in MALFORMED {
        let whole = decode_until_failure(raw, &[], Some(label));
        let error = whole.1.clone().unwrap_err();
        let is_cut = error
            .reason
            .starts_with("the document ends inside a character");
        let kind = match is_cut {
            true => ErrorKind::Truncated,
            false => ErrorKind::Encoding,
        };
        assert_eq!(error.kind, kind, "{label}");
        assert_eq!(error.offset, offset, "{label} {raw:X?}");
        for cut in 0..=raw.len() {
            assert_eq!(
                decode_until_failure(raw, &[cut], Some(label)),
                whole,
                "{label}"
            );
        }
        assert_eq!(
            decode_until_failure(raw, &every(1, raw.len()), Some(label)),
            whole
        );
    }
}

#[test]
fn a_failed_decoder_stays_failed() {
    let account = Account::root();
    let mut text = ChargedVec::new(&account);
    let mut decoder = Decoder::new(&account, Some("US-ASCII")).unwrap();
    let first = decoder.feed(b"<r>\xE9", &mut text).unwrap_err();
    assert_eq!(decoder.feed(b"</r>", &mut text), Err(first.clone()));
    assert_eq!(decoder.finish(&mut text), Err(first));
    assert_eq!(&text[..], b"<r>");
}

#[test]
fn refused_memory_changes_nothing() {
    for label in [
        "UTF-8",
        "UTF-16LE",
        "ISO-8859-1",
        "Shift_JIS",
        "ISO-2022-JP",
    ] {
        let (raw, expected) = document(label, 40);
        let account = Account::child(&Account::root(), 1 << 20);
        let mut text = ChargedVec::new(&account);
        let mut decoder = Decoder::new(&account, None).unwrap();
        let mut refusals = 0;
        for chunk in raw.chunks(raw.len() / 5) {
            for headroom in [1, 60, 200, 1000] {
                let ballast =
                    Reservation::new(&account, Kind::Native, account.headroom() - headroom);
                let held = text.len();
                match decoder.feed(chunk, &mut text) {
                    Ok(()) => break,
                    Err(failure) => {
                        assert!(
                            matches!(failure, Failure::Refused(_)),
                            "{label}: {failure:?}"
                        );
                        assert_eq!(text.len(), held, "{label}");
                        refusals += 1;
                    }
                }
                drop(ballast);
                if headroom == 1000 {
                    decoder.feed(chunk, &mut text).unwrap();
                }
            }
        }
        decoder.finish(&mut text).unwrap();
        assert!(refusals > 0, "{label}");
        assert_eq!(
            String::from_utf8(text.to_vec()).unwrap(),
            expected,
            "{label}"
        );
        drop((decoder, text));
        assert_eq!(account.reserved(), 0, "{label}");
    }
}

proptest! {
    #[test]
    fn random_bytes_mean_the_same_at_random_cuts(
        // UTF-8 is not read here.
        label in prop::sample::select(&ENCODINGS[1..]),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        cuts in prop::collection::vec(0usize..220, 0..10),
    ) {
        let mut raw = encode(label, "<r>").unwrap();
        raw.extend(bytes);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(raw.len())).collect();
        cuts.sort_unstable();
        let whole = decode_until_failure(&raw, &[], Some(label));
        prop_assert_eq!(decode_until_failure(&raw, &cuts, Some(label)), whole);
    }

    #[test]
    fn random_text_survives_every_encoding(
        label in prop::sample::select(&ENCODINGS[..]),
        text in "\\PC{0,200}",
        step in 1usize..40,
    ) {
        let text = format!("<r>{text}");
        if let Some(raw) = encode(label, &text) {
            let decoded = decode(&raw, &every(step, raw.len()), Some(label)).unwrap();
            prop_assert_eq!(decoded, text);
        }
    }
}
