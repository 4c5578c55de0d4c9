//! The source text of elements, and where they begin and end in the original: the same at any cut, and what stands there.

mod taker;

use bounded_core::arena::account::{Account, Kind, Reservation};
use bounded_core::xml::{DocumentError, Error, Options, Parser, Recover, Roots, Status};
use proptest::prelude::*;
use taker::{Taken, Taker};

type Outcome = (Vec<Taken>, Option<DocumentError>);

fn options() -> Options {
    Options {
        raw: true,
        end_offsets: true,
        tag_positions: true,
        ..Options::default()
    }
}

/// `room`: the bytes that there are but now and then, or any number.
fn taken<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    options: &Options,
    ask_twice: bool,
    room: Option<u64>,
) -> Outcome {
    let account = Account::child(&Account::root(), 1 << 30);
    let mut parser = Parser::new(options.clone(), &account);
    let mut taker = Taker::new(ask_twice);
    let limited = |account: &std::sync::Arc<Account>| {
        let taken = room.map_or(0, |room| account.headroom().saturating_sub(room));
        Reservation::new(account, Kind::Native, taken).unwrap()
    };
    let mut pieces = pieces.into_iter();
    let error = loop {
        let taken = limited(&account);
        let mut status = parser.run(&mut taker);
        drop(taken);
        if room.is_some() && matches!(status, Err(Error::Refused(_))) {
            status = parser.run(&mut taker);
        }
        match status {
            Ok(Status::Full) => {}
            Ok(Status::Done) => break None,
            Ok(Status::NeedInput) => match pieces.next() {
                Some(piece) => {
                    let taken = limited(&account);
                    let fed = parser.feed(piece);
                    drop(taken);
                    if fed.is_err() {
                        parser.feed(piece).unwrap();
                    }
                }
                None => parser.finish(),
            },
            Err(Error::Document(error)) => break Some(*error),
            Err(Error::Refused(refusal)) => panic!("{refusal:?}"),
        }
    };
    drop(parser);
    assert_eq!(account.reserved(), 0);
    (taker.taken, error)
}

/// The same at every cut, byte by byte, put off, and with little memory; and what stands at its offsets.
fn check(document: &str, options: &Options) -> Vec<Taken> {
    let bytes = document.as_bytes();
    let whole = taken([bytes], options, false, None);
    for (_, text, first, end) in &whole.0 {
        if *first != u64::MAX && !options.recover.characters {
            assert_eq!(
                &document[*first as usize..*end as usize],
                text,
                "{document}"
            );
        }
    }
    for size in [1, 2, 3, 7] {
        let cut = taken(bytes.chunks(size), options, false, None);
        assert_eq!(cut, whole, "by {size}: {document}");
    }
    for at in 0..=bytes.len() {
        let (front, back) = bytes.split_at(at);
        let cut = taken([front, back], options, false, None);
        assert_eq!(cut, whole, "at {at}: {document}");
        if at % 7 == 0 {
            let cut = taken([front, back], options, true, None);
            assert_eq!(cut, whole, "twice, at {at}: {document}");
            let cut = taken([front, back], options, true, Some(20));
            assert_eq!(cut, whole, "refused, at {at}: {document}");
        }
    }
    whole.0
}

fn texts(document: &str, options: &Options) -> Vec<String> {
    let taken = check(document, options);
    taken.into_iter().map(|(_, text, ..)| text).collect()
}

#[test]
fn elements_are_taken_as_they_are_written() {
    let document = "<r>x<a  k='1\t&lt;' >é&amp;<![CDATA[<a>]]><!-- <b> --><?p <b?>\r\n</a >y<no><a/></no><b/><c><a\n/></c></r>";
    assert_eq!(
        texts(document, &options()),
        [
            "<a  k='1\t&lt;' >é&amp;<![CDATA[<a>]]><!-- <b> --><?p <b?>\r\n</a >",
            "<b/>",
            "<a\n/>"
        ]
    );
    let namespaces = Options {
        namespaces: true,
        ..options()
    };
    let document = "<r xmlns:p='u'><p:a xmlns:q='v' q:k='1'><q:x/></p:a><b xmlns='w'><a/></b></r>";
    assert_eq!(
        texts(document, &namespaces),
        [
            "<p:a xmlns:q='v' q:k='1'><q:x/></p:a>",
            "<a/>",
            "<b xmlns='w'><a/></b>"
        ]
    );
}

#[test]
fn elements_in_each_other_are_taken_too() {
    let document = "<r><a>1<b k='v'>2<a>3</a><no>&lt;</no><c><b/></c></b>4</a><a/></r>";
    let inner = "<b k='v'>2<a>3</a><no>&lt;</no><c><b/></c></b>";
    assert_eq!(
        texts(document, &options()),
        [
            "<a>3</a>",
            "<b/>",
            inner,
            &format!("<a>1{inner}4</a>"),
            "<a/>"
        ]
    );
    // Where everything is wanted, the sink is told of all tags in it.
    let document = "<r><a all=''>1<x>2<a k='1'>3<a/></a></x><b>&#x41;</b>4</a></r>";
    assert_eq!(
        texts(document, &options()),
        [
            "<a/>",
            "<a k='1'>3<a/></a>",
            "<a all=''>1<x>2<a k='1'>3<a/></a></x><b>&#x41;</b>4</a>"
        ]
    );
}

