//! Text with references and line ends is gathered in runs. Asked for positions, the parser goes token by
//! token instead: both ways must give the same events, however the document is cut.

use crate::support::{Outcome, parse, parse_pieces};
use bounded_core::xml::{Limits, Options, TEXT_PIECE, TextMode};
use proptest::prelude::*;

fn slowly(options: &Options) -> Options {
    Options {
        positions: true,
        ..options.clone()
    }
}

/// Without the positions of events.
fn told(outcome: Outcome) -> (Vec<String>, String) {
    let error = outcome.error_line();
    let events = outcome.events.into_iter().map(|(_, event)| event);
    (events.collect(), error)
}

fn check(document: &str, options: &Options) {
    let document = document.as_bytes();
    let expected = told(parse(document, &slowly(options)));
    assert_eq!(told(parse(document, options)), expected);
    for cut in 1..document.len().min(300) {
        let (first, second) = document.split_at(cut);
        let found = told(parse_pieces([first, second], options, 0));
        assert_eq!(found, expected, "cut at {cut}");
    }
    for size in [1, 7, 1000] {
        let found = told(parse_pieces(document.chunks(size), options, 1));
        assert_eq!(found, expected, "by {size}");
    }
}

/// The parts of text, and the tokens that may follow it.
const PARTS: [&str; 28] = [
    "&lt;",
    "&gt;",
    "&amp;",
    "&quot;",
    "&apos;",
    "&#65;",
    "&#x1F600;",
    "&#93;",
    "&#32;",
    "&#13;",
    "&unknown;",
    "&amp",
    "& ",
    "&#0;",
    "\r\n",
    "\r",
    "\n  ",
    "]",
    "]]",
    ">",
    "é€😀",
    "some text that is longer than a block of sixteen",
    "<!-- c -->",
    "<![CDATA[x]]>",
    "<?p?>",
    "</b><b>",
    "<c/>",
    "x",
];

proptest! {
    #[test]
    fn runs_are_told_alike(
        parts in prop::collection::vec(0..PARTS.len(), 0..12),
        skip_whitespace in any::<bool>(),
        joined in any::<bool>(),
        namespaces in any::<bool>(),
    ) {
        let text: String = parts.into_iter().map(|part| PARTS[part]).collect();
        let options = Options {
            skip_whitespace,
            namespaces,
            text: if joined { TextMode::Joined } else { TextMode::Pieces },
            limits: Limits { max_text_bytes: 60, ..Limits::default() },
            ..Options::default()
        };
        check(&format!("<a><b>{text}</b></a>"), &options);
    }
}

#[test]
fn pieces_are_cut_at_the_same_places() {
    for tail in ["&lt;", "\r\n", "&#x1F600;", "é", "&#233;"] {
        for short in 0..6 {
            let text = "x".repeat(TEXT_PIECE - short - 1);
            let rest = tail.repeat(3);
            for text in [format!("{text}&amp;{rest}y"), format!("&amp;{text}{rest}y")] {
                let document = format!("<a>{text}</a>").into_bytes();
                let options = Options::default();
                let expected = told(parse(&document, &slowly(&options)));
                assert!(expected.0.len() > 4);
                for size in [usize::MAX, 65_536, 1000] {
                    let size = size.min(document.len());
                    let found = told(parse_pieces(document.chunks(size), &options, 0));
                    assert!(found == expected, "{tail} {short} by {size}");
                }
            }
        }
    }
}
