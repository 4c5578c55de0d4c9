//! Declarations, comments and instructions. quick-xml writes them once they are known to be allowed.

use crate::xml::write::checks::{checked_target, checked_text, dashes, instruction_end};
use crate::xml::write::fault::{Cause, FaultKind, WriteError};
use crate::xml::write::pieces::PieceSink;
use crate::xml::write::run::RunKind;
use crate::xml::write::writer::{Stage, Writer};
use quick_xml::events::{BytesDecl, BytesPI, BytesText, Event};

/// Longer ones are written in parts: what quick-xml is given has to fit in the smallest buffer.
const SHORT: usize = 2_048;
/// Bytes of a version. The parser accepts longer ones, as XML does.
pub const LONGEST_VERSION: usize = 1_000;
/// Bytes of a declaration beside its version, at most.
const DECLARATION: usize = 64;

impl Writer {
    /// The XML declaration. The encoding is UTF-8, whether it is said or not.
    pub fn declaration(
        &mut self,
        version: &[u8],
        says_encoding: bool,
        standalone: Option<bool>,
        sink: &mut impl PieceSink,
    ) -> Result<(), WriteError> {
        if self.stage != Stage::Start {
            let reason = "the XML declaration does not come first";
            return Err(self.fault(Cause::new(FaultKind::Declaration, reason)));
        }
        // VersionNum ::= '1.' [0-9]+
        let number = version.strip_prefix(b"1.").unwrap_or_default();
        let known = !number.is_empty() && number.iter().all(u8::is_ascii_digit);
        if known && version.len() > LONGEST_VERSION {
            let reason = "the version of XML has more than 1,000 bytes";
            return Err(self.fault(Cause::new(FaultKind::Declaration, reason)));
        }
        let Some(version) = std::str::from_utf8(version).ok().filter(|_| known) else {
            let reason = "the version of XML is \"1.0\" or another that begins with \"1.\"";
            return Err(self.fault(Cause::new(FaultKind::Declaration, reason)));
        };
        let standalone = standalone.map(|it| if it { "yes" } else { "no" });
        let declaration = BytesDecl::new(version, says_encoding.then_some("UTF-8"), standalone);
        self.stage = Stage::Prolog;
        let len = version.len() + DECLARATION;
        self.out.token(Event::Decl(declaration), len, sink);
        Ok(())
    }

    /// A comment, beside the root or in it.
    pub fn comment(&mut self, text: &[u8], sink: &mut impl PieceSink) -> Result<(), WriteError> {
        if text.len() > SHORT {
            self.begin_run(RunKind::Comment, sink)?;
            self.run_part(text, sink)?;
            return self.end_run(sink);
        }
        let checked = self.placed(checked_text(text))?;
        if checked.contains("--") || checked.ends_with('-') {
            return Err(self.fault(dashes()));
        }
        self.begin_markup(sink);
        let event = Event::Comment(BytesText::from_escaped(checked));
        self.out.token(event, text.len() + 7, sink);
        Ok(())
    }

    /// A processing instruction, beside the root or in it.
    pub fn instruction(
        &mut self,
        target: &[u8],
        data: &[u8],
        sink: &mut impl PieceSink,
    ) -> Result<(), WriteError> {
        let len = target.len() + 1 + data.len();
        if len > SHORT {
            self.begin_run(RunKind::Instruction(target), sink)?;
            self.run_part(data, sink)?;
            return self.end_run(sink);
        }
        let target = self.placed(checked_target(target))?;
        let data = self.placed(checked_text(data))?;
        if data.contains("?>") {
            return Err(self.fault(instruction_end()));
        }
        self.begin_markup(sink);
        let content = match data {
            "" => target.to_owned(),
            data => format!("{target} {data}"),
        };
        self.out
            .token(Event::PI(BytesPI::new(content)), len + 4, sink);
        Ok(())
    }

    /// A CDATA section. It is divided where it would end too early.
    pub fn cdata(&mut self, text: &[u8], sink: &mut impl PieceSink) -> Result<(), WriteError> {
        self.begin_run(RunKind::Cdata, sink)?;
        self.run_part(text, sink)?;
        self.end_run(sink)
    }

    /// What comes next is no text.
    pub(crate) fn begin_markup(&mut self, sink: &mut impl PieceSink) {
        if self.in_tag {
            self.close_tag(sink);
        }
        self.indent_child(sink);
        match self.open.last_mut() {
            Some(parent) => parent.children += 1,
            None => self.begin_prolog(),
        }
    }
}
