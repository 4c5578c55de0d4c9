//! Converts the result of `BoundedXml.Encode.Options` for the core.

use crate::xml::encode::output::Output;
use bounded_core::xml::write::{Empty, Quote, WriteError, WriteOptions, Writer};
use rustler::{Atom, Binary, Decoder, NifResult, Term};

mod words {
    rustler::atoms! { auto }
}

/// A version, whether the encoding is said, and whether the document stands alone.
type Declared<'a> = (Binary<'a>, bool, Option<bool>);

/// Whether empty elements are expanded and values are in single quotes, the indentation, prefixes and URIs, and the
/// declaration.
type Fields<'a> = (
    bool,
    bool,
    Option<usize>,
    Vec<(Binary<'a>, Binary<'a>)>,
    Term<'a>,
);

pub struct Setup<'a> {
    options: WriteOptions,
    /// `Auto` writes the declarations that come as events.
    declaration: Declaration<'a>,
}

enum Declaration<'a> {
    Auto,
    None,
    This(Declared<'a>),
}

impl<'a> Decoder<'a> for Setup<'a> {
    fn decode(term: Term<'a>) -> NifResult<Setup<'a>> {
        let (expands, single, indent, prefixes, declaration): Fields<'a> = term.decode()?;
        let prefixes = prefixes
            .iter()
            .map(|(prefix, uri)| (prefix.to_vec(), uri.to_vec()))
            .collect();
        let declaration = match declaration.decode::<Option<Atom>>() {
            Ok(Some(atom)) if atom == words::auto() => Declaration::Auto,
            Ok(_) => Declaration::None,
            Err(_) => Declaration::This(declaration.decode()?),
        };
        Ok(Setup {
            options: WriteOptions {
                empty: if expands {
                    Empty::Expand
                } else {
                    Empty::Collapse
                },
                quote: if single { Quote::Single } else { Quote::Double },
                indent,
                prefixes,
            },
            declaration,
        })
    }
}

impl<'a> Setup<'a> {
    pub fn declares(&self) -> bool {
        matches!(self.declaration, Declaration::Auto)
    }

    /// The declaration that the options ask for.
    pub fn declaration(&self) -> Option<GivenDeclaration<'a>> {
        match self.declaration {
            Declaration::This((version, says_encoding, standalone)) => Some(GivenDeclaration {
                version,
                says_encoding,
                standalone,
            }),
            _ => None,
        }
    }

    pub fn into_options(self) -> WriteOptions {
        self.options
    }
}

pub struct GivenDeclaration<'a> {
    version: Binary<'a>,
    says_encoding: bool,
    standalone: Option<bool>,
}

impl GivenDeclaration<'_> {
    pub fn write(&self, writer: &mut Writer, output: &mut Output<'_>) -> Result<(), WriteError> {
        writer.declaration(&self.version, self.says_encoding, self.standalone, output)
    }
}
