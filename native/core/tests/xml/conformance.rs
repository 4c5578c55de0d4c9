//! The W3C's conformance suite: every core test, at several chunk sizes, and the canonical outputs.
//!
//! Needs the unpacked suite and its table: `BOUNDED_XMLCONF` names a directory that holds `xmlconf/` and
//! `xmlconf_core.eterm`; else `test/xmlconf` of the repository is looked at. Without it, says so and passes.

use crate::support::{canonical, choosy, parse, parse_by, parse_pieces};
use bounded_core::xml::{Interest, Limits, Options};
use std::fs;
use std::path::PathBuf;

struct Test {
    id: String,
    accept: bool,
    namespaces: bool,
    document: Vec<u8>,
    /// Its canonical form, if that needs nothing outside of it.
    output: Option<Vec<u8>>,
}

/// Tests of the table: a line is `{<<"id"/utf8>>,accept,'valid',none,true,<<"path"/utf8>>,nil}.`
fn tests() -> Option<Vec<Test>> {
    let directory = std::env::var_os("BOUNDED_XMLCONF").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../test/xmlconf")),
        PathBuf::from,
    );
    let table = fs::read_to_string(directory.join("xmlconf_core.eterm")).ok()?;
    let read = |path: &str| {
        let path = directory.join("xmlconf").join(path);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let string = |field: &str| {
        let text = field.strip_prefix("<<\"")?.strip_suffix("\"/utf8>>")?;
        Some(text.to_string())
    };
    let tests = table
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| {
            let line = line.trim_start_matches('{').trim_end_matches("}.");
            let fields: Vec<&str> = line.split(',').collect();
            let [id, verdict, _, entities, namespaces, path, output] = fields[..] else {
                panic!("seven fields in {line}");
            };
            Test {
                id: string(id).expect("an id"),
                accept: verdict == "accept",
                namespaces: namespaces == "true",
                document: read(&string(path).expect("a path")),
                output: string(output)
                    .filter(|_| entities == "none")
                    .map(|path| read(&path)),
            }
        });
    Some(tests.collect())
}

fn options(test: &Test) -> Options {
    Options {
        limits: Limits::trusted(),
        namespaces: test.namespaces,
        positions: true,
        ..Options::default()
    }
}

#[test]
fn every_core_test_at_every_chunk_size() {
    let Some(tests) = tests() else {
        println!("the W3C suite is not here: nothing tested");
        return;
    };
    let mut wrong = Vec::new();
    for test in &tests {
        let options = options(test);
        let whole = parse(&test.document, &options);
        if whole.error.is_none() != test.accept {
            wrong.push(format!("{}: {}", test.id, whole.error_line()));
        }
        for size in [1, 2, 3, 7, 65_536] {
            let cut = parse_by(&test.document, size, &options);
            assert_eq!(cut, whole, "{} by {size}", test.id);
        }
        let by_event = parse_pieces(test.document.chunks(5), &options, 1);
        assert_eq!(by_event, whole, "{} event by event", test.id);
    }
    println!("{} of {}", tests.len() - wrong.len(), tests.len());
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
#[cfg_attr(emulated, ignore = "takes minutes under emulation")]
fn whatever_is_not_wanted_is_checked_alike() {
    let Some(tests) = tests() else {
        println!("the W3C suite is not here: nothing tested");
        return;
    };
    let names: choosy::Choice = |name, context| match (name.len() as u64 + context) % 3 {
        0 => Interest::All,
        1 => Interest::Within(context),
        _ => Interest::Within(context + 1),
    };
    for test in &tests {
        for choice in [choosy::NOTHING, names] {
            for positions in [false, true] {
                let options = Options {
                    positions,
                    ..options(test)
                };
                choosy::check(&test.document, &options, choice, &[1, 7]);
            }
        }
    }
}

#[test]
fn canonical_outputs() {
    let Some(tests) = tests() else {
        println!("the W3C suite is not here: nothing tested");
        return;
    };
    let mut count = 0;
    let mut wrong = Vec::new();
    for test in &tests {
        let Some(output) = &test.output else { continue };
        count += 1;
        let found = canonical(&test.document);
        if found.as_bytes() != &output[..] {
            let output = String::from_utf8_lossy(output);
            wrong.push(format!("{}:\n  {found}\n  {output}", test.id));
        }
    }
    println!("{} of {count}", count - wrong.len());
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
