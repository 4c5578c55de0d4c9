//! What `BoundedXml.Options.config/1` and `BoundedXml.Path.parse!/1` give, as the core takes it.

use bounded_core::xml::{
    DoctypePolicy, Emit, Limits, NamespaceTest, Options, Recover, Roots, Selector, Step, TextMode,
    UNLIMITED,
};
use rustler::{Error, NifResult, NifTuple, Term};

/// Options of a parser, in the order of `BoundedXml.Options.config/1`.
#[derive(NifTuple)]
pub struct Config {
    namespaces: bool,
    reject_doctype: bool,
    encoding: Option<String>,
    skip_whitespace: bool,
    joined: bool,
    positions: bool,
    many_roots: bool,
    recover: Recovering,
    emit: Emitted,
    limits: LimitValues,
}

#[derive(NifTuple)]
struct Emitted {
    cdata: bool,
    comments: bool,
    processing_instructions: bool,
    doctype: bool,
}

#[derive(NifTuple)]
struct Recovering {
    entities: bool,
    characters: bool,
    ampersands: bool,
    leading_whitespace: bool,
    report: bool,
}

#[derive(NifTuple)]
struct LimitValues {
    max_name_bytes: u64,
    max_attribute_bytes: u64,
    max_token_bytes: u64,
    max_dtd_bytes: u64,
    max_entity_bytes: u64,
    max_text_bytes: u64,
    max_record_bytes: u64,
    max_depth: u64,
    max_attributes: u64,
    max_namespaces: u64,
    max_entities: u64,
    max_entity_expansions: u64,
    max_entity_depth: u64,
    max_amplification: u64,
    max_recoveries: u64,
    max_bytes: Option<u64>,
    max_elements: Option<u64>,
}

/// A step of a path: whether any depth is allowed before it, its namespace (`nil` for any, empty for
/// none) and its local name (`nil` for any).
type PathStep = (bool, Option<String>, Option<String>);

impl Config {
    pub fn namespaces(&self) -> bool {
        self.namespaces
    }

    pub fn max_record_bytes(&self) -> u64 {
        self.limits.max_record_bytes
    }

    pub fn into_options(self) -> Options {
        let limits = self.limits;
        Options {
            limits: Limits {
                max_depth: limits.max_depth,
                max_attributes: limits.max_attributes,
                max_name_bytes: limits.max_name_bytes,
                max_attribute_bytes: limits.max_attribute_bytes,
                max_token_bytes: limits.max_token_bytes,
                max_text_bytes: limits.max_text_bytes,
                max_namespaces: limits.max_namespaces,
                max_dtd_bytes: limits.max_dtd_bytes,
                max_entities: limits.max_entities,
                max_entity_expansions: limits.max_entity_expansions,
                max_entity_depth: limits.max_entity_depth,
                max_entity_bytes: limits.max_entity_bytes,
                max_amplification: limits.max_amplification,
                max_recoveries: limits.max_recoveries,
                max_bytes: limits.max_bytes.unwrap_or(UNLIMITED),
                max_elements: limits.max_elements.unwrap_or(UNLIMITED),
            },
            doctype: match self.reject_doctype {
                true => DoctypePolicy::Reject,
                false => DoctypePolicy::Internal,
            },
            namespaces: self.namespaces,
            emit: Emit {
                cdata: self.emit.cdata,
                comments: self.emit.comments,
                processing_instructions: self.emit.processing_instructions,
                doctype: self.emit.doctype,
            },
            encoding: self.encoding,
            skip_whitespace: self.skip_whitespace,
            text: match self.joined {
                true => TextMode::Joined,
                false => TextMode::Pieces,
            },
            positions: self.positions,
            roots: match self.many_roots {
                true => Roots::Many,
                false => Roots::One,
            },
            recover: Recover {
                entities: self.recover.entities,
                characters: self.recover.characters,
                ampersands: self.recover.ampersands,
                leading_whitespace: self.recover.leading_whitespace,
            },
            report_recovered: self.recover.report,
        }
    }
}

/// Follows a path, a list of steps. `BoundedXml.Path` gives no other lengths.
pub fn selector(path: Term) -> NifResult<Selector> {
    let mut steps = Vec::new();
    let mut rest = path;
    // Rustler's own iterator panics at the end of an improper list.
    while !rest.is_empty_list() {
        let (step, tail) = rest.list_get_cell()?;
        if steps.len() == Selector::MAX_STEPS {
            return Err(Error::BadArg);
        }
        let (descendant, namespace, local): PathStep = step.decode()?;
        steps.push(Step {
            descendant,
            local: local.map(Into::into),
            namespace: match namespace {
                Some(uri) => NamespaceTest::Uri(uri.into()),
                None => NamespaceTest::Any,
            },
        });
        rest = tail;
    }
    Selector::new(steps).ok_or(Error::BadArg)
}
