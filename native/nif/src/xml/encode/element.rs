//! Elements: of trees, and of the events that begin and end them.

use crate::xml::encode::frame::{Frame, Items, Long};
use crate::xml::encode::items::{ENTERED, Next};
use crate::xml::encode::walk::{ITEM, LONG, Stop, Walk};
use crate::xml::terms::RawTerm;
use bounded_core::xml::write::{CheckedName, RunKind, WrittenName};
use std::mem::MaybeUninit;

/// Tags of more attributes are written one attribute at a time.
const FEW: usize = 16;

type Pair<'env> = (CheckedName<'env>, &'env [u8]);

/// A list of attributes was read, or is too much for that.
enum Read {
    All(usize),
    Slow,
}

const ATTRIBUTE: &str = "an attribute {name, value}, both strings";
const ATTRIBUTES: &str = "a list of attributes {name, value}";

impl<'env> Walk<'_, 'env> {
    /// An element that has one short text and nothing else, and whose name is known: most leaves of most trees. Says whether
    /// it was written.
    #[inline(always)]
    pub fn short_element(&mut self, name: RawTerm, attributes: RawTerm, children: RawTerm) -> bool {
        if !self.is_empty_list(attributes) || self.encoder.writer.declares_first() {
            return false;
        }
        let Some(name) = self.names.get(name).copied() else {
            return false;
        };
        let Some((text, rest)) = self.next(children) else {
            return false;
        };
        if !self.is_empty_list(rest) {
            return false;
        }
        let Some(text) = self.inspect(text) else {
            return false;
        };
        let is_written = self.encoder.writer.short_element(&name, text);
        if is_written {
            self.count(ITEM);
        }
        is_written
    }

    /// An element with children, or, of an event, without.
    #[inline(always)]
    pub fn element(
        &mut self,
        name: RawTerm,
        attributes: RawTerm,
        children: Option<RawTerm>,
        below: Items,
    ) -> Result<Next, Stop> {
        self.encoder.stack.reserve(ENTERED)?;
        let mut pairs = [const { MaybeUninit::uninit() }; FEW];
        let checked = self.names.get(name).copied();
        let is_plain = checked.is_some() || self.tuple(name).is_none();
        if is_plain
            && !self.encoder.writer.declares_first()
            && let Read::All(count) = self.few_attributes(attributes, &mut pairs)?
        {
            let name = match checked {
                Some(name) => name,
                None => self.check_name(name)?,
            };
            // SAFETY: `few_attributes` wrote the first `count`.
            let pairs = unsafe { pairs[..count].assume_init_ref() };
            let writer = &mut self.encoder.writer;
            writer.tag(name, pairs, &mut self.output)?;
            return self.children(children, below);
        }
        let expanded = !is_plain;
        let frame = Frame::Declarations {
            rest: attributes,
            name,
            attributes,
            children,
            expanded,
        };
        self.enter(Frame::Items(below), frame)
    }

    /// Reads a short list of attributes whose names are strings.
    #[inline(always)]
    fn few_attributes(
        &mut self,
        list: RawTerm,
        pairs: &mut [MaybeUninit<Pair<'env>>; FEW],
    ) -> Result<Read, Stop> {
        let (mut rest, mut count, mut bytes) = (list, 0, 0);
        while let Some((pair, tail)) = self.next(rest) {
            let Some(&[name, value]) = self.tuple(pair) else {
                return Err(Stop::Shape(ATTRIBUTE, pair));
            };
            let Some(slot) = pairs.get_mut(count) else {
                return Ok(Read::Slow);
            };
            if self.names.get(name).is_none() {
                if self.tuple(name).is_some() {
                    return Ok(Read::Slow);
                }
                self.check_name(name)?;
            }
            let Some(value) = self.binary(value) else {
                return Err(Stop::Shape(ATTRIBUTE, pair));
            };
            // Copied as a whole from there: put together from words, it would have to be in memory before it is read as a whole.
            let Some(&name) = self.names.get(name) else {
                return Ok(Read::Slow);
            };
            bytes += name.bytes().len() + value.len();
            if bytes > LONG {
                return Ok(Read::Slow);
            }
            slot.write((name, value));
            count += 1;
            rest = tail;
        }
        if !self.is_empty_list(rest) {
            return Err(Stop::Shape(ATTRIBUTES, rest));
        }
        self.count(count * ITEM + bytes);
        Ok(Read::All(count))
    }

    /// Goes on behind a start tag.
    #[inline(always)]
    fn children(&mut self, children: Option<RawTerm>, below: Items) -> Result<Next, Stop> {
        let Some(children) = children else {
            return Ok(Next::Behind);
        };
        if self.is_empty_list(children) {
            self.encoder.writer.end(&mut self.output)?;
            return Ok(Next::Behind);
        }
        self.encoder.stack.push(Frame::Items(below))?;
        if self.encoder.writer.indents() {
            let rest = children;
            self.current = Some(Frame::Search { rest, children });
            return Ok(Next::Frame);
        }
        Ok(Next::Inside)
    }

    /// The children of the element that is open.
    #[inline(always)]
    fn children_of_open(&self, rest: RawTerm) -> Items {
        Items {
            rest,
            floor: self.encoder.writer.depth(),
            closes: true,
        }
    }

    /// Looks for text among children, which must not be indented then.
    pub fn search(&mut self, rest: RawTerm, children: RawTerm) -> Result<(), Stop> {
        self.count(ITEM / 8);
        let next = self.terms.uncons(rest);
        let is_text = next.is_some_and(|(child, _)| self.is_text(child));
        if is_text {
            self.encoder.writer.keep_whitespace();
        }
        self.current = Some(match next {
            Some((_, rest)) if !is_text => Frame::Search { rest, children },
            _ => Frame::Items(self.children_of_open(children)),
        });
        Ok(())
    }

    /// Looks for declarations in a tag, then begins it.
    pub fn declarations(
        &mut self,
        rest: RawTerm,
        name: RawTerm,
        attributes: RawTerm,
        children: Option<RawTerm>,
        expanded: bool,
    ) -> Result<(), Stop> {
        if let Some((pair, rest)) = self.terms.uncons(rest) {
            let Some(&[key, value]) = self.tuple(pair) else {
                return Err(Stop::Shape(ATTRIBUTE, pair));
            };
            self.count(ITEM);
            let key = self.name(key)?;
            let Some(value) = self.binary(value) else {
                return Err(Stop::Shape(ATTRIBUTE, pair));
            };
            let writer = &mut self.encoder.writer;
            match value.len() <= LONG {
                true => writer.declare(key, value)?,
                false => writer.declare_long(key)?,
            }
            let expanded = expanded || matches!(key, WrittenName::Expanded(..));
            self.current = Some(Frame::Declarations {
                rest,
                name,
                attributes,
                children,
                expanded,
            });
            return Ok(());
        }
        if !self.is_empty_list(rest) {
            return Err(Stop::Shape(ATTRIBUTES, rest));
        }
        let name = self.name(name)?;
        self.count(ITEM + self.encoder.writer.declarations() * ITEM / 32);
        let writer = &mut self.encoder.writer;
        writer.start(name, expanded, &mut self.output)?;
        let rest = attributes;
        self.current = Some(Frame::Attributes { rest, children });
        Ok(())
    }

    /// The next attribute of a tag.
    pub fn attributes(&mut self, rest: RawTerm, children: Option<RawTerm>) -> Result<(), Stop> {
        let Some((pair, rest)) = self.terms.uncons(rest) else {
            // What is below the tag was left there.
            let Some(Frame::Items(below)) = self.pop() else {
                return Err(Stop::Shape("a frame", rest));
            };
            match (self.children(children, below)?, children) {
                (Next::Inside, Some(children)) => {
                    self.current = Some(Frame::Items(self.children_of_open(children)));
                }
                (Next::Frame, _) => {}
                _ => self.current = Some(Frame::Items(below)),
            }
            return Ok(());
        };
        let Some(&[key, value]) = self.tuple(pair) else {
            return Err(Stop::Shape(ATTRIBUTE, pair));
        };
        let name = self.name(key)?;
        let Some(bytes) = self.binary(value) else {
            return Err(Stop::Shape(ATTRIBUTE, pair));
        };
        let below = Frame::Attributes { rest, children };
        self.count(ITEM + self.encoder.writer.declarations() * ITEM / 32);
        let writer = &mut self.encoder.writer;
        if bytes.len() > LONG {
            writer.begin_run(RunKind::Value(name), &mut self.output)?;
            let part = Frame::Part {
                binary: value,
                offset: 0,
                long: Long::Run,
            };
            self.enter(below, part)?;
            return Ok(());
        }
        writer.attribute(name, bytes, &mut self.output)?;
        self.count(bytes.len());
        self.current = Some(below);
        Ok(())
    }
}
