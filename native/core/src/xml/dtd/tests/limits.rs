//! Where reading stops: limits, refused memory, texts cut short, work done in steps.

use crate::xml::dtd::tests::*;

#[test]
fn a_text_cut_short_is_truncated_where_it_is_cut() {
    let subset = "<!ELEMENT a (#PCDATA|b)*><!ENTITY % p '<!-- -->'>%p;<!ENTITY e PUBLIC 'p' 's' NDATA n>\
                  <!ATTLIST r a CDATA #FIXED 'x' b NOTATION (n) #IMPLIED><!NOTATION n PUBLIC 'p'><?p i?><!---->";
    parse(subset).unwrap();
    let limits = Limits::default();
    for cut in 0..=subset.len() {
        let account = Account::root();
        let mut amplification = Amplification::new(&limits);
        let mut parser = DtdParser::new(&account, limits.clone(), OPTIONS);
        let fault = loop {
            match parser.step(&subset.as_bytes()[..cut], &mut amplification) {
                Ok(step) => assert_ne!(step, Step::Done),
                Err(fault) => break fault,
            }
        };
        assert_eq!(
            fault,
            Fault {
                offset: cut,
                reason: Reason::Truncated
            },
            "{}",
            &subset[..cut]
        );
    }
}

#[test]
fn limits_fire_at_the_byte_that_exceeds_them() {
    let limits = || Limits {
        max_token_bytes: 20,
        max_name_bytes: 5,
        ..Limits::default()
    };
    let over = |name, value, seen| ExceededLimit { name, value, seen };
    assert_eq!(
        limit(limits(), "<!-- 4567890123456 -->"),
        (over("max_token_bytes", 20, 21), 20)
    );
    assert!(parse_with(&limits(), OPTIONS, "<!-- 4567890123  -->").is_ok());
    assert_eq!(
        limit(limits(), "<!ENTITY abcdef 'x'>"),
        (over("max_name_bytes", 5, 6), 14)
    );
    assert_eq!(
        limit(
            Limits {
                max_entities: 2,
                ..Limits::default()
            },
            "<!ENTITY a ''><!ENTITY a ''><!ENTITY % c ''>"
        ),
        (over("max_entities", 2, 3), 28)
    );
    assert_eq!(
        limit(
            Limits {
                max_depth: 3,
                ..Limits::default()
            },
            "<!ELEMENT a ((((b))))>"
        ),
        (over("max_depth", 3, 4), 15)
    );
    assert_eq!(
        limit(
            Limits {
                max_attribute_bytes: 5,
                ..Limits::default()
            },
            "<!ATTLIST r a CDATA 'abcdef'>"
        )
        .0,
        over("max_attribute_bytes", 5, 6)
    );
    let chain = "<!ENTITY a 'x'><!ENTITY b '&a;'><!ENTITY c '&b;'><!ATTLIST r x CDATA '&c;'>";
    assert_eq!(
        limit(
            Limits {
                max_entity_depth: 2,
                ..Limits::default()
            },
            chain
        )
        .0,
        over("max_entity_depth", 2, 3)
    );
    let chain = "<!ENTITY % a ''><!ENTITY % b '&#37;a;'><!ENTITY % c '&#37;b;'>%c;";
    assert_eq!(
        limit(
            Limits {
                max_entity_depth: 2,
                ..Limits::default()
            },
            chain
        )
        .0,
        over("max_entity_depth", 2, 3)
    );
}

#[test]
fn amplification_is_limited_in_parameter_entities_and_defaults() {
    let tight = Limits {
        max_entity_bytes: 1000,
        max_amplification: 2,
        ..Limits::default()
    };
    let bomb: String = (1..10)
        .map(|level| {
            format!(
                "<!ENTITY % e{level} '{}'>",
                format!("&#37;e{};", level - 1).repeat(10)
            )
        })
        .collect();
    let pe = format!("<!ENTITY % e0 '<!---->'>{bomb}%e9;");
    assert_eq!(limit(tight.clone(), &pe).0.name, "max_amplification");
    let default = format!(
        "<!ENTITY e0 'lol'>{}<!ATTLIST r a CDATA '&e9;'>",
        bomb.replace("% ", "").replace("&#37;", "&")
    );
    assert_eq!(limit(tight, &default).0.name, "max_amplification");
    let few = Limits {
        max_entity_expansions: 10,
        ..Limits::default()
    };
    let (hit, offset) = limit(few, &format!("<!ENTITY % a ''>{}", "%a;".repeat(11)));
    assert_eq!(
        (hit.name, hit.seen, offset),
        ("max_entity_expansions", 11, 46)
    );
}

#[test]
fn a_deep_content_model_uses_no_stack() {
    let deep = Limits {
        max_depth: 100_000,
        max_token_bytes: 1 << 20,
        ..Limits::default()
    };
    let model = format!("<!ELEMENT a {}b{}>", "(".repeat(50_000), ")".repeat(50_000));
    assert!(parse_with(&deep, OPTIONS, &model).is_ok());
}

#[test]
fn everything_is_charged_and_refunded() {
    let subset = "<!ENTITY a 'text'><!ATTLIST r a CDATA '&a;'><!NOTATION n SYSTEM 's'><!-- c -->]";
    let limits = Limits::default();
    let mut refused = 0;
    for room in (0..10_000).step_by(50) {
        let account = Account::child(&Account::root(), room);
        let mut amplification = Amplification::new(&limits);
        let mut parser = DtdParser::new(&account, limits.clone(), OPTIONS);
        let outcome = loop {
            match parser.step(subset.as_bytes(), &mut amplification) {
                Ok(Step::Done) => break Ok(()),
                Ok(_) => {}
                Err(fault) => break Err(fault.reason),
            }
        };
        match outcome {
            Ok(()) => assert!(room > 0),
            Err(Reason::Refused(_)) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
        let dtd = parser.into_dtd();
        assert!(account.reserved() <= room);
        drop(dtd);
        assert_eq!(account.reserved(), 0);
    }
    assert!((1..200).contains(&refused), "{refused}");
}

#[test]
fn long_work_is_done_in_steps() {
    let subset = format!(
        "{}<!ENTITY a '{}'><!ATTLIST r a CDATA '{}'>]",
        " ".repeat(100_000),
        "x".repeat(10_000),
        "&a;".repeat(60)
    );
    let limits = Limits::default();
    let account = Account::root();
    let mut amplification = Amplification::new(&limits);
    let mut parser = DtdParser::new(&account, limits, OPTIONS);
    let mut before = 0;
    while parser.step(subset.as_bytes(), &mut amplification).unwrap() != Step::Done {
        assert!(parser.work() - before <= 20_000);
        before = parser.work();
    }
    assert!(before >= 710_000);
}
