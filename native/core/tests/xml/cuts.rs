//! Documents made up at random, cut at random, with memory refused at random: always the same events.

use crate::support::{Outcome, Recorder, choosy, parse, parse_pieces};
use bounded_core::arena::account::Account;
use bounded_core::xml::{Emit, Error, Interest, Options, Parser, Recover, Status, TextMode};
use proptest::prelude::*;

/// Pieces that documents are made of, well-formed and not.
const PIECES: [&str; 54] = [
    "<a>",
    "</a>",
    "<a>",
    "</a>",
    "<b x='1' y=\"é\"/>",
    "<c\r\n z = 'a&#10;\r\nb'>",
    "</c >",
    "text",
    " \n\t",
    "\r\n",
    "\r",
    "]",
    "]]",
    ">",
    "&amp;",
    "&#x1F600;",
    "&e;",
    "&f;",
    "&x;",
    "<!-- c\r\n -->",
    "<!--",
    "-->",
    "<?p d\r?>",
    "<?p?>",
    "<![CDATA[x]]]]>",
    "<![CDATA[",
    "]]>",
    "é€😀",
    "<é:é xmlns:é='u'/>",
    "<d xmlns='v' k='&e;&#9;'>",
    "</d>",
    "<a a='' a=''>",
    "'",
    "\"",
    "<",
    "&",
    "\u{1}",
    "\u{FFFE}",
    "<e t='  a  b '/>",
    "<e x='&f;'/>",
    "<p:q/>",
    "<!DOCTYPE r>",
    "<?xml version='1.0'?>",
    "&nbsp;",
    "&NotEqualTilde;",
    "<b x='&eacute;&x;&'/>",
    "&#x1A;",
    "&#xD83D;",
    "&#xDE00;",
    "<b x='&#xD83D;&#56832;&#8;'/>",
    "&p:q;",
    "\u{8}<b x='\u{1}\u{FFFF}'/>",
    "&g;",
    "<b x='1' y='2' z='3' a1='' a2='' a3='' a4='' a5='' a6='' a7='' a8='' a9='' b1='' b2='' b3='' b4='' b5='' b6=''/>",
];

const HEADS: [&str; 7] = [
    "",
    "<?xml version=\"1.0\"?>\n",
    "<!DOCTYPE r [<!ENTITY e 'x&#60;&#13;'><!ENTITY f '<a>é&e;</a>t'><!ATTLIST e t NMTOKENS #IMPLIED u CDATA 'd'><!--c-->]>",
    "<!DOCTYPE r SYSTEM 'u' [<!ENTITY e '&f;'><!ENTITY f '&e;'> %p; ]>\n",
    "<!DOCTYPE r [<!ENTITY e '&#38;&#38;x'><!ENTITY f 'a&#38;#xD83D;'><!ENTITY g '&#38;#xD83D;&#38;#xDE00;&#38;y'>]>",
    "\r\n \u{FEFF}<?xml version=\"1.0\"?>\n",
    "\u{FEFF}\u{FEFF}",
];

prop_compose! {
    fn document()(
        head in 0..HEADS.len(),
        pieces in prop::collection::vec(0..PIECES.len(), 0..40),
        closed in any::<bool>(),
    ) -> Vec<u8> {
        let body: String = pieces.into_iter().map(|piece| PIECES[piece]).collect();
        let end = if closed { "</r>" } else { "" };
        format!("{}<r>{body}{end}", HEADS[head]).into_bytes()
    }
}

prop_compose! {
    fn options()(
        namespaces in any::<bool>(),
        positions in any::<bool>(),
        emit in any::<[bool; 4]>(),
        skip_whitespace in any::<bool>(),
        joined in any::<bool>(),
        small in any::<bool>(),
        recover in any::<Option<[bool; 4]>>(),
        report_recovered in any::<bool>(),
    ) -> Options {
        let [cdata, comments, processing_instructions, doctype] = emit;
        let mut options = Options {
            namespaces,
            positions,
            emit: Emit { cdata, comments, processing_instructions, doctype },
            skip_whitespace,
            text: if joined { TextMode::Joined } else { TextMode::Pieces },
            report_recovered,
            ..Options::default()
        };
        if let Some([entities, characters, ampersands, leading_whitespace]) = recover {
            options.recover = Recover { entities, characters, ampersands, leading_whitespace };
        }
        if small {
            options.limits.max_recoveries = 3;
            options.limits.max_depth = 4;
            options.limits.max_attribute_bytes = 5;
            options.limits.max_token_bytes = 40;
            options.limits.max_text_bytes = 12;
            options.limits.max_entity_expansions = 3;
            options.limits.max_bytes = 150;
        }
        options
    }
}

