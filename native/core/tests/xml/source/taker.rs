//! A sink that takes the source text of some elements.

use bounded_core::xml::{Attributes, Flow, Interest, Name, Position, Prolog, Sink};

/// An element: its name, its source text, and where that lies.
pub type Taken = (String, String, u64, u64);

/// Takes the text of elements `a` and `b`, those in each other too.
#[derive(Default)]
pub struct Taker {
    raw: Vec<u8>,
    /// Of the elements that are open and told: where their text begins, and their offset.
    open: Vec<Option<(usize, u64)>>,
    reference: Option<Vec<u8>>,
    position: Option<Position>,
    end: u64,
    pub taken: Vec<Taken>,
    /// Every call is answered with `Retry` first.
    ask_twice: bool,
    asked: bool,
}

impl Taker {
    pub fn new(ask_twice: bool) -> Taker {
        Taker {
            ask_twice,
            ..Taker::default()
        }
    }

    fn takes(&self) -> bool {
        self.open.iter().any(Option::is_some)
    }

    fn is_put_off(&mut self) -> bool {
        self.asked = self.ask_twice && !self.asked;
        self.asked
    }

    /// What is taken of a tag: none, its reference, or its text.
    fn begin(&mut self, name: &Name<'_>) -> Option<(usize, u64)> {
        if !matches!(name.local, "a" | "b") {
            return None;
        }
        let position = self.position.take().expect("told before each tag");
        let first = position.byte_offset;
        match &self.reference {
            Some(reference) => {
                let text = String::from_utf8(reference.clone()).unwrap();
                self.taken.push((name.local.into(), text, first, self.end));
                None
            }
            None => Some((self.raw.len(), first)),
        }
    }
}

impl Sink for Taker {
    const SELECTS: bool = true;
    const TRACKS_SOURCE: bool = true;

    fn position(&mut self, position: Position) {
        self.position = Some(position);
    }

    fn interest(&mut self, name: &Name<'_>, context: u64) -> Interest {
        match name.local {
            "a" | "b" => Interest::Tags(context + 1),
            "no" => Interest::Nothing,
            _ => Interest::Within(context + 1),
        }
    }

    fn reference(&mut self, reference: Option<&[u8]>) -> Flow {
        self.reference = reference.map(<[u8]>::to_vec);
        Flow::Accepted
    }

    fn takes_raw(&self) -> bool {
        self.takes()
    }

    fn raw(&mut self, text: &[u8]) -> Flow {
        assert!(self.takes() && !text.is_empty());
        if self.is_put_off() {
            return Flow::Retry;
        }
        self.raw.extend_from_slice(text);
        Flow::Accepted
    }

    fn end_offset(&mut self, offset: u64) {
        self.end = offset;
    }

    fn start_document(&mut self, _prolog: &Prolog<'_>) -> Flow {
        Flow::Accepted
    }

    fn tag(
        &mut self,
        name: Name<'_>,
        attributes: &Attributes<'_>,
        context: u64,
    ) -> Option<Interest> {
        if self.is_put_off() {
            return None;
        }
        let begun = self.begin(&name);
        self.open.push(begun);
        Some(match attributes.find("", "all") {
            Some(_) => Interest::All,
            None => Interest::Tags(context + 1),
        })
    }

    /// In an element of which everything is wanted.
    fn start_element(&mut self, name: Name<'_>, _attributes: &Attributes<'_>) -> Flow {
        if self.is_put_off() {
            return Flow::Retry;
        }
        let taken = match self.reference {
            None if name.local == "a" => Some((self.raw.len(), u64::MAX)),
            _ => None,
        };
        self.open.push(taken);
        Flow::Accepted
    }

    fn end_element(&mut self, name: Name<'_>) -> Flow {
        if self.is_put_off() {
            return Flow::Retry;
        }
        if let Some((start, first)) = self.open.pop().expect("it was opened") {
            let text = String::from_utf8(self.raw[start..].to_vec()).unwrap();
            let end = if first == u64::MAX { first } else { self.end };
            self.taken.push((name.local.into(), text, first, end));
        }
        Flow::Accepted
    }

    fn characters(&mut self, _text: &str) -> Flow {
        match self.is_put_off() {
            true => Flow::Retry,
            false => Flow::Accepted,
        }
    }

    fn end_document(&mut self) -> Flow {
        Flow::Accepted
    }
}
