//! A scan of any bytes for the memory that an external term takes ends, says the same wherever it stops on its way, and knows no more
//! than the bytes that it has read.
#![no_main]

use bounded_core::external_term::{Allowed, Fault, Progress, SizeScan};
use libfuzzer_sys::fuzz_target;

/// Bytes that the term takes, or the fault and where it is.
fn scan(
    bytes: &[u8],
    limit: u64,
    allowed: &Allowed<'_>,
    terms: usize,
) -> Result<u64, (Fault, usize)> {
    let mut scan = SizeScan::new(0);
    loop {
        let before = scan.position;
        match scan.step(bytes, limit, allowed, terms) {
            Ok(Progress::Done) => return Ok(scan.decoded),
            Ok(Progress::More) => assert!(scan.position > before, "it made no progress"),
            Err(fault) => return Err((fault, scan.position)),
        }
        assert!(scan.position <= bytes.len() && scan.decoded <= limit);
    }
}

fn allowed(flags: u8) -> Allowed<'static> {
    Allowed {
        functions: flags & 1 != 0,
        references: flags & 2 != 0,
        ports: flags & 4 != 0,
        external: flags & 8 != 0,
        records: flags & 16 != 0,
        node: b"a@b",
        creation: 1,
    }
}

fuzz_target!(|bytes: &[u8]| {
    let [flags, limit, terms, term @ ..] = bytes else {
        return;
    };
    let (some, limit) = (allowed(*flags), u64::from(*limit) * 16);
    let terms = usize::from(terms % 8) + 1;
    let limited = scan(term, limit, &some, usize::MAX);
    assert_eq!(scan(term, limit, &some, terms), limited);
    let whole = scan(term, u64::MAX, &some, usize::MAX);
    match limited {
        Ok(size) => assert!(size <= limit && whole == limited),
        Err((Fault::Limit(size), _)) => assert!(size > limit && whole != Ok(limit)),
        Err(_) => assert_eq!(whole, limited),
    }
    let Ok(size) = whole else {
        return;
    };
    assert_eq!(scan(term, size, &some, terms), whole);
    if let Some(less) = size.checked_sub(1) {
        assert!(matches!(
            scan(term, less, &some, terms),
            Err((Fault::Limit(_), _))
        ));
    }
    // What passes with little allowed takes as much with everything allowed.
    assert_eq!(scan(term, u64::MAX, &allowed(u8::MAX), usize::MAX), whole);
});
