#![allow(clippy::unwrap_used)]
use super::*;
use crate::arena::account::Account;
use crate::xml::api::attributes::{AttributeSpan, Span, SpanBuffer, SpanBuffers};
use crate::xml::api::sink::Namespace;
use crate::xml::names::namespaces::Namespaces;
use crate::xml::names::table::{NameTable, Role};
use crate::xml::select::path::{AttributeTest, NamespaceTest, Predicate};

fn step(descendant: bool, local: &str) -> Step {
    Step {
        descendant,
        local: (local != "*").then(|| local.into()),
        namespace: NamespaceTest::Any,
        predicates: Box::default(),
    }
}

/// Steps such as `r`, `*` and `/i` at any depth.
fn steps(path: &str) -> Vec<Step> {
    let parts = path.split(' ');
    parts
        .map(|part| match part.strip_prefix('/') {
            Some(local) => step(true, local),
            None => step(false, part),
        })
        .collect()
}

fn selector(paths: &[&str], whole: bool) -> Option<Selector> {
    let mut builder = SelectorBuilder::new();
    for (id, path) in paths.iter().enumerate() {
        let mut at = builder.root();
        for step in steps(path) {
            at = builder.step(at, step, false);
        }
        builder.hit(at, id as u32, path.ends_with('1'));
    }
    builder.build(whole)
}

fn name(local: &str) -> Name<'_> {
    Name {
        qualified: local,
        local,
        id: None,
        namespace: None,
    }
}

/// Walks `document`, such as `ab))`, and says which elements are hit by which paths, in order. Nothing is looked for inside
/// those that the first path hits.
fn hits(paths: &[&str], document: &str) -> String {
    let root = Account::root();
    let namespaces = Namespaces::new(&root, 1000);
    let attributes = Attributes {
        spans: &[],
        sources: SpanBuffers([&[], &[], &[], &[]]),
        namespaces: &namespaces,
    };
    let mut selector = selector(paths, false).unwrap();
    let (mut found, mut inside, mut contexts) = (String::new(), 0, vec![0]);
    for token in document.chars() {
        match token {
            ')' if inside > 0 => inside -= 1,
            ')' => assert!(contexts.pop().is_some()),
            _ if inside > 0 => inside += 1,
            local => {
                let mut buffer = [0; 4];
                let name = name(local.encode_utf8(&mut buffer));
                match selector.interest(&name, contexts[contexts.len() - 1]) {
                    Interest::Within(context) => contexts.push(context),
                    Interest::Nothing | Interest::All => inside = 1,
                    Interest::Tags(context) => {
                        let to = selector.enter(&name, &attributes, context);
                        found.push(local);
                        for hit in selector.hits() {
                            found += &hit.to_string();
                        }
                        match to {
                            _ if selector.hits() == [0] => inside = 1,
                            0 => inside = 1,
                            _ => contexts.push(to),
                        }
                    }
                }
            }
        }
    }
    assert_eq!(contexts, [0]);
    found
}

#[test]
fn a_path_of_names_selects_children_of_children() {
    assert_eq!(hits(&["r i"], "ri)xi))i))"), "i0i0");
    assert_eq!(hits(&["r i"], "xi))"), "");
    assert_eq!(hits(&["r i"], "i)"), "");
}

#[test]
fn descendants_select_the_outermost_match() {
    assert_eq!(hits(&["/i"], "rai)))i)bcii))))"), "i0i0i0");
    assert_eq!(hits(&["/r"], "rr))"), "r0");
}

#[test]
fn a_star_stands_for_any_one_element() {
    assert_eq!(hits(&["* i"], "ri)ai))i))"), "i0i0");
    assert_eq!(hits(&["*"], "r)"), "r0");
}

#[test]
fn descendants_may_stand_anywhere_in_a_path() {
    assert_eq!(hits(&["r /a i"], "raai)))xai))))"), "i0i0");
    assert_eq!(hits(&["r /a i"], "ri)ax)))"), "");
}

#[test]
fn several_paths_are_followed_at_once() {
    assert_eq!(hits(&["r i", "r s t", "/u"], "ri)st)u))x))"), "i0t1u2");
    // One element for two paths, and an element inside one that goes on.
    assert_eq!(hits(&["r x", "r i", "r i j"], "rij)k)))"), "i1j2");
    assert_eq!(hits(&["r x", "r i", "r *", "/i"], "ri)j))"), "i123j2");
}

#[test]
fn what_is_marked_is_not_looked_for_again() {
    // Only hits whose path ends with 1 count once.
    let mut selector = selector(&["r i1", "r a j1", "r k"], false).unwrap();
    let inside = match selector.interest(&name("r"), 0) {
        Interest::Within(context) => context,
        other => panic!("{other:?}"),
    };
    let (first, second) = (selector.mark(0), selector.mark(1));
    assert!(first != 0 && second != 0 && first != second);
    assert_eq!(selector.mark(2), 0);
    assert_eq!(
        selector.interest(&name("i1"), inside),
        Interest::Tags(inside)
    );
    assert_eq!(
        selector.interest(&name("i1"), inside | first),
        Interest::Nothing
    );
    assert!(matches!(
        selector.interest(&name("a"), inside | first),
        Interest::Within(_)
    ));
    assert_eq!(
        selector.interest(&name("a"), inside | second),
        Interest::Nothing
    );
    assert!(matches!(
        selector.interest(&name("k"), inside | first | second),
        Interest::Tags(_)
    ));
}

