//! Hostile documents: each gets the verdict it must get, in little memory, in time that grows with its
//! length and no faster, in calls of less than a millisecond.
//!
//! By default the endless documents are a few megabytes long, beyond every limit. `HOSTILE_MB=1000` makes
//! them a gigabyte each; `cargo test --release -p bounded_core --test hostile -- --nocapture` prints figures.
#![cfg(not(loom))]

mod bytes;
mod encodings;
mod entities;
mod measure;
mod streamed;
mod syntax;

use bounded_core::xml::{ErrorKind, Interest, Limits, Options};
use measure::{Measured, parse};

/// No document needs more native memory than this.
const MEMORY: u64 = 16 << 20;

/// No call may take more thread CPU time than this.
const LONGEST_CALL_NS: u64 = 1_000_000;

/// How often a call that took longer is measured again.
const REPEATS: usize = 4;

/// The required outcome of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Accepted,
    /// Malformed: not well-formed, or no encoded characters at all.
    Malformed,
    /// Beyond the limit of this name.
    Limit(&'static str),
    Unsupported,
}
use Verdict::{Accepted, Limit, Malformed, Unsupported};

/// In the place of a limit's name: a limit that no option sets.
const NO_OPTION: &str = "";

/// A document short enough to be held.
struct Case {
    name: String,
    document: Vec<u8>,
    namespaces: bool,
    verdict: Verdict,
}

impl Case {
    fn new(name: impl Into<String>, document: impl Into<Vec<u8>>, verdict: Verdict) -> Case {
        Case {
            name: name.into(),
            document: document.into(),
            namespaces: false,
            verdict,
        }
    }

    fn with_namespaces(self) -> Case {
        Case {
            namespaces: true,
            ..self
        }
    }
}

/// Parses a document, and again where a call took too long: interrupts count as a thread's CPU time.
fn measure<C: AsRef<[u8]>, I: IntoIterator<Item = C>>(
    options: &Options,
    interest: Interest,
    chunks: impl Fn() -> I,
) -> Measured {
    let mut measured = parse(options, interest, chunks());
    for _ in 0..REPEATS {
        if measured.longest_call_ns() < LONGEST_CALL_NS {
            break;
        }
        measured.steady(&parse(options, interest, chunks()));
    }
    measured
}

/// The outcome of a document, as a verdict.
fn verdict(measured: &Measured) -> Verdict {
    match &measured.error {
        None => Accepted,
        Some(error) => match (error.kind, error.limit) {
            (ErrorKind::Limit, limit) => Limit(limit.map_or(NO_OPTION, |limit| limit.name)),
            (ErrorKind::Internal, _) => panic!("{}", error.reason),
            (ErrorKind::Unsupported, _) => Unsupported,
            _ => Malformed,
        },
    }
}

/// Parses each case and returns what is wrong, and the longest call.
fn failures(cases: &[Case]) -> (Vec<String>, (u64, &str)) {
    let mut failures = Vec::new();
    let mut longest = (0, "");
    for case in cases {
        let options = Options {
            namespaces: case.namespaces,
            ..Options::default()
        };
        for size in [1 << 16, 7] {
            // One byte more or less makes no difference to the long ones but time.
            if size < 1 << 16 && case.document.len() > 100_000 {
                continue;
            }
            let chunks = || case.document.chunks(size);
            let measured = measure(&options, Interest::All, chunks);
            let unwanted = measure(&options, Interest::Nothing, chunks);
            let (name, found) = (&case.name, verdict(&measured));
            if found != case.verdict {
                let error = measured.error.as_ref().map(ToString::to_string);
                failures.push(format!(
                    "{name}: {found:?}, not {:?}: {error:?}",
                    case.verdict
                ));
            }
            if measured.peak >= MEMORY {
                failures.push(format!("{name}: {} bytes", measured.peak));
            }
            if unwanted.error != measured.error || unwanted.peak > measured.peak {
                let (error, peak) = (&unwanted.error, unwanted.peak);
                failures.push(format!("{name}, unwanted: {error:?}, {peak} bytes"));
            }
            for measured in [measured, unwanted] {
                longest = longest.max((measured.longest_call_ns(), &case.name[..]));
            }
        }
    }
    (failures, longest)
}

