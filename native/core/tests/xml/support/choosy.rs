//! A sink that does not want everything, and one that receives everything and keeps what the first one wants.

use bounded_core::arena::account::{Account, Kind, Reservation};
use bounded_core::xml::{
    Attributes, Doctype, DocumentError, Error, Flow, Interest, Name, Options, Parser, Position,
    Prolog, Sink, Status,
};

/// The interest in the elements of a name, in a context.
pub type Choice = fn(&str, u64) -> Interest;

/// What the element of a tag with this attribute is wanted for, if the sink wants its tags: all of it, nothing more, or what is
/// in it without its end.
const ALL: &str = "all";
const NOTHING_MORE: &str = "nothing";
const WITHIN: &str = "within";

/// Nothing of any element.
pub const NOTHING: Choice = |_, _| Interest::Nothing;

/// Events, and where they began.
pub type Told = (Vec<(Option<Position>, String)>, Option<DocumentError>);

pub struct Choosy {
    choice: Choice,
    /// It receives everything, and chooses by itself.
    alone: bool,
    /// Its interest in the elements that are open, when it chooses by itself.
    open: Vec<Interest>,
    position: Option<Position>,
    told: Vec<(Option<Position>, String)>,
    /// Every event is wanted twice.
    ask_twice: bool,
    asked: Option<String>,
    /// How many elements were taken as a whole.
    leaves: usize,
    /// Full after this many events of one call; 0 is never.
    per_call: usize,
    seen: usize,
}

impl Choosy {
    fn tell(&mut self, event: String) -> Flow {
        if self.ask_twice && self.asked.as_ref() != Some(&event) {
            self.asked = Some(event);
            return Flow::Retry;
        }
        self.asked = None;
        self.seen += 1;
        self.told.push((self.position.take(), event));
        Flow::Accepted
    }

    fn tell_inside(&mut self, event: String) -> Flow {
        match self.open.last() {
            Some(Interest::Within(_) | Interest::Nothing | Interest::Tags(_)) => Flow::Accepted,
            Some(Interest::All) | None => self.tell(event),
        }
    }
}

impl Sink for Choosy {
    const SELECTS: bool = true;
    const LEAVES: bool = true;

    fn position(&mut self, position: Position) {
        self.position = Some(position);
    }

    fn interest(&mut self, name: &Name<'_>, context: u64) -> Interest {
        match self.alone {
            true => Interest::All,
            false => (self.choice)(name.local, context),
        }
    }

    fn start_document(&mut self, prolog: &Prolog<'_>) -> Flow {
        self.tell(format!("{prolog:?}"))
    }

    fn start_element(&mut self, name: Name<'_>, attributes: &Attributes<'_>) -> Flow {
        let interest = match (self.alone, self.open.last()) {
            (false, _) => Interest::All,
            (true, None) => (self.choice)(name.local, 0),
            (true, Some(&(Interest::Within(context) | Interest::Tags(context)))) => {
                (self.choice)(name.local, context)
            }
            (true, Some(&interest)) => interest,
        };
        let interest = match (interest, self.alone) {
            (Interest::Tags(context), true) => {
                let flow = self.tell(shown(&name, attributes));
                if flow == Flow::Accepted {
                    self.open.push(after_tag(attributes, context));
                }
                return flow;
            }
            (interest, _) => interest,
        };
        let event = shown(&name, attributes);
        let flow = match interest {
            Interest::Nothing | Interest::Within(_) | Interest::Tags(_) => Flow::Accepted,
            Interest::All => self.tell(event),
        };
        if self.alone && flow == Flow::Accepted {
            self.open.push(interest);
        }
        flow
    }

    fn tag(
        &mut self,
        name: Name<'_>,
        attributes: &Attributes<'_>,
        context: u64,
    ) -> Option<Interest> {
        assert_eq!((self.choice)(name.local, context), Interest::Tags(context));
        match self.tell(shown(&name, attributes)) {
            Flow::Accepted => Some(after_tag(attributes, context)),
            Flow::Retry => None,
        }
    }

    fn leaf(
        &mut self,
        name: Name<'_>,
        attributes: &Attributes<'_>,
        context: u64,
        text: &str,
    ) -> bool {
        if self.ask_twice || self.per_call > 0 {
            return false;
        }
        self.leaves += 1;
        let interest = self.tag(name, attributes, context);
        if interest == Some(Interest::All) && !text.is_empty() {
            let _ = self.characters(text);
        }
        if matches!(interest, Some(Interest::All | Interest::Tags(_))) {
            let _ = self.end_element(name);
        }
        true
    }

