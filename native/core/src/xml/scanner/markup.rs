//! Comments, processing instructions and CDATA sections.
#![allow(unsafe_code)]

use crate::xml::api::sink::Sink;
use crate::xml::scanner::interrupt::{Interrupt, malformed};
use crate::xml::scanner::prolog::OPEN;
use crate::xml::scanner::state::State;
use crate::xml::scanner::{LINE_END_COST, MARKUP_COST, Scanner};
use crate::xml::syntax::byte_class::{self, SPACE};
use crate::xml::syntax::names::is_ncname;
use crate::xml::syntax::utf8;
use memchr::{memchr, memmem};

const COMMENT: &[u8] = b"<!--";
pub(crate) const CDATA: &[u8] = b"<![CDATA[";
const DOCTYPE: &[u8] = b"<!DOCTYPE";

impl<S: Sink> Scanner<'_, S> {
    /// Scans a token that starts with '<!'.
    pub fn declaration(&mut self) -> Result<(), Interrupt> {
        let rest = &self.text[self.at..];
        if rest.starts_with(COMMENT) {
            return self.begin_comment();
        }
        if rest.starts_with(CDATA) {
            return self.begin_cdata();
        }
        if rest.starts_with(DOCTYPE) {
            return self.begin_doctype();
        }
        if [COMMENT, CDATA, DOCTYPE]
            .iter()
            .any(|begin| begin.starts_with(rest))
        {
            return Err(Interrupt::NeedInput);
        }
        malformed(
            self.at,
            "'<!' starts a comment '<!--', a section '<![CDATA[' or '<!DOCTYPE'",
        )
    }

    fn begin_comment(&mut self) -> Result<(), Interrupt> {
        if self.core.options.emit.comments {
            self.end_run()?;
        }
        self.begin_token(State::Comment);
        self.begin_aside(COMMENT.len());
        self.comment()
    }

    fn begin_aside(&mut self, taken: usize) {
        self.core.has_begun = true;
        self.core.aside.clear();
        self.core.target = 0;
        self.core.taken = taken;
        self.at += taken;
    }

    /// Continues with a comment.
    ///
    /// ```text
    /// Comment ::= '<!--' ((Char - '-') | ('-' (Char - '-')))* '-->'      (XML 1.0, 2.5)
    /// ```
    pub fn comment(&mut self) -> Result<(), Interrupt> {
        self.within_token(|scanner, end| {
            let (stop, found) = find(&scanner.text[..end], scanner.at, b"--");
            let is_emitted = scanner.core.options.emit.comments && scanner.is_emitted();
            if is_emitted {
                scanner.add_aside(stop)?;
            }
            scanner.at = stop;
            match (found, scanner.text[..end].get(stop + 2)) {
                (true, Some(b'>')) => {}
                (true, Some(_)) => return malformed(stop, "no '--' is allowed in a comment"),
                _ => return Err(Interrupt::NeedInput),
            }
            if is_emitted {
                scanner.emit_position();
                // SAFETY: parts of validated text, cut beside ASCII characters, and whole.
                let flow = scanner
                    .sink
                    .comment(unsafe { utf8::text(&scanner.core.aside) });
                scanner.charge_event(flow)?;
            }
            scanner.charge(MARKUP_COST);
            scanner.at = stop + 3;
            scanner.core.state = State::Between;
            Ok(())
        })
    }

    /// Begins a processing instruction.
    ///
    /// ```text
    /// PI       ::= '<?' PITarget (S (Char* - (Char* '?>' Char*)))? '?>'      (XML 1.0, 2.6)
    /// PITarget ::= Name - (('X' | 'x') ('M' | 'm') ('L' | 'l'))
    /// ```
    pub fn begin_instruction(&mut self) -> Result<(), Interrupt> {
        if self.core.options.emit.processing_instructions {
            self.end_run()?;
        }
        if self.is_behind_root() {
            // Another document may begin here.
            let rest = &self.text[self.at..];
            match rest.strip_prefix(OPEN) {
                Some([next, ..]) if byte_class::is(*next, SPACE) => return self.end_root(),
                Some([]) if !self.last => return Err(Interrupt::NeedInput),
                None if OPEN.starts_with(rest) && !self.last => return Err(Interrupt::NeedInput),
                _ => {}
            }
        }
        self.begin_token(State::InstructionTarget);
        self.instruction_target()
    }

    pub fn instruction_target(&mut self) -> Result<(), Interrupt> {
        self.within_token(|scanner, end| {
            let text = &scanner.text[..end];
            let (start, stop) = scanner.name(text, scanner.at + 2)?;
            let target = &text[start..stop];
            if target.eq_ignore_ascii_case(b"xml") {
                return scanner.misplaced_declaration(target == b"xml");
            }
            if scanner.core.options.namespaces && !is_ncname(target) {
                return malformed(start, "with namespaces, no target has a name with a colon");
            }
            scanner.core.aside.clear();
            if scanner.tells_instructions() {
                scanner.core.aside.extend_from_slice(target)?;
            }
            scanner.core.target = scanner.core.aside.len();
            match text[stop..] {
                [b'?', b'>', ..] => return scanner.finish_instruction(stop + 2),
                [b'?'] => return Err(Interrupt::NeedInput),
                [byte, ..] if byte_class::is(byte, SPACE) => {}
                _ => return malformed(stop, "white space belongs after a target"),
            }
            scanner.at = stop;
            scanner.core.state = State::InstructionSpace;
            Ok(())
        })
    }

    pub fn instruction_space(&mut self) -> Result<(), Interrupt> {
        self.within_token(|scanner, end| {
            scanner.at = byte_class::skip(&scanner.text[..end], scanner.at, SPACE);
            if scanner.at == end {
                return Err(Interrupt::NeedInput);
            }
            scanner.core.state = State::InstructionData;
            Ok(())
        })
    }

    pub fn instruction_data(&mut self) -> Result<(), Interrupt> {
        self.within_token(|scanner, end| {
            let (stop, found) = find(&scanner.text[..end], scanner.at, b"?>");
            if scanner.tells_instructions() {
                scanner.add_aside(stop)?;
            }
            scanner.at = stop;
            match found {
                true => scanner.finish_instruction(stop + 2),
                false => Err(Interrupt::NeedInput),
            }
        })
    }

    fn tells_instructions(&self) -> bool {
        self.core.options.emit.processing_instructions && self.is_emitted()
    }

    fn finish_instruction(&mut self, end: usize) -> Result<(), Interrupt> {
        if self.tells_instructions() {
            self.emit_position();
            let (target, data) = self.core.aside.split_at(self.core.target);
            // SAFETY: parts of validated text, cut beside ASCII characters, and whole.
            let flow = self
                .sink
                .processing_instruction(unsafe { utf8::text(target) }, unsafe { utf8::text(data) });
            self.charge_event(flow)?;
        }
        self.charge(MARKUP_COST);
        self.at = end;
        self.core.state = State::Between;
        self.core.has_begun = true;
        Ok(())
    }

    /// Adds the text up to `end` to the event, its line ends normalised.
    fn add_aside(&mut self, end: usize) -> Result<(), Interrupt> {
        let normalise = self.level == 0 && self.has_cr;
        while self.at < end {
            let rest = &self.text[self.at..end];
            let plain = match memchr(b'\r', rest) {
                Some(len) if normalise => len,
                _ => rest.len(),
            };
            self.core.aside.extend_from_slice(&rest[..plain])?;
            self.at += plain;
            if plain == rest.len() {
                return Ok(());
            }
            self.spend(LINE_END_COST)?;
            let skip = match self.text.get(self.at + 1) {
                None => return Err(Interrupt::NeedInput),
                Some(b'\n') => 2,
                Some(_) => 1,
            };
            self.core.aside.push(b'\n')?;
            self.at += skip;
        }
        Ok(())
    }

    fn begin_cdata(&mut self) -> Result<(), Interrupt> {
        if self.core.element_stack.depth() == 0 {
            return malformed(self.at, "no text is allowed outside of the root element");
        }
        if self.core.options.emit.cdata {
            self.end_run()?;
            self.core.run.told = false;
        } else {
            self.core.run.only_space = false;
        }
        self.begin_token(State::Cdata);
        self.at += CDATA.len();
        self.cdata()
    }

    /// Continues with a CDATA section.
    ///
    /// ```text
    /// CDSect ::= '<![CDATA[' (Char* - (Char* ']]>' Char*)) ']]>'      (XML 1.0, 2.7)
    /// ```
    pub fn cdata(&mut self) -> Result<(), Interrupt> {
        let (stop, found) = find(self.text, self.at, b"]]>");
        if found && !self.core.options.emit.cdata && self.is_rest_of_run(self.at, stop) {
            let text = &self.text[self.at..stop];
            if !text.is_empty() {
                self.emit_text_unchanged(text)?;
            }
            self.at = stop;
        }
        self.add_text(stop)?;
        if !found {
            return Err(Interrupt::NeedInput);
        }
        if self.core.options.emit.cdata {
            if !self.core.run.text.is_empty() || !self.core.run.told {
                self.emit_piece()?;
            }
            self.core.run.only_space = true;
        }
        self.charge(MARKUP_COST);
        self.at = stop + 3;
        self.core.state = State::Between;
        Ok(())
    }

    /// Whether the section from `start` to `stop` can be passed unchanged, as all that is left of its run.
    pub fn is_rest_of_run(&self, start: usize, stop: usize) -> bool {
        let text = &self.text[start..stop];
        let ends_run =
            matches!(self.text[stop + 3..], [b'<', next, ..] if !matches!(next, b'!' | b'?'));
        ends_run
            && self.core.run.text.is_empty()
            && text.len() <= self.piece_room()
            && !(self.has_cr && memchr(b'\r', text).is_some())
    }
}

