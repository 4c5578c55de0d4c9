//! The items of a list and of the lists in it: elements are entered and left in one loop, whose place is in no memory.

use crate::xml::encode::frame::{Frame, Items, Long};
use crate::xml::encode::walk::{ITEM, LONG, Stop, Walk};
use crate::xml::terms::RawTerm;
use bounded_core::xml::write::ShortText;

const EXPECTED: &str = "a tree {name, attributes, children}, an event or a string";

/// A step enters one level at most, and what it is in goes below that.
pub const ENTERED: usize = 2;

/// Where the work goes on behind an item.
pub enum Next {
    /// With the next one.
    Behind,
    /// With the children of an element, whose own list is on the stack.
    Inside,
    /// With [`Walk::current`].
    Frame,
}

#[inline(always)]
fn at(rest: RawTerm, floor: usize, closes: bool) -> Items {
    Items {
        rest,
        floor,
        closes,
    }
}

impl<'env> Walk<'_, 'env> {
    /// Works on `items` and on what is in them, until the share is done or another kind of frame is next.
    pub fn items(&mut self, items: Items) -> Result<(), Stop> {
        // Three words in registers: one value of three is written to memory for each item, and read from there.
        let (mut rest, mut floor, mut closes) = (items.rest, items.floor, items.closes);
        let mut before = self.encoder.writer.written();
        while self.work > 0 {
            let Some((item, behind)) = self.next(rest) else {
                if let Err(stop) = self.end_items(rest, floor, closes) {
                    return self.stopped_at(at(rest, floor, closes), stop);
                }
                self.count_written(&mut before);
                let Some(&Frame::Items(below)) = self.encoder.stack.last() else {
                    self.current = self.pop();
                    return Ok(());
                };
                (rest, floor, closes) = (below.rest, below.floor, below.closes);
                self.encoder.stack.pop();
                continue;
            };
            self.count(ITEM);
            if self.known_text(item) {
                self.moved = true;
                rest = behind;
                continue;
            }
            let next = match self.tuple(item) {
                Some(&[name, attributes, children]) if !self.is_instruction(name) => {
                    if self.short_element(name, attributes, children) {
                        self.moved = true;
                        rest = behind;
                        continue;
                    }
                    let below = at(behind, floor, closes);
                    match self.element(name, attributes, Some(children), below) {
                        Ok(Next::Inside) => {
                            self.count_written(&mut before);
                            (rest, floor, closes) = (children, self.encoder.writer.depth(), true);
                            continue;
                        }
                        next => next,
                    }
                }
                Some(event) => self.event(event, item, at(behind, floor, closes)),
                None => match self.binary(item) {
                    Some(text) => self.text(text, item, at(behind, floor, closes)),
                    None => Err(Stop::Shape(EXPECTED, item)),
                },
            };
            match next {
                Ok(Next::Frame) => return Ok(()),
                Ok(Next::Behind | Next::Inside) => rest = behind,
                Err(stop) => return self.stopped_at(at(rest, floor, closes), stop),
            }
            self.count_written(&mut before);
        }
        self.current = Some(Frame::Items(at(rest, floor, closes)));
        Ok(())
    }

    /// The step that was begun here was not done.
    #[cold]
    fn stopped_at(&mut self, items: Items, stop: Stop) -> Result<(), Stop> {
        self.current = Some(Frame::Items(items));
        Err(stop)
    }

    /// Counts what was written since `before`: what becomes references takes longer, and is longer. A step was done.
    #[inline(always)]
    fn count_written(&mut self, before: &mut u64) {
        let written = self.encoder.writer.written();
        self.count((written - *before) as usize);
        *before = written;
        self.moved = true;
    }

    /// Writes an item that is a text which was written before.
    #[inline(always)]
    fn known_text(&mut self, item: RawTerm) -> bool {
        self.texts
            .get(item)
            .is_some_and(|text| self.encoder.writer.known_text(text))
    }

    /// Writes a text if it is short; says whether it did.
    #[inline(always)]
    fn short_text(&mut self, term: RawTerm, text: &[u8]) -> bool {
        match ShortText::new(text) {
            Some(text) => {
                self.texts.put(term, text);
                self.encoder.writer.known_text(&text)
            }
            None => self.encoder.writer.short_text(text),
        }
    }

    /// Nothing is left of a list, or it is none.
    #[inline(always)]
    fn end_items(&mut self, rest: RawTerm, floor: usize, closes: bool) -> Result<(), Stop> {
        if !self.is_empty_list(rest) {
            return Err(Stop::Shape("a list of trees, events and strings", rest));
        }
        if closes {
            let writer = &mut self.encoder.writer;
            if writer.depth() != floor {
                writer.unclosed()?;
            }
            writer.end(&mut self.output)?;
            self.count(ITEM);
        }
        Ok(())
    }

    /// A text that stands between tags.
    #[inline(always)]
    pub fn text(&mut self, text: &[u8], term: RawTerm, below: Items) -> Result<Next, Stop> {
        if self.short_text(term, text) {
            return Ok(Next::Behind);
        }
        self.encoder.stack.reserve(ENTERED)?;
        if text.len() > LONG {
            let part = Frame::Part {
                binary: term,
                offset: 0,
                long: Long::Text,
            };
            return self.enter(Frame::Items(below), part);
        }
        self.count(text.len());
        self.encoder.writer.text(text, &mut self.output)?;
        Ok(Next::Behind)
    }
}
