//! Skips tokens that become no events: the tight loop of a selection.
//!
//! Predicted names are matched with the help of a structural index; new names are learned, and predicted from then on.
#![allow(unsafe_code)]

use crate::arena::account::Refusal;
use crate::xml::api::sink::{Interest, Name};
use crate::xml::fast::reference_end::reference_end;
use crate::xml::fast::skip_attributes::{OpenTag, attributes, more_attributes};
use crate::xml::fast::tokens::unexpected_name;
use crate::xml::names::table::{MAX_NAME_BYTES, NameId, NameTable, Role, ends_name};
use crate::xml::scanner::markup::CDATA;
use crate::xml::scanner::state::Core;
use crate::xml::scanner::state::limits::FastLimits;
use crate::xml::simd::structural_index::Lookahead;
use crate::xml::syntax::utf8;

/// The cost of a skipped token, and of each attribute and reference in it, in units of credit.
pub(super) const SKIP_COST: usize = 20;

/// This number of bytes of a CDATA section costs as much as a token.
const CDATA_BYTES: usize = 64;

/// Tags without attributes, whose names have numbers, are no longer.
const SHORT_TAG: usize = MAX_NAME_BYTES + 2;

/// The number of bytes of a token that are loaded at once: enough to recognise a predefined reference.
const START_BYTES: usize = 8;

/// The reason why skipping stopped.
pub(super) enum Stop {
    /// An element whose name the sink has to be asked about.
    Asks(NameSpan),
    /// An element of which everything is wanted.
    Wanted,
    /// An element whose tag the sink wants, in this context.
    Tag(u64),
    /// The end tag of a root element, of one whose name has no number, or one that the sink wants.
    Ends,
    /// A token that is left to the scanner, or the end of the call's credit.
    LeftToScanner,
    Refused(Refusal),
}

/// A name with a number, and where it lies.
pub(super) struct NameSpan {
    pub id: NameId,
    start: usize,
    end: usize,
}

impl NameSpan {
    #[inline(always)]
    pub fn of<'t>(&self, text: &'t [u8]) -> Name<'t> {
        // SAFETY: a name is a part of validated text, cut beside ASCII characters.
        Name::without_namespace(
            unsafe { utf8::text(&text[self.start..self.end]) },
            Some(self.id),
        )
    }
}

