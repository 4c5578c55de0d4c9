//! What is too long for one call, in parts that are cut where characters end.

use crate::xml::simd::escape::{DOUBLE_QUOTED, SINGLE_QUOTED};
use crate::xml::write::checks::{
    checked_target, checked_text, dashes, instruction_end, text_cause,
};
use crate::xml::write::fault::WriteError;
use crate::xml::write::name::WrittenName;
use crate::xml::write::pieces::PieceSink;
use crate::xml::write::writer::{Quote, Run, Writer};
use quick_xml::events::BytesCData;

/// What is long.
#[derive(Clone, Copy, Debug)]
pub enum RunKind<'a> {
    /// The value of the attribute of this name.
    Value(WrittenName<'a>),
    Comment,
    Cdata,
    /// The data of the instruction with this target.
    Instruction(&'a [u8]),
}

const NOTHING: [u8; 2] = [0; 2];

impl Writer {
    /// Begins what is given with [`Writer::run_part`] and ended with [`Writer::end_run`].
    pub fn begin_run(
        &mut self,
        kind: RunKind<'_>,
        sink: &mut impl PieceSink,
    ) -> Result<(), WriteError> {
        let run = match kind {
            RunKind::Value(name) => {
                self.attribute_named(name, |writer, name| {
                    let open: &[u8] = match writer.options.quote {
                        Quote::Double => b"=\"",
                        Quote::Single => b"='",
                    };
                    writer.out.put([b" ", name, open], sink);
                    Ok(())
                })?;
                Run::Value
            }
            RunKind::Comment => {
                self.begin_markup(sink);
                self.out.put([b"<!--"], sink);
                Run::Comment(NOTHING)
            }
            RunKind::Cdata => {
                self.inside_root("a CDATA section")?;
                self.keep_as_it_is()?;
                self.begin_content(sink);
                self.out.put([b"<![CDATA["], sink);
                Run::Cdata(NOTHING)
            }
            RunKind::Instruction(target) => {
                let target = self.placed(checked_target(target))?;
                self.begin_markup(sink);
                self.out.put([b"<?", target.as_bytes(), b" "], sink);
                Run::Instruction(NOTHING)
            }
        };
        self.run = Some(run);
        Ok(())
    }

    /// The next part.
    pub fn run_part(&mut self, part: &[u8], sink: &mut impl PieceSink) -> Result<(), WriteError> {
        match self.run {
            _ if part.is_empty() => Ok(()),
            Some(Run::Value) => {
                let written = match self.options.quote {
                    Quote::Double => self.out.text::<DOUBLE_QUOTED>(part, sink),
                    Quote::Single => self.out.text::<SINGLE_QUOTED>(part, sink),
                };
                self.placed(written.map_err(|fault| text_cause(part, fault)))
            }
            Some(Run::Comment(before)) => {
                let text = self.placed(checked_text(part))?;
                if finds(before, text, b"--") {
                    return Err(self.fault(dashes()));
                }
                self.run = Some(Run::Comment(last_two(before, part)));
                self.out.put([part], sink);
                Ok(())
            }
            Some(Run::Instruction(before)) => {
                let text = self.placed(checked_text(part))?;
                if finds(before, text, b"?>") {
                    return Err(self.fault(instruction_end()));
                }
                self.run = Some(Run::Instruction(last_two(before, part)));
                self.out.put([part], sink);
                Ok(())
            }
            Some(Run::Cdata(before)) => {
                let text = self.placed(checked_text(part))?;
                self.cdata_part(before, text, sink);
                self.run = Some(Run::Cdata(last_two(before, part)));
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The end of what was begun.
    pub fn end_run(&mut self, sink: &mut impl PieceSink) -> Result<(), WriteError> {
        let end: &[u8] = match self.run.take() {
            Some(Run::Value) if self.options.quote == Quote::Single => b"'",
            Some(Run::Value) => b"\"",
            Some(Run::Comment([_, b'-'])) => return Err(self.fault(dashes())),
            Some(Run::Comment(_)) => b"-->",
            Some(Run::Cdata(_)) => b"]]>",
            Some(Run::Instruction(_)) => b"?>",
            None => b"",
        };
        self.out.put([end], sink);
        Ok(())
    }

    /// A part of a section, which ends and begins again wherever it would be closed, and around each CR, which would
    /// be read as a LF.
    fn cdata_part(&mut self, before: [u8; 2], text: &str, sink: &mut impl PieceSink) {
        const DIVISION: &[u8] = b"]]><![CDATA[";
        if closes(before, text) {
            self.out.put([DIVISION], sink);
        }
        for (index, lines) in text.split('\r').enumerate() {
            if index > 0 {
                self.out.put([b"]]>&#13;<![CDATA["], sink);
            }
            for (index, section) in BytesCData::escaped(lines).enumerate() {
                if index > 0 {
                    self.out.put([DIVISION], sink);
                }
                self.out.put([section.as_bytes()], sink);
            }
        }
    }
}

/// Whether `]]>` begins before `text` and ends in it.
fn closes(before: [u8; 2], text: &str) -> bool {
    let text = text.as_bytes();
    (before == *b"]]" && text.starts_with(b">")) || (before[1] == b']' && text.starts_with(b"]>"))
}

/// Whether `pair` is in `text`, or ends with its first byte.
fn finds(before: [u8; 2], text: &str, pair: &[u8; 2]) -> bool {
    let text = text.as_bytes();
    (before[1] == pair[0] && text.first() == Some(&pair[1]))
        || memchr::memmem::find(text, pair).is_some()
}

fn last_two(before: [u8; 2], part: &[u8]) -> [u8; 2] {
    match part {
        [] => before,
        [only] => [before[1], *only],
        [.., first, last] => [*first, *last],
    }
}
