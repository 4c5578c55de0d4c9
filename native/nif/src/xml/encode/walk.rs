//! From terms to the writer: one frame after the other, until a call has done its share.

use crate::xml::encode::Encoder;
use crate::xml::encode::frame::{Frame, Long};
use crate::xml::encode::items::{ENTERED, Next};
use crate::xml::encode::known::Known;
use crate::xml::encode::output::Output;
use crate::xml::terms::{RawTerm, Terms};
use bounded_core::arena::account::Refusal;
use bounded_core::xml::write::{CheckedName, Fault, ShortText, WrittenName, check_name};
use rustler::Env;
use rustler::sys::{ErlNifBinary, enif_get_tuple, enif_inspect_binary};
use std::cell::Cell;
use std::mem::MaybeUninit;

/// The work of one call, in bytes copied. Each item counts as [`ITEM`] bytes.
const WORK: usize = 256 * 1024;

/// The bytes that are copied in the time that a tag, an attribute or a text takes.
pub const ITEM: usize = 128;

/// Longer texts are written in parts of this many bytes.
pub const LONG: usize = 32 * 1024;

const ALIGNED: &str = "a string of more than 32 KiB that begins at a whole byte of its binary, \
                       as BoundedBinary.copy/1 makes it";

/// Why a call ends before its share is done.
pub enum Stop {
    /// The step was not begun.
    Refused(Refusal),
    Fault(Box<Fault>),
    /// What was expected, and the term that was found.
    Shape(&'static str, RawTerm),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Stop {
        Stop::Refused(refusal)
    }
}

pub struct Walk<'a, 'env> {
    pub terms: Terms<'env>,
    pub encoder: &'a mut Encoder,
    pub output: Output<'env>,
    /// Names that were checked in this call.
    pub names: Known<CheckedName<'env>>,
    /// Texts that were checked in this call: white space between elements, most of all.
    pub texts: Known<ShortText>,
    /// What is being worked on. It changes when a step is done, so that what is refused can be tried again.
    pub current: Option<Frame>,
    /// Frames of earlier calls, below those on the stack.
    saved: RawTerm,
    /// A long string that cannot be taken for the reason that [`Walk::binary`] gives.
    unaligned: Cell<Option<RawTerm>>,
    /// What this call may still do.
    pub work: usize,
    pub moved: bool,
}

impl<'a, 'env> Walk<'a, 'env> {
    pub fn new(
        env: Env<'env>,
        encoder: &'a mut Encoder,
        output: Output<'env>,
        frames: RawTerm,
    ) -> Walk<'a, 'env> {
        let mut walk = Walk {
            terms: Terms::new(env),
            encoder,
            output,
            names: Known::new(),
            texts: Known::new(),
            current: None,
            saved: frames,
            unaligned: Cell::new(None),
            work: WORK,
            moved: false,
        };
        walk.current = walk.pop();
        walk
    }

    /// Whether nothing is left.
    pub fn is_done(&self) -> bool {
        self.current.is_none()
    }

    /// Whether any step was done.
    pub fn has_moved(&self) -> bool {
        self.moved
    }

    pub fn run(&mut self) -> Result<(), Stop> {
        match (self.steps(), self.unaligned.get()) {
            (Err(Stop::Shape(..)), Some(term)) => Err(Stop::Shape(ALIGNED, term)),
            (ended, _) => ended,
        }
    }

    fn steps(&mut self) -> Result<(), Stop> {
        let mut before = self.encoder.writer.written();
        while let Some(frame) = self.current {
            if self.work == 0 {
                return Ok(());
            }
            self.encoder.stack.reserve(ENTERED)?;
            match frame {
                Frame::Items(items) => {
                    self.items(items)?;
                    // It counted what it wrote.
                    before = self.encoder.writer.written();
                }
                Frame::Declarations {
                    rest,
                    name,
                    attributes,
                    children,
                    expanded,
                } => self.declarations(rest, name, attributes, children, expanded)?,
                Frame::Attributes { rest, children } => self.attributes(rest, children)?,
                Frame::Search { rest, children } => self.search(rest, children)?,
                Frame::Part {
                    binary,
                    offset,
                    long,
                } => self.part(binary, offset, long)?,
            }
            self.moved = true;
            // What becomes references takes longer, and is longer.
            let written = self.encoder.writer.written();
            self.count((written - before) as usize);
            before = written;
        }
        Ok(())
    }

    /// The end of the document.
    pub fn finish(&mut self) -> Result<(), Stop> {
        Ok(self.encoder.writer.finish(&mut self.output)?)
    }

    /// The pieces, and the frames for the next call.
    pub fn suspend(self) -> (RawTerm, RawTerm) {
        let mut frames = self.saved;
        for frame in self.encoder.stack.iter().chain(&self.current) {
            frames = self.terms.cell(frame.to_term(&self.terms), frames);
        }
        (self.output.pieces(), frames)
    }

    /// Takes what is below off, from the stack or from what was saved.
    pub fn pop(&mut self) -> Option<Frame> {
        if let Some(frame) = self.encoder.stack.pop() {
            return Some(frame);
        }
        let (frame, rest) = self.terms.uncons(self.saved)?;
        self.saved = rest;
        Frame::from_term(&self.terms, frame)
    }

    /// Works on `frame`, then on `below`.
    #[inline(always)]
    pub fn enter(&mut self, below: Frame, frame: Frame) -> Result<Next, Stop> {
        self.encoder.stack.push(below)?;
        self.current = Some(frame);
        Ok(Next::Frame)
    }

