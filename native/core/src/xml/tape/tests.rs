use super::super::attributes::{AttributeSpan, Source, Sources, Span};
use super::super::known::{KnownNames, Role};
use super::super::namespaces::Namespaces;
use super::*;

fn name(local: &str) -> Name<'_> {
    Name {
        qualified: local,
        local,
        id: None,
        namespace: None,
    }
}

/// Calls `with` with the attributes of pairs of a one-letter name and its value.
fn attributes<T>(pairs: &[(&str, &str)], with: impl FnOnce(&Attributes<'_>) -> T) -> T {
    let mut bytes = Vec::new();
    let mut put = |text: &str| {
        bytes.extend_from_slice(text.as_bytes());
        Span::new(Source::Normalised, bytes.len() - text.len(), bytes.len())
    };
    let spans: Vec<AttributeSpan> = pairs
        .iter()
        .map(|(name, value)| AttributeSpan {
            name: put(name),
            value: put(value),
            id: None,
            prefix: 0,
            namespace: Namespaces::NONE,
        })
        .collect();
    with(&Attributes {
        spans: &spans,
        sources: Sources([b"", &bytes, b"", b""]),
        namespaces: &Namespaces::new(&Account::root(), 0),
    })
}

fn open(tape: &mut Tape, local: &str, pairs: &[(&str, &str)]) -> Result<(), TapeStop> {
    attributes(pairs, |attributes| tape.open(&name(local), attributes))
}

fn string(tape: &Tape, step: &TapeStep) -> String {
    let bytes: Vec<u8> = tape.text(step, 0).flatten().copied().collect();
    String::from_utf8(bytes).unwrap()
}

/// Everything on the tape: `<a x=1 >text</`.
fn written(tape: &Tape) -> String {
    (0..tape.len())
        .map(|index| {
            let step = tape.step(index).unwrap();
            let text = string(tape, step);
            match step.kind {
                StepKind::Open => format!("<{text}"),
                StepKind::AttributeName => format!(" {text}="),
                StepKind::AttributeValue => text,
                StepKind::Text => format!(">{text}"),
                StepKind::SkippedEntity => format!("&{text}"),
                StepKind::Close => "/".into(),
            }
        })
        .collect()
}

fn tape(limit: u64) -> (Arc<Account>, Tape) {
    let root = Account::root();
    let mut tape = Tape::new(limit, &root);
    tape.set_budget(usize::MAX);
    (root, tape)
}

#[test]
fn records_an_element_with_all_that_is_in_it() {
    let (root, mut tape) = tape(10_000);
    open(&mut tape, "a", &[("x", "1"), ("y", "")]).unwrap();
    tape.characters("one ").unwrap();
    tape.characters("two").unwrap();
    open(&mut tape, "b", &[]).unwrap();
    assert!(!tape.close().unwrap());
    tape.skipped_entity("e").unwrap();
    tape.characters("three").unwrap();
    assert!(tape.is_recording());
    assert!(tape.close().unwrap());
    assert!(!tape.is_recording());
    assert_eq!(written(&tape), "<a x=1 y=>one two<b/&e>three/");
    assert_eq!(tape.deepest(), 2);
    tape.clear();
    assert!(tape.is_empty());
    drop(tape);
    assert_eq!(root.reserved(), 0);
}

#[test]
fn an_event_told_in_several_calls_is_recorded_once() {
    let (_root, mut tape) = tape(1 << 20);
    let long = "v".repeat(200_000);
    let pairs = [("x", "1"), ("y", &long), ("z", "2")];
    tape.set_budget(0);
    let mut calls = 0;
    while let Err(stop) = open(&mut tape, "a", &pairs) {
        assert_eq!(stop, TapeStop::Paused);
        assert!(!tape.is_recording());
        calls += 1;
        tape.set_budget(30_000);
    }
    assert_eq!(calls, 7);
    tape.set_budget(100_000);
    assert_eq!(tape.characters(&long), Err(TapeStop::Paused));
    tape.set_budget(100_000);
    assert_eq!(tape.characters(&long), Ok(()));
    assert!(tape.close().unwrap());
    assert_eq!(written(&tape), format!("<a x=1 y={long} z=2>{long}/"));
}

#[test]
fn a_refused_event_can_be_told_again() {
    let account = Account::child(&Account::root(), 60_000);
    let mut tape = Tape::new(1 << 20, &account);
    tape.set_budget(usize::MAX);
    let (short, long) = ("s".repeat(10_000), "v".repeat(80_000));
    open(&mut tape, "a", &[("x", &short)]).unwrap();
    assert!(matches!(tape.characters(&long), Err(TapeStop::Refused(_))));
    assert!(matches!(tape.characters(&long), Err(TapeStop::Refused(_))));
    assert_eq!(tape.close(), Ok(true));
    assert!(written(&tape).starts_with("<a x=sss"));
}

#[test]
fn a_record_over_its_limit_says_how_large_it_would_be() {
    let (_root, mut tape) = tape(100);
    open(&mut tape, "a", &[]).unwrap();
    tape.characters(&"t".repeat(50)).unwrap();
    assert_eq!(
        tape.characters(&"t".repeat(18)),
        Err(TapeStop::TooLarge(3 * 16 + 1 + 50 + 18))
    );
}

#[test]
fn namespaces_are_kept_once() {
    let (_root, mut tape) = tape(10_000);
    for id in [7, 8, 7] {
        let name = Name {
            namespace: Some(Namespace { id, uri: "urn:u" }),
            ..name("a")
        };
        attributes(&[], |attributes| tape.open(&name, attributes)).unwrap();
    }
    let indexes: Vec<_> = (0..3)
        .map(|index| tape.step(index).unwrap().namespace().unwrap())
        .collect();
    assert_eq!(indexes, [0, 1, 0]);
    let (id, uri) = tape.namespace(1).unwrap();
    assert_eq!(id, 8);
    assert_eq!(uri.flatten().copied().collect::<Vec<_>>(), b"urn:u");
    assert!(tape.namespace(2).is_none());
}

#[test]
fn a_name_with_a_number_is_kept_once_and_counted_each_time() {
    let (_root, mut tape) = tape(100);
    let mut known = KnownNames::new(&Account::root());
    let mut named = |local: &'static str| Name {
        id: known.learn(local.as_bytes(), Role::Element),
        ..name(local)
    };
    let (long, other) = (named("a-long-name"), named("b"));
    for name in [&long, &other, &long] {
        attributes(&[], |attributes| tape.open(name, attributes)).unwrap();
    }
    let names: Vec<_> = (0..3)
        .map(|index| tape.known_name(tape.step(index).unwrap()).unwrap())
        .collect();
    assert_eq!(names, [&b"a-long-name"[..], b"b", b"a-long-name"]);
    let over = attributes(&[("x", "1")], |attributes| tape.open(&long, attributes));
    assert_eq!(over, Err(TapeStop::TooLarge(5 * 16 + 11 + 1 + 11 + 11 + 1)));
}
