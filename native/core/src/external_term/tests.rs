use crate::external_term::*;

const EVERYTHING: Allowed<'_> = Allowed {
    functions: true,
    references: true,
    ports: true,
    external: true,
    records: true,
    node: b"here@home",
    creation: 7,
};

/// Walks `terms` at a time; the bytes that the term takes, or the fault and where.
fn scan(
    bytes: &[u8],
    limit: u64,
    allowed: Allowed<'_>,
    terms: usize,
) -> Result<u64, (Fault, usize)> {
    let mut scan = SizeScan::new(0);
    loop {
        match scan.step(bytes, limit, &allowed, terms) {
            Ok(Progress::More) => {}
            Ok(Progress::Done) => return Ok(scan.decoded),
            Err(fault) => return Err((fault, scan.position)),
        }
    }
}

fn size(bytes: &[u8]) -> Result<u64, Fault> {
    scan(bytes, u64::MAX, EVERYTHING, usize::MAX).map_err(|(fault, _)| fault)
}

#[test]
fn counts_what_terms_take() {
    assert_eq!(size(b"a\x07"), Ok(0));
    assert_eq!(size(b"w\x02ok"), Ok(0));
    assert_eq!(size(b"h\x02a\x01a\x02"), Ok(24));
    assert_eq!(size(b"k\x00\x03abc"), Ok(48));
    assert_eq!(size(b"l\x00\x00\x00\x01a\x01j"), Ok(16));
    assert_eq!(size(b"m\x00\x00\x00\x03abc"), Ok(24));
    assert_eq!(size(b"n\x08\x00\x01\x02\x03\x04\x05\x06\x07\x08"), Ok(16));
    assert_eq!(size(b"t\x00\x00\x00\x01a\x01a\x02"), Ok(48));
    let mut large = b"m\x00\x00\x01\x00".to_vec();
    large.resize(5 + 256, 0);
    assert_eq!(size(&large), Ok(64 + 256));
}

#[test]
fn a_declared_length_that_cannot_be_true_fails_at_once() {
    for tag in *b"ilmMot" {
        let bytes = [tag, 0xff, 0xff, 0xff, 0xff, 0, 0, 0];
        assert_eq!(size(&bytes), Err(Fault::Truncated), "{}", tag as char);
    }
}

#[test]
fn stops_at_the_limit_and_says_where() {
    // Ten tuples of one tuple each, 16 bytes a level.
    let nested = b"h\x01".repeat(10);
    let bytes = [nested.as_slice(), b"j"].concat();
    assert_eq!(scan(&bytes, 160, EVERYTHING, 1), Ok(160));
    assert_eq!(
        scan(&bytes, 159, EVERYTHING, 1),
        Err((Fault::Limit(160), 18))
    );
}

#[test]
fn depth_costs_nothing() {
    let mut bytes = b"l\x00\x00\x00\x01".repeat(1_000_000);
    bytes.resize(6_000_001, b'j');
    assert_eq!(
        scan(&bytes, u64::MAX, EVERYTHING, 1_000),
        Ok(16 * 1_000_000)
    );
}

/// `head`, a node's name, `ids` and the number of its start.
fn identifier(head: &[u8], node: &str, ids: usize, creation: u32) -> Vec<u8> {
    let name = [b"w", [node.len() as u8].as_slice(), node.as_bytes()].concat();
    let creation = creation.to_be_bytes();
    [head, &name, &vec![0; ids], &creation].concat()
}

fn with_ids_last(head: &[u8], node: &str, creation: u32, ids: usize) -> Vec<u8> {
    [identifier(head, node, 0, creation), vec![0; ids]].concat()
}

#[test]
fn refuses_what_was_not_asked_for() {
    let reference = with_ids_last(b"Z\x00\x03", "here@home", 7, 12);
    let port = identifier(b"x", "here@home", 8, 7);
    let export = b"qw\x01aw\x01ba\x01".to_vec();
    let record = b"C\x00\x00\x00\x01\x00w\x01mw\x01rw\x01fa\x05".to_vec();
    for (bytes, kind) in [
        (&reference, "reference"),
        (&port, "port"),
        (&export, "function"),
        (&record, "native record"),
    ] {
        let refused = scan(bytes, u64::MAX, Allowed::default(), 9);
        assert_eq!(refused, Err((Fault::Forbidden(kind), 0)));
        assert!(size(bytes).is_ok());
    }
}