/// How often an end may seem to begin before it is searched for as a whole, which takes longer to set up.
const FALSE_ENDS: usize = 8;

/// Where `end` stands in `text` at or behind `from`, and true; else where it may have begun, or the
/// text's end.
pub(crate) fn find(text: &[u8], from: usize, end: &[u8]) -> (usize, bool) {
    let mut from = from;
    for _ in 0..FALSE_ENDS {
        let Some(found) = memchr(end[0], &text[from..]) else {
            return (text.len(), false);
        };
        let stop = from + found;
        let rest = &text[stop..];
        if rest.starts_with(end) {
            return (stop, true);
        }
        if end.starts_with(rest) {
            return (stop, false);
        }
        from = stop + 1;
    }
    if let Some(found) = memmem::find(&text[from..], end) {
        return (from + found, true);
    }
    let begun = (1..end.len())
        .rev()
        .find(|&len| text[from..].ends_with(&end[..len]));
    (text.len() - begun.unwrap_or(0), false)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::find;

    #[test]
    fn finds_the_end_or_what_may_become_one() {
        assert_eq!(find(b"a]]>b", 0, b"]]>"), (1, true));
        assert_eq!(find(b"a]]]>b", 0, b"]]>"), (2, true));
        assert_eq!(find(b"a]]]", 0, b"]]>"), (2, false));
        assert_eq!(find(b"a]]x]", 0, b"]]>"), (4, false));
        assert_eq!(find(b"a]]>b", 2, b"]]>"), (5, false));
        assert_eq!(find(b"", 0, b"--"), (0, false));
    }
}
