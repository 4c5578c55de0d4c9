//! Positions in the text, and where they were in the original.

use crate::xml::encoding::tests::*;
use proptest::prelude::*;

/// Decodes the first bytes of a document with `encoding_rs` alone.
fn meaning(label: &str, raw: &[u8]) -> Option<String> {
    match label {
        "ISO-8859-1" => Some(raw.iter().map(|&byte| char::from(byte)).collect()),
        _ => {
            let encoding = Encoding::for_label(label.as_bytes()).unwrap();
            let text = encoding.decode_without_bom_handling_and_without_replacement(raw)?;
            Some(text.into_owned())
        }
    }
}

/// Checks every place of the text that is still there. Offsets never go back, and the original up to
/// each of them means the text up to its place.
fn check(decoder: &Decoder, label: &str, raw: &[u8], whole: &str, front: usize, end: usize) {
    let window = &whole.as_bytes()[front..end];
    let mut before = 0;
    for place in (front..=end).filter(|&place| whole.is_char_boundary(place)) {
        let offset = decoder.offset(&window[..place - front], 0) as usize;
        assert!(offset >= before, "{label}");
        before = offset;
        assert_eq!(
            meaning(label, &raw[..offset]).as_deref(),
            Some(&whole[..place]),
            "{label}: place {place}, offset {offset}"
        );
    }
}

#[test]
fn every_place_maps_back_to_the_original() {
    for label in ENCODINGS {
        let (raw, whole) = document(label, 1);
        let account = Account::root();
        let mut text = ChargedVec::new(&account);
        let mut decoder = Decoder::new(&account, None).unwrap();
        decoder.feed(&raw, &mut text).unwrap();
        check(&decoder, label, &raw, &whole, 0, whole.len());
    }
}

#[test]
fn a_mark_counts() {
    let account = Account::root();
    let mut text = ChargedVec::new(&account);
    let mut decoder = Decoder::new(&account, None).unwrap();
    decoder.feed(b"\xFF\xFE<\0r\0/\0>\0", &mut text).unwrap();
    assert_eq!(decoder.offset(&text[..1], 0), 4);
    decoder.discard(&text[..2], 0);
    assert_eq!(decoder.offset(&[], 0), 6);
}

#[test]
fn discarding_bounds_what_is_kept() {
    for label in ENCODINGS {
        let account = Account::root();
        let mut text = ChargedVec::new(&account);
        let mut decoder = Decoder::new(&account, None).unwrap();
        let (raw, _) = document(label, 2000);
        for chunk in raw.chunks(1000) {
            decoder.feed(chunk, &mut text).unwrap();
            decoder.discard(&text, 0);
            text.clear();
        }
        decoder.finish(&mut text).unwrap();
        assert_eq!(decoder.offset(&[], 0), raw.len() as u64, "{label}");
        assert!(
            account.usage().peak < 24 * 1024,
            "{label}: {:?}",
            account.usage()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn places_map_back_however_the_text_is_cut_and_discarded(
        label in prop::sample::select(&ENCODINGS[..]),
        steps in prop::collection::vec((1usize..3000, 0usize..100), 1..12),
    ) {
        let (raw, whole) = document(label, 60);
        let account = Account::root();
        let mut text = ChargedVec::new(&account);
        let mut decoder = Decoder::new(&account, None).unwrap();
        let (mut fed, mut front) = (0, 0);
        for (bytes, percent) in steps {
            let next = (fed + bytes).min(raw.len());
            decoder.feed(&raw[fed..next], &mut text).unwrap();
            fed = next;
            let mut drop = text.len() * percent / 100;
            while !whole.is_char_boundary(front + drop) {
                drop -= 1;
            }
            decoder.discard(&text[..drop], 0);
            text.drain_front(drop);
            front += drop;
            for place in [0, text.len() / 3, text.len() / 2, text.len()] {
                let place = (0..=place).rev().find(|&at| whole.is_char_boundary(front + at)).unwrap();
                let offset = decoder.offset(&text[..place], 0) as usize;
                let expected = meaning(label, &raw[..offset]);
                prop_assert_eq!(expected.as_deref(), Some(&whole[..front + place]));
            }
        }
    }
}