#[test]
fn identifiers_of_other_nodes_have_to_be_asked_for_and_count_for_what_the_vm_keeps_of_the_node() {
    let mut allowed = EVERYTHING;
    allowed.external = false;
    let kinds = |node: &str, creation: u32| {
        [
            identifier(b"X", node, 8, creation),
            identifier(b"Y", node, 4, creation),
            identifier(b"x", node, 8, creation),
            with_ids_last(b"Z\x00\x03", node, creation, 12),
        ]
    };
    for (node, creation) in [("here@home", 7), ("here@home", 0)] {
        for bytes in kinds(node, creation) {
            let local = scan(&bytes, u64::MAX, allowed, 9);
            assert!(local.is_ok_and(|bytes| bytes <= 9 * WORD), "{bytes:?}");
        }
    }
    for (node, creation) in [("here@home", 8), ("there@home", 7), ("", 7)] {
        for bytes in kinds(node, creation) {
            let refused = scan(&bytes, u64::MAX, allowed, 9);
            let kind = Fault::Forbidden("identifier of another node");
            assert_eq!(refused, Err((kind, 0)), "{bytes:?}");
            assert!(size(&bytes).is_ok_and(|bytes| bytes >= NODE * WORD));
        }
    }
    // The formats of old have a byte for the number.
    let old = |creation: u8| [b"gw\x09here@home\0\0\0\0\0\0\0\0", &[creation][..]].concat();
    assert!(scan(&old(7), u64::MAX, allowed, 9).is_ok());
    assert!(scan(&old(1), u64::MAX, allowed, 9).is_err());
}

#[test]
fn a_native_record_counts_for_its_definition_too() {
    let record = b"C\x00\x00\x00\x02\x00w\x01mw\x01rw\x01fw\x01ga\x05m\x00\x00\x00\x01x";
    assert_eq!(size(record), Ok((9 + 6 + 3) * WORD));
    assert_eq!(size(b"C\xff\xff\xff\xff\x00w\x01m"), Err(Fault::Truncated));
}

#[test]
fn every_truncation_is_found_whatever_the_step() {
    let term = [
        b"h\x04l\x00\x00\x00\x02a\x01b\x00\x00\x00\x02jt\x00\x00\x00\x01w\x01k".as_slice(),
        b"m\x00\x00\x00\x02xyF\x00\x00\x00\x00\x00\x00\x00\x00k\x00\x01z",
    ]
    .concat();
    assert_eq!(
        scan(&term, u64::MAX, EVERYTHING, 1),
        size(&term).map_err(|fault| (fault, 0))
    );
    for len in 0..term.len() {
        assert_eq!(size(&term[..len]), Err(Fault::Truncated), "{len} bytes");
    }
}

#[test]
fn unknown_tags_are_malformed() {
    for tag in 0..=u8::MAX {
        let known = b"abFcdvswhijklmMnotgXfYxerZpqC".contains(&tag);
        let result = size(&[tag]);
        assert_eq!(result == Err(Fault::Malformed), !known, "tag {tag}");
    }
    // The node of an identifier is an atom, never a term of another kind.
    assert_eq!(size(b"Xa\x01\x00"), Err(Fault::Malformed));
}

proptest::proptest! {
    /// For any bytes, the scan ends within them, and with the same verdict however it is cut.
    #[test]
    fn any_bytes_have_one_verdict(
        bytes in proptest::collection::vec(proptest::sample::select(b"abhijklmMntgXZpqswC\x00\x01\x02\x05".as_slice()), 0..60),
        terms in 1usize..5,
        limit in 0u64..400,
    ) {
        let mut whole = SizeScan::new(0);
        let at_once = whole.step(&bytes, limit, &EVERYTHING, usize::MAX);
        let in_steps = scan(&bytes, limit, EVERYTHING, terms);
        proptest::prop_assert!(whole.position <= bytes.len());
        match (at_once, in_steps) {
            (Ok(progress), Ok(decoded)) => {
                proptest::prop_assert_eq!(progress, Progress::Done);
                proptest::prop_assert_eq!(whole.decoded, decoded);
                proptest::prop_assert!(decoded <= limit);
            }
            (Err(fault), Err(stepped)) => proptest::prop_assert_eq!((fault, whole.position), stepped),
            (once, stepped) => proptest::prop_assert!(false, "{:?}, {:?}", once, stepped),
        }
    }
}