/// Skips tokens from `at` on; returns where it stopped, and why.
///
/// One function over 100 lines, on purpose: the position, the credit, the decision in force, the prediction and the lookahead are
/// local variables that every kind of token reads and writes and that the optimiser keeps in registers. Each kind also leaves
/// the loop in several ways, so a function for each would return all of them at each token.
#[inline(never)]
pub(super) fn skip_loop(text: &[u8], at: usize, core: &mut Core) -> (usize, Stop) {
    let Core {
        credit,
        elements,
        limits,
        fast_limits,
        name_table,
        element_stack,
        interest_stack,
        structural_index,
        options,
        space,
        ..
    } = core;
    if fast_limits.tag_bytes < SHORT_TAG {
        return (at, Stop::LeftToScanner);
    }
    let budget = (*credit / SKIP_COST)
        .min(usize::try_from(limits.max_elements - *elements).unwrap_or(usize::MAX));
    let space_floor = space.floor;
    // Where white space is skipped, attributes are looked at more closely.
    let tag_bytes = match options.skip_whitespace {
        true => 0,
        false => fast_limits.tag_bytes,
    };
    let max_depth = usize::try_from(limits.max_depth).unwrap_or(usize::MAX);
    let mut left = budget;
    let mut begun = 0;
    let mut at = at;
    // A decision lasts for one element mostly, so it stays in local variables.
    let (mut asks, mut floor) = (interest_stack.asks(), interest_stack.floor());
    interest_stack.ask();
    let mut ahead = Lookahead::new(text, structural_index, at);
    let mut prediction = name_table.prediction();
    let mut stop = Stop::LeftToScanner;
    while left > 0 {
        let Some(position) = ahead.next(at) else {
            break;
        };
        let Some(start) = text
            .get(position..)
            .and_then(|rest| rest.first_chunk::<START_BYTES>())
        else {
            break;
        };
        left -= 1;
        let [first, second, ..] = *start;
        match (first, second) {
            (b'<', b'/') => {
                at = position;
                let around = element_stack.depth().saturating_sub(1);
                let is_last = around <= floor;
                let is_told = is_last && asks && interest_stack.is_told();
                let leaves = is_told || around < space_floor;
                let (Some(id), false) = (element_stack.innermost_id(), leaves) else {
                    stop = Stop::Ends;
                    break;
                };
                let Some(end) = prediction.end(text, position + 2, id) else {
                    break;
                };
                if text.get(end) != Some(&b'>') {
                    break;
                }
                element_stack.pop_known();
                ahead.pass();
                at = end + 1;
                if is_last {
                    if asks {
                        interest_stack.close(around);
                    }
                    asks = true;
                    floor = interest_stack.floor();
                }
            }
            (b'<', b'!') => {
                at = position;
                let Some(end) = cdata(text, position, &mut ahead) else {
                    break;
                };
                left = left.saturating_sub((end - position) / CDATA_BYTES);
                at = end;
            }
            (b'<', _) => {
                at = position;
                let depth = element_stack.depth();
                if depth >= max_depth {
                    break;
                }
                let (place, _) = prediction.state();
                let (id, name_end) = match prediction.element(text, position + 1) {
                    Some(read) => read,
                    None => {
                        let behind = prediction.state();
                        name_table.resume(behind);
                        let read = new_element(text, position + 1, name_table, fast_limits);
                        prediction = name_table.prediction();
                        match read {
                            Some(read) => read,
                            None => break,
                        }
                    }
                };
                let mut within = None;
                if asks {
                    let (start, end) = (position + 1, name_end);
                    let reason = match interest_stack.answer(id) {
                        None => Some(Stop::Asks(NameSpan { id, start, end })),
                        Some(Interest::All) => Some(Stop::Wanted),
                        Some(Interest::Tags(context)) => Some(Stop::Tag(context)),
                        Some(Interest::Within(context)) => {
                            within = Some(context);
                            None
                        }
                        Some(Interest::Nothing) => None,
                    };
                    if let Some(reason) = reason {
                        prediction.go_back(place);
                        stop = reason;
                        break;
                    }
                }
                ahead.pass();
                let (end, empty) = match text.get(name_end) {
                    Some(b'>') => (name_end + 1, false),
                    _ => {
                        let tag = OpenTag {
                            start: position,
                            name: id,
                            name_end,
                        };
                        let read = match attributes(
                            text,
                            &tag,
                            &mut prediction,
                            &mut ahead,
                            fast_limits,
                        ) {
                            Ok(end) => Some(end),
                            Err(from) => {
                                let behind = prediction.state();
                                name_table.resume(behind);
                                let end =
                                    more_attributes(text, &tag, from, name_table, fast_limits);
                                prediction = name_table.prediction();
                                ahead.move_to(end.map_or(position, |(end, _)| end));
                                end
                            }
                        };
                        match read {
                            Some(end) if end.0 - position <= tag_bytes => end,
                            Some(end)
                                if options.skip_whitespace
                                    && end.0 - position <= fast_limits.tag_bytes
                                    && !(asks && says_space(&text[name_end..end.0])) =>
                            {
                                end
                            }
                            _ => {
                                prediction.go_back(place);
                                break;
                            }
                        }
                    }
                };
                if !empty {
                    let mut opened = element_stack.push_known(id);
                    if asks && opened.is_ok() {
                        match within {
                            Some(context) => {
                                opened = interest_stack.step(context, depth);
                                floor = interest_stack.floor();
                                if opened.is_err() {
                                    element_stack.pop_known();
                                }
                            }
                            None => (asks, floor) = (false, depth),
                        }
                    }
                    if let Err(refusal) = opened {
                        prediction.go_back(place);
                        stop = Stop::Refused(refusal);
                        break;
                    }
                }
                begun += 1;
                at = end;
            }
            (b'&', _) => {
                let Some(end) = reference_end(text, position, fast_limits.name_bytes) else {
                    break;
                };
                ahead.pass();
                at = end;
            }
            _ if closes_cdata(text, position) => break,
            _ => {
                ahead.pass();
                at = position + 1;
            }
        }
    }
    if !asks {
        interest_stack.decide(Interest::Nothing, floor);
    }
    let behind = prediction.state();
    name_table.resume(behind);
    *credit = credit.saturating_sub((budget - left) * SKIP_COST);
    *elements += begun;
    (at, stop)
}

/// Whether the attributes of a tag may say that white space is text, which the scanner keeps.
fn says_space(attributes: &[u8]) -> bool {
    memchr::memmem::find(attributes, b"xml:space").is_some()
}

/// Where the CDATA section at `at` ends, if it does in this text.
#[inline]
fn cdata(text: &[u8], at: usize, ahead: &mut Lookahead<'_>) -> Option<usize> {
    if !text[at..].starts_with(CDATA) {
        return None;
    }
    loop {
        let position = ahead.next(at)?;
        ahead.pass();
        if text[position] == b'>' && closes_cdata(text, position) {
            return Some(position + 1);
        }
    }
}

/// Whether the `]>` whose end is at `position` is `]]>`.
#[inline(always)]
fn closes_cdata(text: &[u8], position: usize) -> bool {
    text[..position].ends_with(b"]]")
}

/// Reads the name at `from` of an element that was not expected; returns where it ends.
#[cold]
#[inline(never)]
fn new_element(
    text: &[u8],
    from: usize,
    name_table: &mut NameTable,
    limits: &FastLimits,
) -> Option<(NameId, usize)> {
    let place = name_table.place();
    match unexpected_name(name_table, text, from, limits.name_bytes, Role::Element) {
        Some((Some(id), end)) if text.get(end).is_some_and(|&byte| ends_name(byte)) => {
            Some((id, end))
        }
        _ => {
            name_table.go_back(place);
            None
        }
    }
}
