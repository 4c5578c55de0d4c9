//! Converts `BoundedXml.Options` for the core.

use bounded_core::xml::{
    DoctypePolicy, Emit, Limits, Options, Recover, Roots, TextMode, UNLIMITED,
};
use rustler::{Atom, Decoder, Error, NifMap, NifResult, NifUnitEnum, Term};

mod words {
    rustler::atoms! {
        cdata, comments, processing_instructions, doctype,
        entities, characters, ampersands, leading_whitespace,
        infinity,
    }
}

/// The fields of `BoundedXml.Options` that the parser needs, by name: their order does not matter.
#[derive(NifMap)]
#[rustler(decode)]
pub struct Config {
    namespaces: bool,
    doctype: Doctype,
    encoding: Option<String>,
    skip_whitespace: bool,
    text: Text,
    positions: bool,
    roots: RootElements,
    recover: Recovering,
    on_recover: Function,
    emit: Emitted,
    max_name_bytes: u64,
    max_attribute_bytes: u64,
    max_token_bytes: u64,
    max_dtd_bytes: u64,
    max_entity_bytes: u64,
    max_text_bytes: u64,
    max_record_bytes: u64,
    max_record_elements: Total,
    max_record_depth: Total,
    max_depth: u64,
    max_attributes: u64,
    max_namespaces: u64,
    max_entities: u64,
    max_entity_expansions: u64,
    max_entity_depth: u64,
    max_amplification: u64,
    max_recoveries: u64,
    max_bytes: Total,
    max_elements: Total,
}

#[derive(NifUnitEnum)]
#[rustler(decode)]
enum Doctype {
    Internal,
    Reject,
}

#[derive(NifUnitEnum)]
#[rustler(decode)]
enum Text {
    Pieces,
    Joined,
}

#[derive(NifUnitEnum)]
#[rustler(decode)]
enum RootElements {
    One,
    Many,
}

/// What one record may be.
#[derive(Clone, Copy)]
pub struct RecordLimits {
    pub bytes: u64,
    pub elements: u64,
    pub depth: u64,
}

struct Emitted(Emit);

impl<'a> Decoder<'a> for Emitted {
    fn decode(list: Term<'a>) -> NifResult<Emitted> {
        let names = [
            words::cdata(),
            words::comments(),
            words::processing_instructions(),
            words::doctype(),
        ];
        let [cdata, comments, processing_instructions, doctype] = listed(list, names)?;
        Ok(Emitted(Emit {
            cdata,
            comments,
            processing_instructions,
            doctype,
        }))
    }
}

struct Recovering(Recover);

impl<'a> Decoder<'a> for Recovering {
    fn decode(list: Term<'a>) -> NifResult<Recovering> {
        let names = [
            words::entities(),
            words::characters(),
            words::ampersands(),
            words::leading_whitespace(),
        ];
        let [entities, characters, ampersands, leading_whitespace] = listed(list, names)?;
        Ok(Recovering(Recover {
            entities,
            characters,
            ampersands,
            leading_whitespace,
        }))
    }
}

/// Which of `names` are in the list, in which each of them may be once.
fn listed<const N: usize>(list: Term, names: [Atom; N]) -> NifResult<[bool; N]> {
    let mut found = [false; N];
    let mut rest = list;
    // Rustler's own iterator panics at the end of an improper list.
    while !rest.is_empty_list() {
        let (name, tail) = rest.list_get_cell()?;
        let name: Atom = name.decode()?;
        match names.iter().position(|it| *it == name) {
            Some(index) if !found[index] => found[index] = true,
            _ => return Err(Error::BadArg),
        }
        rest = tail;
    }
    Ok(found)
}

/// Whether a function is given: Elixir calls it.
struct Function {
    given: bool,
}

impl<'a> Decoder<'a> for Function {
    fn decode(term: Term<'a>) -> NifResult<Function> {
        Ok(Function {
            given: !term.is_atom(),
        })
    }
}

/// A limit that may be `:infinity`.
struct Total(u64);

impl<'a> Decoder<'a> for Total {
    fn decode(term: Term<'a>) -> NifResult<Total> {
        if term.is_atom() && term.decode::<Atom>()? == words::infinity() {
            return Ok(Total(UNLIMITED));
        }
        term.decode().map(Total)
    }
}

impl Config {
    pub fn namespaces(&self) -> bool {
        self.namespaces
    }

    pub fn record_limits(&self) -> RecordLimits {
        RecordLimits {
            bytes: self.max_record_bytes,
            elements: self.max_record_elements.0,
            depth: self.max_record_depth.0,
        }
    }

    pub fn options(&self) -> Options {
        Options {
            limits: Limits {
                max_depth: self.max_depth,
                max_attributes: self.max_attributes,
                max_name_bytes: self.max_name_bytes,
                max_attribute_bytes: self.max_attribute_bytes,
                max_token_bytes: self.max_token_bytes,
                max_text_bytes: self.max_text_bytes,
                max_namespaces: self.max_namespaces,
                max_dtd_bytes: self.max_dtd_bytes,
                max_entities: self.max_entities,
                max_entity_expansions: self.max_entity_expansions,
                max_entity_depth: self.max_entity_depth,
                max_entity_bytes: self.max_entity_bytes,
                max_amplification: self.max_amplification,
                max_recoveries: self.max_recoveries,
                max_bytes: self.max_bytes.0,
                max_elements: self.max_elements.0,
            },
            doctype: match self.doctype {
                Doctype::Reject => DoctypePolicy::Reject,
                Doctype::Internal => DoctypePolicy::Internal,
            },
            namespaces: self.namespaces,
            emit: self.emit.0,
            encoding: self.encoding.clone(),
            skip_whitespace: self.skip_whitespace,
            text: match self.text {
                Text::Joined => TextMode::Joined,
                Text::Pieces => TextMode::Pieces,
            },
            positions: self.positions,
            tag_positions: false,
            raw: false,
            end_offsets: false,
            roots: match self.roots {
                RootElements::Many => Roots::Many,
                RootElements::One => Roots::One,
            },
            recover: self.recover.0,
            report_recovered: self.on_recover.given,
        }
    }
}