#[track_caller]
fn check(what: &str, cases: Vec<Case>) {
    let (failures, longest) = failures(&cases);
    let (longest, name) = longest;
    println!(
        "{what}: {} documents, longest call {} us: {name}",
        cases.len(),
        longest / 1000
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_short(name, longest);
}

/// Calls are short where the code is optimised.
#[track_caller]
fn assert_short(what: &str, longest_call_ns: u64) {
    if !cfg!(debug_assertions) {
        assert!(
            longest_call_ns < LONGEST_CALL_NS,
            "{what}: {longest_call_ns} ns in one call"
        );
    }
}

#[test]
#[cfg_attr(emulated, ignore = "takes minutes under emulation")]
fn entities_stay_within_bounds() {
    check("entities", entities::cases());
}

#[test]
fn nothing_outside_is_opened() {
    check("external", entities::external());
}

#[test]
fn bytes_that_are_no_characters_are_refused_everywhere() {
    check("bytes", bytes::cases());
}

#[test]
fn encodings_mean_what_they_say() {
    check("encodings", encodings::cases());
}

#[test]
fn broken_syntax_is_refused() {
    check("syntax", syntax::cases());
}

#[test]
fn names_and_namespaces_keep_their_rules() {
    check("namespaces", syntax::namespaces());
}

#[test]
fn every_document_cut_short_is_refused() {
    check("cut short", syntax::cut_short());
}

/// Bytes of the endless documents.
fn megabytes() -> u64 {
    let megabytes = std::env::var("HOSTILE_MB").ok();
    megabytes.and_then(|text| text.parse().ok()).unwrap_or(10)
}

#[test]
#[cfg_attr(emulated, ignore = "takes minutes under emulation")]
fn endless_documents_take_little_memory_and_short_calls() {
    let options = Options::default();
    let mut failures = Vec::new();
    let mut longest = (0, "");
    for stream in streamed::all() {
        let chunks = || stream.chunks(megabytes() << 20);
        let measured = measure(&options, Interest::All, chunks);
        let unwanted = measure(&options, Interest::Nothing, chunks);
        let found = verdict(&measured);
        let (peak, longest_call_ns) = (measured.peak, measured.longest_call_ns());
        println!(
            "{:18} {:>6} MB read, {:>6} KiB at most, longest call {:>4} us, {found:?}",
            stream.name,
            measured.bytes >> 20,
            peak >> 10,
            longest_call_ns / 1000,
        );
        if found != stream.verdict {
            let error = measured.error.as_ref().map(ToString::to_string);
            failures.push(format!(
                "{}: {found:?}, not {:?}: {error:?}",
                stream.name, stream.verdict
            ));
        }
        if peak >= MEMORY {
            failures.push(format!("{}: {peak} bytes", stream.name));
        }
        if unwanted.error != measured.error || unwanted.peak > peak {
            let (error, peak) = (&unwanted.error, unwanted.peak);
            failures.push(format!(
                "{}, unwanted: {error:?}, {peak} bytes",
                stream.name
            ));
        }
        longest = longest.max((longest_call_ns, stream.name));
        longest = longest.max((unwanted.longest_call_ns(), stream.name));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_short(longest.1, longest.0);
}

/// Four times the input takes about four times the work: eight times would already be another law.
#[test]
#[cfg_attr(emulated, ignore = "takes minutes under emulation")]
fn time_grows_with_the_input_and_no_faster() {
    const SHORT: u64 = 1 << 20;
    let options = Options {
        limits: Limits::trusted(),
        namespaces: true,
        ..Options::default()
    };
    for stream in streamed::all() {
        let time = |bytes: u64| {
            let best =
                (0..3).map(|_| parse(&options, Interest::All, stream.chunks(bytes)).total_ns());
            best.min().unwrap_or(0)
        };
        let (short, long) = (time(SHORT), time(4 * SHORT));
        println!("{:18} {short:>10} ns, {long:>10} ns", stream.name);
        assert!(
            long < 8 * short.max(1_000_000),
            "{}: {short} ns, then {long} ns",
            stream.name
        );
    }
}
