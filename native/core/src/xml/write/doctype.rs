//! The document type declaration.

use crate::xml::api::error::Error;
use crate::xml::syntax::chars::is_public_id_char;
use crate::xml::write::checks::checked_text;
use crate::xml::write::fault::{Cause, FaultKind, WriteError};
use crate::xml::write::name::checked;
use crate::xml::write::pieces::PieceSink;
use crate::xml::write::writer::{Stage, Writer};
use crate::xml::{Ignore, Limits, Options, Parser, Status};

/// As much as the reader takes.
const MAX_BYTES: usize = 98_304;

/// What a document type declaration says.
#[derive(Clone, Copy, Debug, Default)]
pub struct WrittenDoctype<'a> {
    pub name: &'a [u8],
    pub public_id: Option<&'a [u8]>,
    pub system_id: Option<&'a [u8]>,
    /// What stands between the brackets.
    pub internal_subset: Option<&'a [u8]>,
}

impl Writer {
    /// The document type declaration. Its internal subset is read as a document's is.
    pub fn doctype(
        &mut self,
        doctype: &WrittenDoctype<'_>,
        sink: &mut impl PieceSink,
    ) -> Result<(), WriteError> {
        if self.stage == Stage::Root || self.has_doctype {
            let reason = "a document type declaration stands once, before the root element";
            return Err(self.fault(Cause::new(FaultKind::Doctype, reason)));
        }
        let quote = self.placed(check(doctype))?;
        self.put_together(doctype, quote)?;
        let reads = self.reads_scratch(doctype.name)?;
        if let Err(reason) = reads {
            return Err(self.fault(Cause::new(FaultKind::Doctype, reason)));
        }
        self.begin_markup(sink);
        self.out.put([&self.scratch], sink);
        self.has_doctype = true;
        let subset = doctype.internal_subset.unwrap_or_default();
        self.external_entities =
            doctype.system_id.is_some() || memchr::memchr(b'%', subset).is_some();
        Ok(())
    }

    /// doctypedecl ::= '<!DOCTYPE' S Name (S ExternalID)? S? ('[' intSubset ']' S?)? '>'
    fn put_together(
        &mut self,
        doctype: &WrittenDoctype<'_>,
        quote: &[u8],
    ) -> Result<(), WriteError> {
        let external: [&[u8]; 7] = match (doctype.public_id, doctype.system_id) {
            (Some(public), Some(system)) => {
                [b" PUBLIC \"", public, b"\" ", quote, system, quote, b""]
            }
            (_, Some(system)) => [b" SYSTEM ", quote, system, quote, b"", b"", b""],
            _ => [b""; 7],
        };
        let subset: [&[u8]; 3] = match doctype.internal_subset {
            Some(subset) => [b" [", subset, b"]"],
            None => [b""; 3],
        };
        self.scratch.clear();
        let parts = [&b"<!DOCTYPE "[..], doctype.name];
        for part in parts.iter().chain(&external).chain(&subset) {
            self.scratch.extend_from_slice(part)?;
        }
        self.scratch.extend_from_slice(b">")?;
        Ok(())
    }

    /// Whether the declaration is one, with a root element behind it.
    fn reads_scratch(&self, name: &[u8]) -> Result<Result<(), String>, WriteError> {
        let mut parser = Parser::new(
            Options {
                limits: Limits::trusted(),
                ..Options::default()
            },
            self.scratch.account(),
        );
        let read = [&self.scratch[..], b"<", name, b"/>"]
            .iter()
            .try_for_each(|part| parser.feed(part))
            .and_then(|()| {
                parser.finish();
                while parser.run(&mut Ignore)? != Status::Done {}
                Ok(())
            });
        match read {
            Ok(()) => Ok(Ok(())),
            Err(Error::Refused(refusal)) => Err(refusal.into()),
            Err(Error::Document(error)) => Ok(Err(format!(
                "the document type declaration cannot be read: {}",
                error.reason
            ))),
        }
    }
}

/// Checks all but the subset. Gives the quotes for the system identifier.
fn check<'a>(doctype: &WrittenDoctype<'_>) -> Result<&'a [u8], Cause> {
    let cause = |reason: &str| Cause::new(FaultKind::Doctype, reason);
    checked(doctype.name)?;
    let system = doctype.system_id.unwrap_or_default();
    let subset = doctype.internal_subset.unwrap_or_default();
    let public = doctype.public_id.unwrap_or_default();
    if doctype.name.len() + system.len() + subset.len() + public.len() > MAX_BYTES - 64 {
        return Err(cause("a document type declaration has at most 96 KiB"));
    }
    if doctype.public_id.is_some() && doctype.system_id.is_none() {
        return Err(cause("a public identifier needs a system identifier"));
    }
    if !public.iter().copied().all(is_public_id_char) {
        return Err(cause(
            "a public identifier has a character that is not allowed in it",
        ));
    }
    checked_text(system)?;
    checked_text(subset)?;
    match (system.contains(&b'"'), system.contains(&b'\'')) {
        (true, true) => Err(cause("a system identifier has both kinds of quotes")),
        (true, false) => Ok(b"'"),
        _ => Ok(b"\""),
    }
}
