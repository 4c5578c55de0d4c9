//! Line breaks and spaces between elements that have no text beside them.

use crate::xml::write::open_elements::Content;
use crate::xml::write::pieces::PieceSink;
use crate::xml::write::writer::{Stage, Writer};

/// The source of spaces for one write: indentation is written 64 bytes at a time.
const SPACES: &[u8] = &[b' '; 64];

/// Deeper levels are indented like this one: otherwise the spaces of a deep document would exceed its size many times.
const DEEPEST: usize = 64;

impl Writer {
    /// The element that is open has text among its children: nothing may be indented in it.
    pub fn keep_whitespace(&mut self) {
        if let Some(element) = self.open.last_mut() {
            element.content = Content::Mixed;
        }
    }

    /// Breaks the line before a child of the element that is open, unless that has text. Says what is known of the
    /// child's content.
    #[inline(always)]
    pub(crate) fn indent_child(&mut self, sink: &mut impl PieceSink) -> Content {
        match self.options.indent {
            None => Content::Mixed,
            Some(spaces) => self.indent_child_by(spaces, sink),
        }
    }

    #[cold]
    fn indent_child_by(&mut self, spaces: usize, sink: &mut impl PieceSink) -> Content {
        let depth = self.open.depth();
        match self.open.last_mut() {
            Some(parent) if parent.content == Content::Mixed => return Content::Mixed,
            Some(parent) => parent.content = Content::Elements,
            None if self.stage == Stage::Start => return Content::Unknown,
            None => {}
        }
        self.break_line(depth * spaces, depth, sink);
        Content::Unknown
    }

    /// Breaks the line before the end of the element that is open, if its children are indented.
    #[inline(always)]
    pub(crate) fn indent_end(&mut self, sink: &mut impl PieceSink) {
        if let Some(spaces) = self.options.indent
            && let Some((_, element)) = self.open.last()
            && element.content == Content::Elements
        {
            let depth = self.open.depth() - 1;
            self.break_line(depth * spaces, depth, sink);
        }
    }

    fn break_line(&mut self, spaces: usize, depth: usize, sink: &mut impl PieceSink) {
        let mut left = spaces.min(spaces / depth.max(1) * DEEPEST);
        self.out.put([b"\n"], sink);
        while left > 0 {
            let count = left.min(SPACES.len());
            self.out.put([&SPACES[..count]], sink);
            left -= count;
        }
    }
}