    /// Counts work that was done.
    #[inline(always)]
    pub fn count(&mut self, work: usize) {
        self.work = self.work.saturating_sub(work);
    }

    /// The next part of what is long.
    fn part(&mut self, binary: RawTerm, offset: usize, long: Long) -> Result<(), Stop> {
        let Some(bytes) = self.binary(binary) else {
            return Err(Stop::Shape("a string", binary));
        };
        let rest = bytes.get(offset..).unwrap_or_default();
        let part = &rest[..whole(rest, LONG)];
        self.count(ITEM + part.len());
        let writer = &mut self.encoder.writer;
        match long {
            Long::Text => writer.text(part, &mut self.output)?,
            Long::Run => writer.run_part(part, &mut self.output)?,
        }
        if part.len() < rest.len() {
            self.current = Some(Frame::Part {
                binary,
                offset: offset + part.len(),
                long,
            });
            return Ok(());
        }
        if long == Long::Run {
            writer.end_run(&mut self.output)?;
        }
        self.current = self.pop();
        Ok(())
    }

    /// A name that is a string, checked.
    #[inline(always)]
    pub fn plain_name(&mut self, term: RawTerm) -> Result<CheckedName<'env>, Stop> {
        match self.names.get(term).copied() {
            Some(name) => Ok(name),
            None => self.check_name(term),
        }
    }

    #[inline(never)]
    pub fn check_name(&mut self, term: RawTerm) -> Result<CheckedName<'env>, Stop> {
        let Some(bytes) = self.binary(term) else {
            return Err(Stop::Shape("a name, a string or {uri, local}", term));
        };
        self.count(bytes.len());
        match check_name(bytes) {
            Ok(name) => {
                self.names.put(term, name);
                Ok(name)
            }
            Err(error) => Err(Stop::Fault(Box::new(Fault {
                kind: error.0,
                reason: error.1,
                path: self.encoder.writer.child_path(),
            }))),
        }
    }

    /// A string or `{uri | nil, local}`.
    pub fn name(&mut self, term: RawTerm) -> Result<WrittenName<'env>, Stop> {
        let Some(&[uri, local]) = self.tuple(term) else {
            return Ok(WrittenName::Plain(self.plain_name(term)?));
        };
        let is_nil = uri == crate::xml::terms::nil().as_c_arg();
        match (is_nil, self.binary(uri), self.binary(local)) {
            (true, _, Some(local)) => Ok(WrittenName::Expanded(None, local)),
            (false, Some(uri), Some(local)) => {
                self.count(uri.len());
                Ok(WrittenName::Expanded(Some(uri), local))
            }
            _ => Err(Stop::Shape("a name, a string or {uri, local}", term)),
        }
    }

    /// The elements of a tuple.
    #[inline(always)]
    pub fn tuple(&self, term: RawTerm) -> Option<&'env [RawTerm]> {
        let (mut arity, mut start) = (0, std::ptr::null());
        // SAFETY: the term is of this environment; a tuple's elements live as long as that.
        unsafe {
            let is_tuple = enif_get_tuple(self.terms.env.as_c_arg(), term, &mut arity, &mut start);
            (is_tuple != 0 && arity > 0).then(|| std::slice::from_raw_parts(start, arity as usize))
        }
    }

    /// The bytes of a binary. A long one that does not begin at a whole byte of the VM's is none: the VM copies all of it each
    /// time it is asked for.
    #[inline(always)]
    pub fn binary(&self, term: RawTerm) -> Option<&'env [u8]> {
        let bytes = self.inspect(term)?;
        if bytes.len() > LONG && !self.is_aligned(term, bytes) {
            self.unaligned.set(Some(term));
            return None;
        }
        Some(bytes)
    }

    /// Whether the VM gives the same bytes again, and no other copy.
    #[cold]
    fn is_aligned(&self, term: RawTerm, bytes: &[u8]) -> bool {
        self.inspect(term)
            .is_some_and(|again| again.as_ptr() == bytes.as_ptr())
    }

    /// The bytes of a binary, however long.
    #[inline(always)]
    pub fn inspect(&self, term: RawTerm) -> Option<&'env [u8]> {
        let mut binary = MaybeUninit::<ErlNifBinary>::uninit();
        // SAFETY: the term is of this environment. The VM fills in what it says to be a binary, whose bytes stay
        // where they are until the call returns: nothing is collected meanwhile.
        unsafe {
            if enif_inspect_binary(self.terms.env.as_c_arg(), term, binary.as_mut_ptr()) == 0 {
                return None;
            }
            let binary = binary.assume_init();
            if binary.size == 0 {
                return Some(&[]);
            }
            Some(std::slice::from_raw_parts(binary.data, binary.size))
        }
    }

    /// The empty list is one word, the same everywhere.
    #[inline(always)]
    pub fn is_empty_list(&self, term: RawTerm) -> bool {
        term == self.terms.empty_list
    }

    /// The first element of a list and the rest. At the end of one the VM is not asked.
    #[inline(always)]
    pub fn next(&self, list: RawTerm) -> Option<(RawTerm, RawTerm)> {
        if self.is_empty_list(list) {
            return None;
        }
        self.terms.uncons(list)
    }
}

/// How many bytes of `text` a part of at most `most` has: whole characters, if it has any.
fn whole(text: &[u8], most: usize) -> usize {
    if text.len() <= most {
        return text.len();
    }
    // A character has up to four bytes, all but the first of which look like this.
    let back = (0..4).find(|back| text[most - back] & 0xC0 != 0x80);
    most - back.unwrap_or(0)
}
