//! What texts, targets, comments and instructions may not hold.

use crate::xml::simd::utf8_scan;
use crate::xml::syntax::byte_class;
use crate::xml::write::fault::{Cause, FaultKind, excerpt};
use crate::xml::write::name::checked;
use crate::xml::write::pieces::TextFault;

/// `text` if a document may hold all of it.
pub(crate) fn checked_text(text: &[u8]) -> Result<&str, Cause> {
    let valid = simdutf8::basic::from_utf8(text).map_err(|_| Cause::encoding())?;
    match byte_class::first_illegal(text, utf8_scan::scan(text)) {
        None => Ok(valid),
        Some(at) => Err(Cause::character(text, at)),
    }
}

/// `target` if an instruction may be for it: production PITarget.
pub(crate) fn checked_target(target: &[u8]) -> Result<&str, Cause> {
    let name = checked(target)?.bytes;
    if name.eq_ignore_ascii_case(b"xml") {
        return Err(Cause::new(
            FaultKind::Instruction,
            format!(
                "a processing instruction cannot be for \"{}\"",
                excerpt(name)
            ),
        ));
    }
    std::str::from_utf8(name).map_err(|_| Cause::encoding())
}

#[cold]
pub(crate) fn text_cause(text: &[u8], fault: TextFault) -> Cause {
    match fault {
        TextFault::Illegal(at) => Cause::character(text, at),
        TextFault::NotUtf8 => Cause::encoding(),
    }
}

#[cold]
pub(crate) fn dashes() -> Cause {
    Cause::new(
        FaultKind::Comment,
        "a comment may not contain \"--\", nor end with \"-\"",
    )
}

#[cold]
pub(crate) fn instruction_end() -> Cause {
    Cause::new(
        FaultKind::Instruction,
        "a processing instruction may not contain \"?>\"",
    )
}
