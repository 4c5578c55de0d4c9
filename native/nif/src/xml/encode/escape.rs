//! NIFs of `BoundedXml.escape/1` and `BoundedXml.unescape/2`: a call takes a part of a text.

use crate::arena::charged_binary;
use crate::quota::registry;
use crate::xml::encode::kind;
use crate::xml::encode::output::Output;
use crate::xml::terms::Terms;
use crate::{atoms, timing};
use bounded_core::xml::write::{PartError, escape, unescape};
use rustler::{Binary, Encoder as _, Env, Term};
use std::borrow::Cow;

mod words {
    rustler::atoms! { same }
}

/// `{:ok, {read, pieces}}`, the pieces from the last on; or `{:ok, {read, :same}}` where nothing was to be escaped.
#[rustler::nif]
fn xml_escape<'a>(env: Env<'a>, part: Binary<'a>, last: bool) -> Term<'a> {
    timing::timed(env, || {
        let mut output = Output::new(env);
        match escape(&part, last, &registry::own_account(env), &mut output) {
            Ok((read, true)) => (atoms::ok(), (read, words::same())).encode(env),
            Ok((read, false)) => {
                let pieces = Terms::new(env).wrap(output.pieces());
                (atoms::ok(), (read, pieces)).encode(env)
            }
            Err(error) => failed(env, error),
        }
    })
}

/// `{:ok, {read, text, name}}`: `name` is that of an entity which is not known, and whose reference was the last that was
/// read, or nil. `text` is a list of one piece, or `:same`.
#[rustler::nif]
fn xml_unescape<'a>(env: Env<'a>, part: Binary<'a>, last: bool, html: bool) -> Term<'a> {
    timing::timed(env, || {
        match unescape(&part, last, html, &registry::own_account(env)) {
            Ok(done) if done.name.is_none() && matches!(done.text, Cow::Borrowed(_)) => {
                (atoms::ok(), (done.read, words::same(), done.name)).encode(env)
            }
            Ok(done) => {
                let terms = Terms::new(env);
                let piece = terms.binary(done.text.as_bytes());
                let pieces = terms.wrap(terms.cell(piece, terms.empty_list));
                let name = done
                    .name
                    .map(|name| terms.wrap(terms.binary(name.as_bytes())));
                (atoms::ok(), (done.read, pieces, name)).encode(env)
            }
            Err(error) => failed(env, error),
        }
    })
}

/// `{:error, {kind, reason, byte of the part}}`.
fn failed(env: Env<'_>, error: PartError) -> Term<'_> {
    match error {
        PartError::Refused(refusal) => charged_binary::refused(env, &refusal),
        PartError::Fault(fault) => {
            let details = (kind(fault.kind), fault.reason, fault.at);
            (atoms::error(), details).encode(env)
        }
    }
}
