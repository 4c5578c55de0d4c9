//! The internal subset by itself: no panic, bounded work in each step, the same fault for a longer text.
#![no_main]

use bounded_core::arena::account::Account;
use bounded_core::xml::Limits;
use bounded_core::xml::dtd::amplification::Amplification;
use bounded_core::xml::dtd::{Dtd, DtdOptions, DtdParser, Fault, Found, Reason, Step, SubsetEnd};
use libfuzzer_sys::fuzz_target;

/// Bytes that one step may look at beyond the one declaration that it reads.
const STEP: u64 = 20_000;

fuzz_target!(|bytes: &[u8]| {
    let Some((&flags, subset)) = bytes.split_first() else {
        return;
    };
    // The scanner validates UTF-8 before it asks for declarations.
    if std::str::from_utf8(subset).is_err() {
        return;
    }
    let options = DtdOptions {
        namespaces: flags & 1 != 0,
        standalone: flags & 2 != 0,
        external_subset: flags & 4 != 0,
        consumed: 20,
    };
    let limits = if flags & 8 == 0 {
        Limits::default()
    } else {
        Limits {
            max_token_bytes: 50,
            max_name_bytes: 6,
            max_attribute_bytes: 10,
            max_depth: 3,
            max_entities: 3,
            max_entity_depth: 2,
            max_entity_bytes: 30,
            max_amplification: 1,
            max_entity_expansions: 4,
            ..Limits::default()
        }
    };
    let whole = read(&options, &limits, subset);
    let mut subset_end = SubsetEnd::default();
    let search = |subset_end: &mut SubsetEnd, subset: &[u8]| match subset_end
        .scan(subset, &mut { usize::MAX })
    {
        Found::End(end) => Some(end),
        Found::Missing => None,
        Found::Paused => panic!("paused with all the credit there is"),
    };
    let found = (0..=subset.len()).find_map(|len| search(&mut subset_end, &subset[..len]));
    assert_eq!(
        found,
        search(&mut SubsetEnd::default(), subset),
        "the subset_end depends on the cuts"
    );
    match &whole {
        // Where the declarations are right, both agree on where they end.
        Ok((_, end)) => assert_eq!(found, Some(*end)),
        Err(Fault {
            reason: Reason::Truncated,
            ..
        }) => assert_eq!(found, None),
        Err(fault) => {
            assert!(fault.offset <= subset.len());
            // What comes after the fault does not matter, nor does what is missing there.
            let known = found.map_or(subset.len(), |end| end + 1);
            match read(&options, &limits, &subset[..known]) {
                Err(same) => assert_eq!(same, *fault),
                Ok(_) => panic!("accepted when cut at {known}, though {fault:?}"),
            }
        }
    }
});

/// Reads a subset to its end or first fault; asks the result everything.
fn read(options: &DtdOptions, limits: &Limits, subset: &[u8]) -> Result<(Dtd, usize), Fault> {
    let account = Account::child(&Account::root(), 16 << 20);
    let mut parser = DtdParser::new(&account, limits.clone(), options.clone());
    let mut amplification = Amplification::new(limits);
    let mut before = 0;
    loop {
        let done = parser.step(subset, &mut amplification)? == Step::Done;
        assert!(parser.work() - before <= STEP + subset.len() as u64);
        before = parser.work();
        if done {
            break;
        }
    }
    let end = parser.offset();
    assert_eq!(subset[end], b']');
    let dtd = parser.into_dtd();
    for name in [&b"a"[..], b"b", b"lt", b""] {
        let _ = dtd.entity(name);
        if let Some(element) = dtd.element(name) {
            for (attribute, value) in dtd.defaults(element) {
                assert!(std::str::from_utf8(value).is_ok());
                let _ = dtd.is_tokenized(element, attribute);
            }
        }
    }
    assert!(dtd.notations().all(|notation| !notation.name.is_empty()));
    Ok((dtd, end))
}
