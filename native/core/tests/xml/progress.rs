//! Whatever a document has that is long, and however it is cut: reading it ends, with the same outcome, and in a
//! number of calls that is in proportion to its length.

mod kinds;

use bounded_core::arena::account::Account;
use bounded_core::xml::{
    Attributes, Doctype, Error, ErrorKind, Flow, Interest, Limits, Name, Options, Parser, Prolog,
    Sink, Status, TextMode,
};
use kinds::{KINDS, document, raised};
use std::hash::{DefaultHasher, Hash, Hasher};

/// A hash of the events, which does not depend on how text is cut.
#[derive(Default)]
struct Digest {
    hasher: DefaultHasher,
    events: usize,
    choosy: bool,
}

impl Digest {
    fn note(&mut self, event: impl Hash) -> Flow {
        event.hash(&mut self.hasher);
        self.events += 1;
        Flow::Accepted
    }
}

impl Sink for Digest {
    const SELECTS: bool = true;

    fn interest(&mut self, name: &Name<'_>, context: u64) -> Interest {
        match self.choosy && name.local.len() > 1 {
            true => Interest::Nothing,
            false if self.choosy => Interest::Within(context),
            false => Interest::All,
        }
    }

    fn start_document(&mut self, prolog: &Prolog<'_>) -> Flow {
        self.note((0, prolog.version, prolog.encoding, prolog.standalone))
    }

    fn start_element(&mut self, name: Name<'_>, attributes: &Attributes<'_>) -> Flow {
        for attribute in attributes.iter() {
            (attribute.name.qualified, attribute.value).hash(&mut self.hasher);
        }
        self.note((
            1,
            name.qualified,
            name.namespace.map(|namespace| namespace.uri),
        ))
    }

    fn end_element(&mut self, name: Name<'_>) -> Flow {
        self.note((2, name.qualified))
    }

    fn characters(&mut self, text: &str) -> Flow {
        self.note((3, text))
    }

    fn doctype(&mut self, doctype: &Doctype<'_>) -> Flow {
        self.note((4, doctype.name, doctype.internal_subset))
    }

    fn end_document(&mut self) -> Flow {
        self.note(5)
    }
}

/// The outcome of a document: its events, and the error if there was one.
type Outcome = (u64, usize, Option<(ErrorKind, String, u64)>);

fn read(document: &[u8], size: usize, options: &Options, choosy: bool, kind: &str) -> Outcome {
    let account = Account::root();
    let mut parser = Parser::new(options.clone(), &account);
    let mut digest = Digest {
        choosy,
        ..Digest::default()
    };
    let mut calls = 0;
    let mut read_on = |parser: &mut Parser, digest: &mut Digest| loop {
        match parser.run(digest) {
            Ok(Status::Full) => {
                calls += 1;
                let most = 100 + document.len() / 1000 + digest.events;
                assert!(
                    calls < most,
                    "{kind}, {} bytes by {size}: {calls} calls",
                    document.len()
                );
            }
            Ok(_) => return None,
            Err(Error::Document(error)) => return Some(error),
            Err(Error::Refused(refusal)) => panic!("{refusal:?}"),
        }
    };
    let mut error = None;
    for piece in document.chunks(size) {
        parser.feed(piece).expect("a root account refuses nothing");
        error = read_on(&mut parser, &mut digest);
        if error.is_some() {
            break;
        }
    }
    if error.is_none() {
        parser.finish();
        error = read_on(&mut parser, &mut digest);
    }
    // The parser's own buffers, not the document: a token is held twice at most while a buffer grows.
    let held = account.usage().peak as usize;
    assert!(
        held < 4 * document.len() + 1_000_000,
        "{kind}: {held} bytes"
    );
    let error = error.map(|error| (error.kind, error.reason, error.position.byte_offset));
    assert!(
        !matches!(error, Some((ErrorKind::Internal, ..))),
        "{kind}: {error:?}"
    );
    (digest.hasher.finish(), digest.events, error)
}