#[test]
fn out_of_an_entity_it_is_the_reference() {
    let document = "<!DOCTYPE r [<!ENTITY e '<a>x</a>&f;'><!ENTITY f '<b>&g;</b>'><!ENTITY g 'y'>]><r>&e;<a k='&g;'>&g;<b/>&f;&e;</a>&e;</r>";
    let whole = "<a k='&g;'>&g;<b/>&f;&e;</a>";
    assert_eq!(
        texts(document, &options()),
        [
            "&e;", "&e;", "<b/>", "&f;", "&e;", "&e;", whole, "&e;", "&e;"
        ]
    );
    let document = document.replace("<a k", "<a all='' k");
    assert!(texts(&document, &options()).contains(&whole.replace("<a k", "<a all='' k")));
}

#[test]
fn recovered_errors_are_as_they_are_written() {
    let recover = Options {
        recover: Recover {
            entities: true,
            characters: true,
            ampersands: true,
            leading_whitespace: true,
        },
        roots: Roots::Many,
        ..options()
    };
    let document =
        " <?xml version='1.0'?><a>&nbsp; & &x; &#1;\u{1}</a><r><b k='\u{8}&'/></r>\u{FEFF}<a/>";
    let expected = [
        "<a>&nbsp; & &x; &#1;\u{FFFD}</a>",
        "<b k='\u{FFFD}&'/>",
        "<a/>",
    ];
    assert_eq!(texts(document, &recover), expected);
    let found = check(document, &recover);
    let starts: Vec<usize> = found.iter().map(|it| it.2 as usize).collect();
    assert_eq!(
        starts,
        ["<a>", "<b", "<a/>"].map(|it| document.find(it).unwrap())
    );
    let ends: Vec<usize> = found.iter().map(|it| it.3 as usize).collect();
    assert_eq!(
        ends,
        ["<r>", "</r>", ""].map(|it| if it.is_empty() {
            document.len()
        } else {
            document.find(it).unwrap()
        })
    );
}

#[test]
fn texts_longer_than_the_parser_sees_at_once() {
    let long = format!(
        "<r><a k='{0}'>{0}<b>{1}</b><!--{0}--></a></r>",
        "é".repeat(70_000),
        "<x/>".repeat(40_000)
    );
    let start = long.find("<b>").unwrap();
    let inner = &long[start..long.find("</b>").unwrap() + 4];
    for size in [1_000, 65_536, usize::MAX] {
        let pieces = long.as_bytes().chunks(size.min(long.len()));
        let (found, error) = taken(pieces, &options(), false, None);
        assert_eq!(error, None);
        assert_eq!(found[0].1, inner);
        assert_eq!(found[1].1, long[3..long.len() - 4]);
    }
}

/// Pieces that documents are made of, well-formed and not.
const PIECES: [&str; 24] = [
    "<a>",
    "</a>",
    "<b x='1'>",
    "</b>",
    "<c\r\n z = 'a&#10;\r\nb'>",
    "</c >",
    "<a/>",
    "<b all='' />",
    "<a all=''>",
    "text",
    " \n\t",
    "\r\n",
    "&amp;",
    "&e;",
    "&f;",
    "<!-- c <a> -->",
    "<![CDATA[<a>]]>",
    "é€😀",
    "<no>",
    "</no>",
    "<b y='&g;'>",
    "<",
    "&x;",
    "<?p d?>",
];

const HEADS: [&str; 2] = [
    "",
    "<!DOCTYPE r [<!ENTITY e 'x<a>y</a>'><!ENTITY f '<b>é&e;<c/></b>t'><!ENTITY g 'z'>]>",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_written(
        head in 0..HEADS.len(),
        pieces in prop::collection::vec(0..PIECES.len(), 0..25),
        namespaces in any::<bool>(),
        ampersands in any::<bool>(),
    ) {
        let body: String = pieces.into_iter().map(|piece| PIECES[piece]).collect();
        // Elements that stay open are closed, so that most documents have some that are taken.
        let document = format!("{}<r>{body}{}</r>", HEADS[head], closing(&body));
        let mut options = Options { namespaces, ..options() };
        options.recover.ampersands = ampersands;
        check(&document, &options);
    }
}

/// The end tags that a body lacks, if its tags are in order.
fn closing(body: &str) -> String {
    let mut open = Vec::new();
    let mut rest = body;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        for name in ["a", "b", "c", "no"] {
            let begins = |text: &str| {
                text.strip_prefix(name)
                    .is_some_and(|it| it.starts_with([' ', '>', '/', '\r']))
            };
            if begins(rest) && !rest[..rest.find('>').unwrap_or(0)].ends_with('/') {
                open.push(name);
            } else if rest.strip_prefix('/').is_some_and(begins) {
                open.pop();
            }
        }
    }
    open.iter().rev().map(|name| format!("</{name}>")).collect()
}