#[test]
fn elements_may_be_wanted_as_a_whole() {
    let mut selector = selector(&["i"], true).unwrap();
    assert_eq!(selector.interest(&name("i"), 0), Interest::All);
    assert_eq!(selector.interest(&name("j"), 0), Interest::Nothing);
}

#[test]
fn namespaces_are_told_apart() {
    let mut wanted = step(false, "i");
    wanted.namespace = NamespaceTest::Uri("u".into());
    let mut none = step(false, "i");
    none.namespace = NamespaceTest::Uri("".into());
    let mut inside = name("i");
    assert!(!wanted.accepts(&inside));
    assert!(none.accepts(&inside));
    inside.namespace = Some(Namespace { id: 1, uri: "u" });
    assert!(wanted.accepts(&inside));
    assert!(!none.accepts(&inside));
    assert!(step(false, "i").accepts(&inside));
}

/// An attribute in no namespace: its name of `len` bytes, then its value up to `end`.
fn attribute(len: usize, end: usize) -> AttributeSpan {
    let span = |start, end| Span::new(SpanBuffer::Scanned, start, end);
    AttributeSpan {
        name: span(0, len),
        value: span(len, end),
        id: None,
        prefix: 0,
        namespace: Namespaces::NONE,
    }
}

#[test]
fn predicates_look_at_attributes() {
    let root = Account::root();
    let namespaces = Namespaces::new(&root, 1000);
    let spans = [attribute(4, 6)];
    let attributes = Attributes {
        spans: &spans,
        sources: SpanBuffers([b"langde", &[], &[], &[]]),
        namespaces: &namespaces,
    };
    let test = |local: &str, uri: &str| AttributeTest {
        uri: uri.into(),
        local: local.into(),
    };
    let accepts = |predicate: Predicate| {
        let predicates = [predicate].into();
        let step = Step {
            predicates,
            ..step(false, "i")
        };
        step.accepts_attributes(&attributes)
    };
    assert!(accepts(Predicate::Has(test("lang", ""))));
    assert!(!accepts(Predicate::Has(test("lang", "u"))));
    assert!(!accepts(Predicate::Has(test("long", ""))));
    assert!(accepts(Predicate::Equals(test("lang", ""), "de".into())));
    assert!(!accepts(Predicate::Equals(test("lang", ""), "d".into())));
    assert!(accepts(Predicate::Differs(test("lang", ""), "d".into())));
    assert!(!accepts(Predicate::Differs(test("lang", ""), "de".into())));
    // What is not there does not differ.
    assert!(!accepts(Predicate::Differs(test("other", ""), "d".into())));
}

#[test]
fn what_was_found_is_kept_by_name_and_context_but_for_predicates() {
    let root = Account::root();
    let namespaces = Namespaces::new(&root, 1000);
    let mut table = NameTable::new(&root);
    let mut builder = SelectorBuilder::new();
    let r = builder.step(builder.root(), step(false, "r"), false);
    let any = builder.step(r, step(false, "a"), false);
    let mut with = step(false, "b");
    with.predicates = [Predicate::Has(AttributeTest {
        uri: "".into(),
        local: "id".into(),
    })]
    .into();
    let with = builder.step(r, with, false);
    let deep = builder.step(any, step(false, "a"), false);
    for (hit, at) in [any, with, deep].into_iter().enumerate() {
        builder.hit(at, hit as u32, false);
    }
    let mut selector = builder.build(false).unwrap();
    let spans = [attribute(2, 3)];
    let mut enter = |local: &'static str, has: bool, context, uri: Option<&'static str>| {
        let attributes = Attributes {
            spans: if has { &spans } else { &[] },
            sources: SpanBuffers([b"id1", &[], &[], &[]]),
            namespaces: &namespaces,
        };
        let name = Name {
            id: table.learn(local.as_bytes(), Role::Element),
            namespace: uri.map(|uri| Namespace { id: 1, uri }),
            ..name(local)
        };
        let within = selector.enter(&name, &attributes, context);
        (within, selector.hits().to_vec())
    };
    let (inside, found) = enter("r", false, 0, None);
    assert_eq!((inside != 0, found), (true, vec![]));
    // An element that is found again gives the same, whatever its attributes are and whatever came between.
    for has in [false, true, false] {
        let (deeper, found) = enter("a", has, inside, None);
        assert_eq!((deeper != 0, found), (true, vec![0]));
        assert_eq!(enter("a", has, deeper, None), (0, vec![2]));
        assert_eq!(enter("a", has, inside, Some("u")), (deeper, vec![0]));
    }
    // With a predicate, the attributes decide each time.
    for has in [false, true, false, true] {
        let expected = if has { vec![1] } else { vec![] };
        assert_eq!(enter("b", has, inside, None), (0, expected));
    }
    // More names than results are kept.
    for local in ["c", "d", "e", "f", "g", "h", "i", "j", "k", "l"] {
        assert_eq!(enter(local, false, inside, None), (0, vec![]));
        assert_eq!(enter("a", false, inside, None).1, [0]);
    }
}

#[test]
fn a_path_has_some_steps_and_not_too_many() {
    let path = |count: usize| vec!["a"; count].join(" ");
    assert!(selector(&[], true).is_none());
    assert!(selector(&[&path(63)], true).is_some());
    assert!(selector(&[&path(64)], true).is_none());
    // Steps that paths share count once, and the last ones do not.
    let many: Vec<String> = (0..500).map(|n| format!("r b n{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(selector(&many, false).is_some());
}
