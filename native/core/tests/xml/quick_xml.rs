//! quick-xml as the oracle: what this parser accepts, quick-xml reads as the same elements, attributes and text.
//!
//! One way only, because quick-xml accepts much that is not well-formed. Documents have no DOCTYPE, whose
//! entities and defaults quick-xml leaves to its caller, and no carriage return, which it does not normalise.

use crate::support::parse_by;
use bounded_core::xml::{Limits, Options};
use proptest::prelude::*;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use std::error::Error;

const FEED: &str = include_str!("../../../../test/fixtures/xml/feed.xml");

/// Pieces that documents are made of; put together at random, some are well-formed.
const PIECES: [&str; 26] = [
    "text",
    " \n\t",
    "é€😀",
    "&amp;",
    "&lt;&gt;&quot;&apos;",
    "&#65;&#x1F600;",
    "<b/>",
    "<b x='1' y=\"é\"/>",
    "<c z = 'a&#10;\tb &amp; c'></c >",
    "<c\n z='&#9;'>text</c>",
    "<!-- a comment -->",
    "<?target data?>",
    "<?target?>",
    "<![CDATA[<x> & ]] >]]>",
    "<![CDATA[]]>",
    "<p:q xmlns:p='u' p:x='1'/>",
    "<é>&#xe9;</é>",
    "]]",
    ">",
    "<d>",
    "</d>",
    "<e a='' b='' c='' d='' e='' f='' g='' h='' i='' j='' k='' l='' m='' n='' o='' p='' q='' r=''/>",
    "<f a='1' a='2'/>",
    "&undeclared;",
    "<",
    "&",
];

/// The events of quick-xml, written as `support::Recorder` writes them, text in one piece.
fn oracle(document: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let mut reader = Reader::from_str(document);
    reader.config_mut().enable_all_checks(true);
    let mut events = Merged::default();
    loop {
        match reader.read_event()? {
            Event::Eof => return Ok(events.finish()),
            Event::Start(tag) => events.tell(start(&tag)?),
            Event::Empty(tag) => {
                events.tell(start(&tag)?);
                events.tell(format!("</{}>", tag.name().as_ref()));
            }
            Event::End(tag) => events.tell(format!("</{}>", tag.name().as_ref())),
            Event::Text(text) => events.text.push_str(&text),
            Event::CData(text) => events.text.push_str(&text),
            Event::GeneralRef(reference) => match reference.resolve_char_ref()? {
                Some(character) => events.text.push(character),
                None => events.text.push_str(
                    quick_xml::escape::resolve_xml_entity(&reference).ok_or("no such entity")?,
                ),
            },
            _ => {}
        }
    }
}

fn start(tag: &BytesStart<'_>) -> Result<String, Box<dyn Error>> {
    let mut shown = format!("<{}", tag.name().as_ref());
    for attribute in tag.attributes() {
        let attribute = attribute?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0)?;
        shown.push_str(&format!(" {}={value:?}", attribute.key.as_ref()));
    }
    Ok(shown + ">")
}

/// Elements, and the text between them in one piece: the two cut it at different places.
#[derive(Default)]
struct Merged {
    events: Vec<String>,
    text: String,
    depth: usize,
}

impl Merged {
    fn tell(&mut self, event: String) {
        let text = std::mem::take(&mut self.text);
        if !text.is_empty() && self.depth > 0 {
            self.events.push(text);
        }
        if event.starts_with("</") {
            self.depth -= 1;
        } else {
            self.depth += 1;
        }
        self.events.push(event);
    }

    fn finish(self) -> Vec<String> {
        self.events
    }
}

/// The same of this parser, or `None` where it refuses the document.
fn ours(document: &str, size: usize) -> Option<Vec<String>> {
    let options = Options {
        limits: Limits::trusted(),
        ..Options::default()
    };
    let outcome = parse_by(document.as_bytes(), size, &options);
    if outcome.error.is_some() {
        return None;
    }
    let mut events = Merged::default();
    for event in outcome.texts() {
        match event.strip_prefix("text ") {
            Some(text) => events.text.push_str(&unquoted(text)),
            None if event.starts_with('<') => events.tell(event.to_string()),
            None => {}
        }
    }
    Some(events.finish())
}

/// Undoes the escapes of `{:?}`: texts are joined before they are compared.
fn unquoted(shown: &str) -> String {
    let mut text = String::new();
    let mut characters = shown[1..shown.len() - 1].chars();
    while let Some(character) = characters.next() {
        text.push(match character {
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some(escaped) => escaped,
                None => '\\',
            },
            plain => plain,
        });
    }
    text
}

fn agrees(document: &str, size: usize) -> bool {
    let Some(events) = ours(document, size) else {
        return false;
    };
    let oracle = oracle(document).expect("quick-xml reads whatever is well-formed");
    assert_eq!(events, oracle, "{document}");
    true
}

#[test]
fn a_feed_is_read_alike() {
    for size in [1, 7, 4096] {
        assert!(agrees(FEED, size));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_documents_are_read_alike(
        indexes in prop::collection::vec(0..22_usize, 0..24),
        broken in prop::option::of(22..PIECES.len()),
        size in 1..64_usize,
    ) {
        let body: String = indexes.iter().chain(&broken).map(|&index| PIECES[index]).collect();
        let accepted = agrees(&format!("<r>{body}</r>"), size);
        prop_assert!(!(accepted && broken.is_some()), "accepted {body}");
    }
}

#[test]
fn most_random_documents_are_well_formed() {
    // Else the property above would say nothing: every piece but the last few is accepted by itself.
    let accepted = |piece: &&&str| agrees(&format!("<r>{piece}</r>"), 1);
    assert_eq!(PIECES.iter().filter(accepted).count(), 19 + 1);
}