    fn end_element(&mut self, name: Name<'_>) -> Flow {
        let flow = match self.open.last() {
            Some(Interest::Nothing | Interest::Within(_)) => Flow::Accepted,
            _ => self.tell(format!("</{name:?}")),
        };
        if flow == Flow::Accepted {
            self.open.pop();
        }
        flow
    }

    fn characters(&mut self, text: &str) -> Flow {
        self.tell_inside(format!("text {text:?}"))
    }

    fn cdata(&mut self, text: &str) -> Flow {
        self.tell_inside(format!("cdata {text:?}"))
    }

    fn comment(&mut self, text: &str) -> Flow {
        self.tell_inside(format!("comment {text:?}"))
    }

    fn processing_instruction(&mut self, target: &str, data: &str) -> Flow {
        self.tell_inside(format!("instruction {target:?} {data:?}"))
    }

    fn doctype(&mut self, doctype: &Doctype<'_>) -> Flow {
        self.tell(format!("{doctype:?}"))
    }

    fn skipped_entity(&mut self, name: &str) -> Flow {
        self.tell_inside(format!("skipped {name}"))
    }

    fn end_document(&mut self) -> Flow {
        self.tell("end".into())
    }

    fn is_full(&self) -> bool {
        self.per_call > 0 && self.seen >= self.per_call
    }
}

fn shown(name: &Name<'_>, attributes: &Attributes<'_>) -> String {
    let mut event = format!("<{name:?}");
    for attribute in attributes.iter() {
        event += &format!(" {attribute:?}");
    }
    event
}

fn after_tag(attributes: &Attributes<'_>, context: u64) -> Interest {
    match attributes.get(0).map(|attribute| attribute.name.local) {
        Some(ALL) => Interest::All,
        Some(NOTHING_MORE) => Interest::Nothing,
        Some(WITHIN) => Interest::Within(context + 1),
        _ => Interest::Tags(context + 1),
    }
}

/// The wanted events that were received, and the error.
pub fn told<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    options: &Options,
    choice: Choice,
    how: How,
) -> Told {
    told_and_leaves(pieces, options, choice, how).0
}

/// The same, and how many elements were taken as a whole.
pub fn told_and_leaves<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    options: &Options,
    choice: Choice,
    how: How,
) -> (Told, usize) {
    let account = Account::child(&Account::root(), ROOM);
    let mut parser = Parser::new(options.clone(), &account);
    let mut sink = Choosy {
        choice,
        alone: how == How::Alone,
        open: Vec::new(),
        position: None,
        told: Vec::new(),
        ask_twice: how == How::Twice,
        asked: None,
        leaves: 0,
        per_call: usize::from(how == How::EventByEvent),
        seen: 0,
    };
    let mut pieces = pieces.into_iter();
    let error = loop {
        sink.seen = 0;
        // All but a little of the account's room is taken, until that is found to be too little.
        let taken = match how {
            How::Refused { room } => account.headroom().saturating_sub(room),
            _ => 0,
        };
        let taken = Reservation::new(&account, Kind::Native, taken).expect("there is room");
        let mut status = parser.run(&mut sink);
        drop(taken);
        if let (How::Refused { .. }, Err(Error::Refused(_))) = (how, &status) {
            status = parser.run(&mut sink);
        }
        match status {
            Ok(Status::Full) => {}
            Ok(Status::Done) => break None,
            Ok(Status::NeedInput) => match pieces.next() {
                Some(piece) => parser.feed(piece).expect("a root account refuses nothing"),
                None => parser.finish(),
            },
            Err(Error::Document(error)) => break Some(*error),
            Err(Error::Refused(refusal)) => panic!("{refusal:?}"),
        }
    };
    drop(parser);
    assert_eq!(account.reserved(), 0);
    ((sink.told, error), sink.leaves)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Told everything.
    Alone,
    /// Told what it wants, and that in as few calls as may be.
    AtOnce,
    EventByEvent,
    Twice,
    /// Now and then the memory is limited to this number of bytes.
    Refused {
        room: u64,
    },
}

/// More than any document here takes.
const ROOM: u64 = 1 << 30;

/// For any interest, the error is the same at the same place, and so is every wanted event.
pub fn check(document: &[u8], options: &Options, choice: Choice, sizes: &[usize]) {
    let expected = told([document], options, choice, How::Alone);
    let show = || String::from_utf8_lossy(&document[..document.len().min(2000)]).into_owned();
    for how in [How::AtOnce, How::EventByEvent, How::Twice] {
        let found = told([document], options, choice, how);
        assert!(
            found == expected,
            "{how:?}\n{found:?}\n{expected:?}\n{}",
            show()
        );
    }
    for &size in sizes {
        let found = told(document.chunks(size), options, choice, How::AtOnce);
        assert!(
            found == expected,
            "by {size}\n{found:?}\n{expected:?}\n{}",
            show()
        );
    }
}
