//! End tags.

use crate::xml::api::sink::Sink;
use crate::xml::scanner::Scanner;
use crate::xml::scanner::interrupt::{Interrupt, SHOWN, malformed, shown};
use crate::xml::scanner::state::{Core, Region, State};
use crate::xml::syntax::byte_class::{self, NAME, SPACE};

impl<S: Sink> Scanner<'_, S> {
    /// Scans an end tag: its name, mostly the one expected, and mostly all of it.
    ///
    /// ```text
    /// ETag ::= '</' Name S? '>'      (XML 1.0, 3.1)
    /// ```
    pub fn begin_end_tag(&mut self) -> Result<(), Interrupt> {
        self.end_run()?;
        if self.core.element_stack.depth() <= self.core.entities.floor() {
            return malformed(self.at, "this end tag has no start tag here");
        }
        let from = self.at + 2;
        // Of a long name, what was compared in an earlier text is not compared again.
        let held = std::mem::take(&mut self.core.held);
        let name = self.core.innermost();
        let end = from + name.len();
        let rest = &self.text[from + held..];
        match self.text.get(end) {
            Some(&next) if rest.starts_with(&name[held..]) && !byte_class::is(next, NAME) => {}
            None if name[held..].starts_with(rest) => {
                self.core.held = held + rest.len();
                return Err(Interrupt::NeedInput);
            }
            _ => return self.mismatch(from),
        }
        self.begin_token(State::EndTag);
        self.core.taken = end - self.at;
        self.at = end;
        if self.text[end] == b'>' {
            return self.close(end + 1);
        }
        self.end_tag()
    }

    /// Behind the name.
    pub fn end_tag(&mut self) -> Result<(), Interrupt> {
        self.within_token(|scanner, end| {
            let text = &scanner.text[..end];
            scanner.at = byte_class::skip(text, scanner.at, SPACE);
            match text.get(scanner.at) {
                None => Err(Interrupt::NeedInput),
                Some(b'>') => scanner.close(scanner.at + 1),
                Some(_) => malformed(scanner.at, "'>' belongs after the name of an end tag"),
            }
        })
    }

    /// Tells that the innermost element ends; scanning goes on at `end`.
    #[inline(always)]
    pub fn close(&mut self, end: usize) -> Result<(), Interrupt> {
        if self.wants_all() {
            self.emit_end(end)?;
        } else if S::SELECTS {
            let depth = self.core.element_stack.depth().saturating_sub(1);
            if self.core.interest_stack.tells_end(depth) {
                self.emit_end(end)?;
            }
        }
        let outside = self.core.element_stack.pop();
        self.core.namespaces.truncate(outside);
        self.core.state = State::Between;
        let depth = self.core.element_stack.depth();
        if S::SELECTS {
            self.core.interest_stack.close(depth);
        }
        if depth < self.core.space.floor {
            self.close_root_or_space(depth);
        }
        self.at = end;
        Ok(())
    }

    /// The element that closed was the root element, or had an `xml:space` attribute.
    #[cold]
    fn close_root_or_space(&mut self, depth: usize) {
        self.core.space.close(depth);
        if depth == 0 {
            self.core.region = Region::Epilog;
        }
    }

    /// Text and offsets of an element that ends before `end`, whose end is about to be passed to the sink.
    #[inline(never)]
    fn pass_source(&mut self, end: usize) -> Result<(), Interrupt> {
        let Core {
            source,
            credit,
            element_stack,
            interest_stack,
            ..
        } = &mut *self.core;
        if self.level == 0 {
            source.pass(self.text, end, credit, self.sink)?;
        }
        if source.tells_ends() && interest_stack.floor() + 1 == element_stack.depth() {
            self.sink.end_offset(match self.level {
                0 => self.line_counter.offset(self.text, end),
                _ => source.reference_end(),
            });
        }
        Ok(())
    }

    #[inline(always)]
    fn emit_end(&mut self, end: usize) -> Result<(), Interrupt> {
        if S::TRACKS_SOURCE && self.core.source.is_watched() {
            self.pass_source(end)?;
        }
        self.emit_position();
        let Core {
            element_stack,
            name_table,
            namespaces,
            ..
        } = &*self.core;
        match element_stack.innermost_name(name_table, namespaces) {
            Some(name) => {
                let flow = self.sink.end_element(name);
                self.charge_event(flow)?;
            }
            None => return Ok(()),
        }
        if S::TRACKS_SOURCE && self.core.source.is_watched() {
            self.core.source.after_end(self.sink);
        }
        if S::MARKS {
            self.core.interest_stack.mark(self.sink.marks());
        }
        Ok(())
    }

    /// The end tag, whose name is at `from`, is not that of the innermost element.
    ///
    /// As much of the name is read as is shown, or there is.
    #[cold]
    fn mismatch(&mut self, from: usize) -> Result<(), Interrupt> {
        let text = &self.text[..self.text.len().min(from + SHOWN + 1)];
        let end = match self.name(text, from) {
            Ok((_, end)) => end,
            Err(Interrupt::NeedInput) if text.len() > from + SHOWN => text.len(),
            Err(interrupt) => {
                self.core.held = 0;
                return Err(interrupt);
            }
        };
        let found = shown(&text[from..end]);
        let expected = shown(self.core.innermost());
        malformed(
            self.at,
            format!("</{expected}> belongs here, not </{found}>"),
        )
    }
}