fn ways() -> Vec<(Options, bool)> {
    let of = |limits: Limits, namespaces: bool, text: TextMode| Options {
        limits,
        namespaces,
        text,
        ..Options::default()
    };
    vec![
        (of(Limits::default(), false, TextMode::Pieces), false),
        (of(Limits::default(), true, TextMode::Pieces), true),
        (of(raised(), false, TextMode::Pieces), false),
        (of(raised(), true, TextMode::Joined), false),
        (of(raised(), false, TextMode::Pieces), true),
    ]
}

/// Lengths around each power of two.
fn lengths(powers: std::ops::RangeInclusive<u32>) -> impl Iterator<Item = usize> {
    powers.flat_map(|power| [-1, 0, 1].map(|by| (1_usize << power).saturating_add_signed(by)))
}

/// Every kind, at these lengths, in pieces of these sizes: always the same as in one.
fn check(powers: std::ops::RangeInclusive<u32>, sizes: &[usize]) {
    check_ways(powers, sizes, &ways());
}

fn check_ways(powers: std::ops::RangeInclusive<u32>, sizes: &[usize], ways: &[(Options, bool)]) {
    for kind in KINDS {
        for len in lengths(powers.clone()) {
            let document = document(kind, len);
            for &(ref options, choosy) in ways {
                let whole = read(&document, document.len().max(1), options, choosy, kind.0);
                for &size in sizes {
                    let cut = read(&document, size, options, choosy, kind.0);
                    assert_eq!(cut, whole, "{}, {len} bytes by {size}", kind.0);
                }
            }
        }
    }
}

#[test]
fn short_tokens_end_however_they_are_cut() {
    check(1..=10, &[1, 7, 1_000]);
}

#[test]
#[cfg_attr(emulated, ignore = "takes minutes under emulation")]
fn long_tokens_end() {
    check(11..=18, &[1_000, 65_536]);
}

/// The parser looks at 64 KiB at once, and holds names and declarations of up to 256 KiB.
#[test]
#[cfg_attr(emulated, ignore = "takes minutes under emulation")]
fn tokens_longer_than_all_that_is_held_end_in_small_pieces() {
    check_ways(11..=19, &[1, 7], &ways()[2..=2]);
}

#[test]
#[cfg_attr(emulated, ignore = "takes minutes under emulation")]
fn tokens_of_megabytes_end() {
    check_ways(19..=22, &[1_000, 65_536], &ways()[2..=3]);
}

/// What the tests above leave out of: each length around each power of two up to 4 MiB, whole and in pieces of 1, 7, 1,000 and
/// 65,536 bytes. `cargo test -p bounded_core --test xml progress:: -- --ignored`
#[test]
#[ignore = "takes minutes"]
fn tokens_of_megabytes_end_in_small_pieces() {
    check_ways(20..=22, &[1, 7], &ways()[2..=2]);
}

/// A part that is longer than a call reads is accepted if the limits allow it.
#[test]
#[cfg_attr(emulated, ignore = "takes minutes under emulation")]
fn with_raised_limits_long_tokens_are_read() {
    let options = Options {
        limits: raised(),
        ..Options::default()
    };
    // The part that determines the encoding may only have a few kilobytes.
    let held_back = [
        "declaration: version",
        "declaration: encoding",
        "declaration: space first",
    ];
    for kind in KINDS.iter().filter(|kind| !held_back.contains(&kind.0)) {
        let is_read = |len: usize| {
            let document = document(kind, len);
            read(&document, 65_536, &options, false, kind.0).2
        };
        // The same at a length that is nothing special.
        let short = is_read(1_000).map(|(kind, reason, _)| (kind, reason));
        // No option allows a document type declaration more than 96 KiB.
        let longest = if kind.0.starts_with("document type") {
            90_000
        } else {
            200_000
        };
        let long = is_read(longest).map(|(kind, reason, _)| (kind, reason));
        assert_eq!(
            short.is_none(),
            long.is_none(),
            "{}: {short:?}, {long:?}",
            kind.0
        );
    }
}
