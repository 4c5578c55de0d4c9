//! Elements in which there is only text, passed to the sink as a whole: nothing is opened for them, and nothing closed.
#![allow(unsafe_code)]

use crate::xml::api::attributes::{Attributes, SpanBuffers};
use crate::xml::api::sink::{Name, Sink};
use crate::xml::fast::tokens::StartTag;
use crate::xml::scanner::state::source::EVENT_COST;
use crate::xml::scanner::{ATTRIBUTE_COST, REFERENCE_COST, Scanner};
use crate::xml::simd::byte_search::text_end;
use crate::xml::syntax::reference::predefined;
use crate::xml::syntax::utf8;

/// Longer texts are left to others: they would be read twice if the sink did not take them.
const MAX_TEXT: usize = 1024;

/// The text of an element: where it ends, and the number of references in it. With any, it is gathered in the run's text.
struct LeafText {
    end: usize,
    references: usize,
}

impl<S: Sink> Scanner<'_, S> {
    /// Passes the element of the start tag at `at` to the sink, given the context, if it is plain as a whole and the sink takes it.
    #[inline(always)]
    pub(super) fn fast_leaf(&mut self, tag: &StartTag, context: u64) -> bool {
        if tag.empty || self.core.options.skip_whitespace || self.core.source.is_watched() {
            return false;
        }
        let near = &self.text[..self.text.len().min(tag.end + MAX_TEXT)];
        let end = text_end(near, tag.end);
        match near[end..] {
            [b'<', b'/', ..] => self.pass_leaf(tag, context, &LeafText { end, references: 0 }),
            [b'&', ..] => self.fast_leaf_with_references(tag, context, end),
            _ => false,
        }
    }

    #[inline(never)]
    fn fast_leaf_with_references(&mut self, tag: &StartTag, context: u64, first: usize) -> bool {
        if self.core.run.front > 0 {
            return false;
        }
        let text = self.gather_leaf(tag.end, first);
        let taken = text.is_some_and(|text| self.pass_leaf(tag, context, &text));
        self.core.run.text.clear();
        taken
    }

    /// Gathers the text from `from` on up to an end tag, given where its first reference is. `None`: it is not plain, or too long.
    fn gather_leaf(&mut self, from: usize, first: usize) -> Option<LeafText> {
        let near = &self.text[..self.text.len().min(from + MAX_TEXT)];
        let gathered = &mut self.core.run.text;
        let (mut at, mut end, mut references) = (from, first, 0);
        loop {
            // Refused, it is left to others, who report that.
            gathered.extend_from_slice(&near[at..end]).ok()?;
            match near[end..] {
                [b'<', b'/', ..] => return Some(LeafText { end, references }),
                [b'&', ..] => {
                    let (byte, len) = predefined(&near[end..])?;
                    gathered.push(byte).ok()?;
                    references += 1;
                    at = end + len;
                    end = text_end(near, at);
                }
                _ => return None,
            }
        }
    }

    #[inline(always)]
    fn pass_leaf(&mut self, tag: &StartTag, context: u64, leaf: &LeafText) -> bool {
        let (text, at) = (self.text, self.at);
        let core = &mut *self.core;
        let Some(id) = tag.id else { return false };
        let Some(end) = core.name_table.end(text, leaf.end + 2, id) else {
            return false;
        };
        if text.get(end) != Some(&b'>') {
            return false;
        }
        let content: &[u8] = match leaf.references {
            0 => &text[tag.end..leaf.end],
            _ => &core.run.text,
        };
        let attributes = Attributes {
            spans: &core.tag.attributes,
            sources: SpanBuffers([text, &[], &[], &[]]),
            namespaces: &core.namespaces,
        };
        // SAFETY: parts of validated text, cut beside ASCII characters, and ASCII characters between them.
        let (name, content) = unsafe {
            let name = utf8::text(&text[at + 1..tag.name_end]);
            (Name::without_namespace(name, tag.id), utf8::text(content))
        };
        if !self.sink.leaf(name, &attributes, context, content) {
            return false;
        }
        // As much as its events.
        let cost =
            3 * EVENT_COST + attributes.len() * ATTRIBUTE_COST + leaf.references * REFERENCE_COST;
        core.credit = core.credit.saturating_sub(cost);
        if S::MARKS {
            core.interest_stack.mark(self.sink.marks());
        }
        core.elements += 1;
        core.token = None;
        self.at = end + 1;
        true
    }
}