/// Parses under a limit that is lifted a little each time it refuses.
fn parse_refused(document: &[u8], size: usize, options: &Options) -> (Outcome, usize) {
    let root = Account::root();
    let mut refusals = 0;
    let account = Account::child(&root, 1 << 40);
    let mut ballast = bounded_core::arena::account::Reservation::empty(
        &account,
        bounded_core::arena::account::Kind::Native,
    );
    ballast.try_grow(1 << 40).expect("nothing else is reserved");
    let mut parser = Parser::new(options.clone(), &account);
    let mut recorder = Recorder::default();
    let mut chunks = document.chunks(size);
    let mut fed = None;
    let mut refused = |ballast: &mut bounded_core::arena::account::Reservation| {
        refusals += 1;
        assert!(
            refusals < 100_000,
            "a refusal must not make the next try need more"
        );
        ballast.shrink(7);
    };
    let error = loop {
        if let Some(chunk) = fed {
            match parser.feed(chunk) {
                Ok(()) => fed = None,
                Err(Error::Refused(_)) => {
                    refused(&mut ballast);
                    continue;
                }
                Err(Error::Document(error)) => break Some(*error),
            }
        }
        match parser.run(&mut recorder) {
            Ok(Status::NeedInput) => match chunks.next() {
                Some(chunk) => fed = Some(chunk),
                None => parser.finish(),
            },
            Ok(Status::Full) => {}
            Ok(Status::Done) => break None,
            Err(Error::Refused(_)) => refused(&mut ballast),
            Err(Error::Document(error)) => break Some(*error),
        }
    };
    drop(parser);
    drop(ballast);
    assert_eq!(root.reserved(), 0);
    let outcome = Outcome {
        events: recorder.events,
        error,
        recovered: recorder.recovered,
    };
    (outcome, refusals)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn however_it_is_cut(
        document in document(),
        options in options(),
        cuts in prop::collection::vec(1..30_usize, 1..20),
        per_call in 0..4_usize,
    ) {
        let whole = parse(&document, &options);
        let mut rest = &document[..];
        let mut pieces = Vec::new();
        for size in cuts.into_iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, behind) = rest.split_at(size.min(rest.len()));
            pieces.push(piece);
            rest = behind;
        }
        prop_assert_eq!(parse_pieces(pieces, &options, per_call), whole);
    }

    #[test]
    fn however_often_memory_is_refused(document in document(), options in options(), size in 1..50_usize) {
        let whole = parse(&document, &options);
        let (outcome, _) = parse_refused(&document, size, &options);
        prop_assert_eq!(outcome, whole);
    }
}

/// The parts that long documents repeat.
const SHAPES: [&str; 9] = [
    "<a><b x=\"1\" y=\"&lt;2\">text &amp; more</b></a>\n",
    "<b x=\"1\"/><b y=\"2\" x=\"1\"/>",
    "<d k=\"v\" l='w'>x<![CDATA[<y]>]]></d>",
    "<c>\n <a-name-of-more-bytes-than-a-block x=\"'\">t</a-name-of-more-bytes-than-a-block>\n</c>",
    "<e t=\"a>b\"  u=\"]]>\" />]] > \"quoted\" ",
    "<!-- <c> --><a/><?p \"?>",
    "é€😀<b z=\"é\"/>",
    "<d><d><c></c></d ></d><e>&#65;</e>",
    "a long text, and nothing else in it. ",
];

prop_compose! {
    fn long_document()(
        shapes in prop::collection::vec(0..SHAPES.len(), 1..8),
        bytes in 0..12_000_usize,
        fault in any::<Option<(prop::sample::Index, prop::sample::Index)>>(),
    ) -> Vec<u8> {
        let mut body = String::new();
        for shape in shapes.iter().cycle() {
            if body.len() >= bytes {
                break;
            }
            body += SHAPES[*shape];
        }
        if let Some((place, piece)) = fault {
            let line_counter: Vec<usize> = body.char_indices().map(|(at, _)| at).chain([body.len()]).collect();
            body.insert_str(*place.get(&line_counter), PIECES[piece.index(PIECES.len())]);
        }
        format!("<r>{body}</r>").into_bytes()
    }
}

/// Of what may be in an element named so.
fn wanted(name: &str, context: u64) -> Interest {
    match name {
        "r" | "d" => Interest::Within(context + 1),
        "b" | "c" => Interest::Within(context),
        "a" | "é" => Interest::Nothing,
        _ if context == 2 => Interest::Nothing,
        _ => Interest::All,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_not_wanted(document in document(), options in options(), size in 1..50_usize) {
        for choice in [choosy::NOTHING, wanted] {
            choosy::check(&document, &options, choice, &[1, size]);
        }
    }

    #[test]
    fn whatever_is_not_wanted_of_a_long_document(
        document in long_document(),
        skip_whitespace in any::<bool>(),
        size in 100..5_000_usize,
    ) {
        let options = Options { skip_whitespace, ..Options::default() };
        let deeper: choosy::Choice = |_, context| Interest::Within(context + 1);
        for choice in [choosy::NOTHING, wanted, |_, _| Interest::Within(0), deeper] {
            choosy::check(&document, &options, choice, &[size]);
        }
    }
}

#[test]
fn refusals_do_happen() {
    let document = format!("<r>{}</r>", "<a b='x&amp;y'>text</a><!-- -->x".repeat(10));
    let (outcome, refusals) = parse_refused(document.as_bytes(), 20, &Options::default());
    assert_eq!(outcome.error, None);
    assert!(refusals > 10, "{refusals}");
}
