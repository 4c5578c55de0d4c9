//! Subsets and what becomes of them.

mod declarations;
mod limits;
mod references;

use crate::xml::api::error::ExceededLimit;
use crate::xml::dtd::amplification::Amplification;
use crate::xml::dtd::*;

const OPTIONS: DtdOptions = DtdOptions {
    namespaces: true,
    standalone: false,
    external_subset: false,
    consumed: 100,
};

fn parse_with(limits: &Limits, options: DtdOptions, subset: &str) -> Result<Dtd, Fault> {
    let account = Account::root();
    let mut parser = DtdParser::new(&account, limits.clone(), options);
    let mut amplification = Amplification::new(limits);
    let text = format!("{subset}]");
    while parser.step(text.as_bytes(), &mut amplification)? != Step::Done {}
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
        Reason::Forbidden(_) if "which XML does not allow".contains(rule) => {}
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
