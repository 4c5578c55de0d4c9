//! Events as `BoundedXml.stream/2` gives them, and the contents that Saxy's simple form has besides elements.

use crate::xml::encode::frame::{Frame, Items, Long};
use crate::xml::encode::items::{ENTERED, Next};
use crate::xml::encode::walk::{LONG, Stop, Walk};
use crate::xml::terms::{self, RawTerm};
use bounded_core::xml::write::{RunKind, WrittenDoctype};
use rustler::Atom;

mod words {
    rustler::atoms! { reference, entity, decimal, hexadecimal }
}

const EVENT: &str = "an event such as {:characters, string}";
const TEXT: &str = "an event whose text is a string";
const INSTRUCTION: &str = "an event {:processing_instruction, {target, data}}, both strings";
const PROLOG: &str = "a keyword list with version:, encoding: and standalone:";
const DOCTYPE: &str = "a keyword list with name:, public_id:, system_id: and internal_subset:";
const REFERENCE: &str =
    "{:reference, {:entity, name}}, or {:decimal, number} or {:hexadecimal, number}";

fn is(term: RawTerm, atom: Atom) -> bool {
    term == atom.as_c_arg()
}

impl<'env> Walk<'_, 'env> {
    /// Whether a tuple of three that begins with this is Saxy's instruction and no element.
    #[inline(always)]
    pub fn is_instruction(&self, tag: RawTerm) -> bool {
        is(tag, terms::processing_instruction())
    }

    /// Whether a child is text, or stands for some.
    pub fn is_text(&self, child: RawTerm) -> bool {
        match self.tuple(child) {
            Some(&[tag, text]) if is(tag, terms::characters()) => {
                self.binary(text).is_some_and(|text| !text.is_empty())
            }
            Some(&[tag, _]) => {
                is(tag, terms::cdata())
                    || is(tag, words::reference())
                    || is(tag, terms::skipped_entity())
                    || self.tuple(tag).is_some_and(|event| {
                        // An event with its place.
                        event.first().is_some_and(|&tag| {
                            is(tag, terms::characters()) || is(tag, terms::cdata())
                        })
                    })
            }
            Some(_) => false,
            None => self.binary(child).is_some_and(|text| !text.is_empty()),
        }
    }

    /// An event, with its place perhaps.
    #[inline(always)]
    pub fn event(
        &mut self,
        event: &'env [RawTerm],
        term: RawTerm,
        below: Items,
    ) -> Result<Next, Stop> {
        match *event {
            [tag, data] if tag == self.terms.characters => {
                let text = self.binary(data).ok_or(Stop::Shape(TEXT, term))?;
                self.text(text, data, below)
            }
            [tag, data] if tag == self.terms.start_element => {
                let Some(&[name, attributes]) = self.tuple(data) else {
                    return Err(Stop::Shape("{:start_element, {name, attributes}}", term));
                };
                self.element(name, attributes, None, below)
            }
            [tag, name] if tag == self.terms.end_element => self.end_element(name, below),
            [tag, data] => match self.tuple(tag) {
                Some(event) if self.tuple(event[0]).is_none() => {
                    self.placed_event(event, term, below)
                }
                _ => self.other_event(tag, data, term, below),
            },
            [tag, target, data] if self.is_instruction(tag) => {
                self.instruction(target, data, term, below)
            }
            _ => Err(Stop::Shape(EVENT, term)),
        }
    }

    /// An event that came with its place.
    #[inline(never)]
    fn placed_event(
        &mut self,
        event: &'env [RawTerm],
        term: RawTerm,
        below: Items,
    ) -> Result<Next, Stop> {
        self.event(event, term, below)
    }

    #[inline(always)]
    fn end_element(&mut self, name: RawTerm, below: Items) -> Result<Next, Stop> {
        let name = self.name(name)?;
        let writer = &mut self.encoder.writer;
        if writer.depth() <= below.floor {
            writer.not_its_own()?;
        }
        writer.end_named(name, &mut self.output)?;
        Ok(Next::Behind)
    }

    #[inline(never)]
    fn other_event(
        &mut self,
        tag: RawTerm,
        data: RawTerm,
        term: RawTerm,
        below: Items,
    ) -> Result<Next, Stop> {
        if is(tag, terms::cdata()) {
            return self.long_or_short(RunKind::Cdata, data, term, below);
        }
        if is(tag, terms::comment()) {
            return self.long_or_short(RunKind::Comment, data, term, below);
        }
        if is(tag, terms::processing_instruction()) {
            let Some(&[target, data]) = self.tuple(data) else {
                return Err(Stop::Shape(INSTRUCTION, term));
            };
            return self.instruction(target, data, term, below);
        }
        if is(tag, terms::skipped_entity()) {
            let name = self.binary(data).ok_or(Stop::Shape(TEXT, term))?;
            self.encoder.writer.reference(name, &mut self.output)?;
        } else if is(tag, words::reference()) {
            self.reference(data, term)?;
        } else if is(tag, terms::start_document()) {
            self.start_document(data)?;
        } else if is(tag, terms::doctype()) {
            self.doctype(data)?;
        } else if !is(tag, terms::end_document()) {
            return Err(Stop::Shape(EVENT, term));
        }
        Ok(Next::Behind)
    }

    fn instruction(
        &mut self,
        target: RawTerm,
        data: RawTerm,
        term: RawTerm,
        below: Items,
    ) -> Result<Next, Stop> {
        let target = self.binary(target).ok_or(Stop::Shape(INSTRUCTION, term))?;
        self.long_or_short(RunKind::Instruction(target), data, term, below)
    }

    /// A comment, a section or an instruction.
    fn long_or_short(
        &mut self,
        kind: RunKind<'_>,
        text: RawTerm,
        term: RawTerm,
        below: Items,
    ) -> Result<Next, Stop> {
        let bytes = self.binary(text).ok_or(Stop::Shape(TEXT, term))?;
        if bytes.len() > LONG {
            self.encoder.stack.reserve(ENTERED)?;
            let writer = &mut self.encoder.writer;
            writer.begin_run(kind, &mut self.output)?;
            let part = Frame::Part {
                binary: text,
                offset: 0,
                long: Long::Run,
            };
            return self.enter(Frame::Items(below), part);
        }
        let writer = &mut self.encoder.writer;
        match kind {
            RunKind::Cdata => writer.cdata(bytes, &mut self.output)?,
            RunKind::Instruction(target) => writer.instruction(target, bytes, &mut self.output)?,
            RunKind::Comment | RunKind::Value(_) => writer.comment(bytes, &mut self.output)?,
        }
        self.count(2 * bytes.len());
        Ok(Next::Behind)
    }

    /// Saxy's `{:entity, name}`, `{:decimal, number}` or `{:hexadecimal, number}`.
    fn reference(&mut self, data: RawTerm, term: RawTerm) -> Result<(), Stop> {
        let Some(&[kind, value]) = self.tuple(data) else {
            return Err(Stop::Shape(REFERENCE, term));
        };
        let number = self.terms.wrap(value).decode::<u32>().ok();
        let writer = &mut self.encoder.writer;
        if let Some(code) = number
            && (is(kind, words::decimal()) || is(kind, words::hexadecimal()))
        {
            let decimal = is(kind, words::decimal());
            return Ok(writer.character(code, decimal, &mut self.output)?);
        }
        match self.binary(value) {
            Some(name) if is(kind, words::entity()) => {
                let writer = &mut self.encoder.writer;
                Ok(writer.reference(name, &mut self.output)?)
            }
            _ => Err(Stop::Shape(REFERENCE, term)),
        }
    }

    /// The declaration that was read, unless another one is asked for. The encoding is what is written here.
    fn start_document(&mut self, prolog: RawTerm) -> Result<(), Stop> {
        let [version, encoding, standalone] = self.properties(
            prolog,
            [terms::version(), terms::encoding(), terms::standalone()],
            PROLOG,
        )?;
        if !self.encoder.declares || self.is_empty_list(prolog) {
            return Ok(());
        }
        let version = match version {
            Some(version) => self.binary(version).ok_or(Stop::Shape(PROLOG, prolog))?,
            None => b"1.0",
        };
        let standalone: Option<bool> = match standalone {
            Some(standalone) => {
                let decoded = self.terms.wrap(standalone).decode();
                decoded.map_err(|_| Stop::Shape(PROLOG, prolog))?
            }
            None => None,
        };
        let writer = &mut self.encoder.writer;
        Ok(writer.declaration(version, encoding.is_some(), standalone, &mut self.output)?)
    }

    fn doctype(&mut self, data: RawTerm) -> Result<(), Stop> {
        let keys = [
            terms::name(),
            terms::public_id(),
            terms::system_id(),
            terms::internal_subset(),
        ];
        let mut strings = [None; 4];
        for (string, value) in strings
            .iter_mut()
            .zip(self.properties(data, keys, DOCTYPE)?)
        {
            *string = match value {
                Some(value) => Some(self.binary(value).ok_or(Stop::Shape(DOCTYPE, data))?),
                None => None,
            };
        }
        let [name, public_id, system_id, internal_subset] = strings;
        let doctype = WrittenDoctype {
            name: name.ok_or(Stop::Shape(DOCTYPE, data))?,
            public_id,
            system_id,
            internal_subset,
        };
        self.count(LONG);
        let writer = &mut self.encoder.writer;
        Ok(writer.doctype(&doctype, &mut self.output)?)
    }

    /// The values of `keys` in a keyword list, which has no others. A value that is nil is none.
    fn properties<const N: usize>(
        &self,
        list: RawTerm,
        keys: [Atom; N],
        expected: &'static str,
    ) -> Result<[Option<RawTerm>; N], Stop> {
        let mut values = [None; N];
        let mut rest = list;
        // A longer list has a key twice.
        for _ in 0..=N {
            let Some((pair, tail)) = self.terms.uncons(rest) else {
                break;
            };
            let Some(&[key, value]) = self.tuple(pair) else {
                return Err(Stop::Shape(expected, list));
            };
            let Some(index) = keys.iter().position(|known| is(key, *known)) else {
                return Err(Stop::Shape(expected, list));
            };
            let is_nil = is(value, terms::nil());
            values[index] = (!is_nil).then_some(value);
            rest = tail;
        }
        match self.is_empty_list(rest) {
            true => Ok(values),
            false => Err(Stop::Shape(expected, list)),
        }
    }
}
