//! The attributes of skipped tags: checked, and dropped.

use crate::xml::fast::reference_end::reference_end;
use crate::xml::fast::tokens::{fast_attribute, space_before_end};
use crate::xml::names::table::{NameId, NameTable, Prediction};
use crate::xml::scanner::state::limits::FastLimits;
use crate::xml::simd::byte_search::value_end;
use crate::xml::simd::structural_index::Lookahead;

/// A start tag with attributes, as far as its name.
pub(super) struct OpenTag {
    pub start: usize,
    pub name: NameId,
    pub name_end: usize,
}

/// Checks the attributes of a tag; returns where it ends, and whether it is an empty one. If not all of them are
/// predicted, returns where the predicted ones end and their number; or none, if they do not lie in a window.
#[inline(always)]
pub(super) fn attributes(
    text: &[u8],
    tag: &OpenTag,
    prediction: &mut Prediction<'_>,
    ahead: &mut Lookahead<'_>,
    limits: &FastLimits,
) -> Result<(usize, bool), Option<(usize, usize)>> {
    loop {
        match expected_attributes(text, tag.name_end, prediction, ahead, limits) {
            Some((at, count)) => return tag_end(text, at).ok_or(Some((at, count))),
            None if ahead.begin_window(tag.start, tag.name_end) => {
                prediction.go_back(Some(tag.name))
            }
            None => return Err(None),
        }
    }
}

/// Checks those of the attributes from `from` on that are expected; returns where they end, and how many they are.
/// `None`: the window ended before, or one of them is not plain.
#[inline(always)]
fn expected_attributes(
    text: &[u8],
    from: usize,
    prediction: &mut Prediction<'_>,
    ahead: &mut Lookahead<'_>,
    limits: &FastLimits,
) -> Option<(usize, usize)> {
    let mut quotes = ahead.quotes(from)?;
    prediction.begin_tag();
    let mut at = from;
    let mut count = 0;
    while let Some(value) = prediction.attribute(text, at) {
        // The quote before the value, and the one behind it.
        quotes.pass()?;
        let end = quotes.pass()?;
        count += 1;
        if end - value > limits.value_bytes {
            return None;
        }
        at = end + 1;
    }
    let may_stand = |position| match text[position] {
        b'<' => false,
        b'&' => reference_end(text, position, limits.name_bytes).is_some(),
        _ => true,
    };
    (count <= limits.all_attributes && ahead.pass_until(at, may_stand)).then_some((at, count))
}

/// Where the tag ends if it does at `at`, and whether it is an empty one.
#[inline(always)]
fn tag_end(text: &[u8], at: usize) -> Option<(usize, bool)> {
    match text.get(at..)? {
        [b'>', ..] => Some((at + 1, false)),
        [b'/', b'>', ..] => Some((at + 2, true)),
        _ => None,
    }
}

/// Checks the attributes of a tag, all of them or those behind a place `from` with the number of attributes before it; returns
/// where the tag ends, and whether it is an empty one.
#[inline(never)]
pub(super) fn more_attributes(
    text: &[u8],
    tag: &OpenTag,
    from: Option<(usize, usize)>,
    name_table: &mut NameTable,
    limits: &FastLimits,
) -> Option<(usize, bool)> {
    let text = &text[..text.len().min(tag.start + limits.tag_bytes)];
    let (mut at, mut count) = from.unwrap_or_else(|| {
        name_table.go_back(Some(tag.name));
        name_table.begin_tag();
        (tag.name_end, 0)
    });
    loop {
        if let Some(end) = tag_end(text, at) {
            return Some(end);
        }
        let Some(start) = fast_attribute(name_table, text, at, limits.name_bytes) else {
            return tag_end(text, space_before_end(text, at)?);
        };
        let end = skip_value(text, start.value, start.quote, limits.name_bytes)?;
        count += 1;
        // Those whose names have no numbers are compared elsewhere.
        if name_table.record_attribute(start.id?)
            || end - start.value > limits.value_bytes
            || count > limits.all_attributes
        {
            return None;
        }
        at = end + 1;
    }
}

/// Where the value from `from` on has its closing quote, if nothing is in it that has to be looked up.
#[inline(always)]
fn skip_value(text: &[u8], from: usize, quote: u8, max_name: usize) -> Option<usize> {
    let mut at = value_end(text, from, quote);
    loop {
        match text.get(at)? {
            b'&' => at = reference_end(text, at, max_name)?,
            b'\t' | b'\n' | b'\r' => at += 1,
            &byte => return (byte == quote).then_some(at),
        }
        at = value_end(text, at, quote);
    }
}
