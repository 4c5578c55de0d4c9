//! Reading over tokens of which nothing is told: the tight loop of a selection.
//!
//! What is expected is read with the help of a structural index; what is new is learned, and expected from then on.

use crate::arena::account::Refusal;
use crate::xml::api::sink::{Interest, Name};
use crate::xml::fast::skip::{SKIM_COST, reference_end};
use crate::xml::fast::tokens::{PlainLimits, plain_attribute, space_before_end, unexpected_name};
use crate::xml::names::table::{
    ExpectedNames, KnownNames, MAX_NAME_BYTES, NameId, Role, ends_name,
};
use crate::xml::scanner::markup::CDATA;
use crate::xml::scanner::state::Core;
use crate::xml::simd::byte_search::value_end;
use crate::xml::simd::structural_index::Lookahead;
use crate::xml::syntax::utf8;

/// As many bytes of a CDATA section cost as much as a token.
const CDATA_BYTES: usize = 64;

/// Tags without attributes, whose names have numbers, are no longer.
const SHORT_TAG: usize = MAX_NAME_BYTES + 2;

/// So much of a token is loaded at once: as many bytes as tell of a predefined reference.
const START_BYTES: usize = 8;

/// Why reading over tokens stopped, and what comes.
pub(super) enum Stop {
    /// An element of a name about which the sink has to be asked.
    Asks(KnownName),
    /// An element of which everything is wanted.
    Wanted,
    /// The end tag of a root element, or of one whose name has no number.
    Ends,
    /// Something that is left to the scanner, or the end of the call's share.
    NotPlain,
    Refused(Refusal),
}

/// A name with a number, and where it lies.
pub(super) struct KnownName {
    pub id: NameId,
    start: usize,
    end: usize,
}

impl KnownName {
    #[inline(always)]
    pub fn of<'t>(&self, text: &'t [u8]) -> Name<'t> {
        Name::plain(utf8::text(&text[self.start..self.end]), self.id)
    }
}

/// Reads from `at` on; says how far.
#[inline(never)]
pub(super) fn skim(text: &[u8], at: usize, core: &mut Core) -> (usize, Stop) {
    let Core {
        credit,
        elements,
        limits,
        plain_limits,
        known,
        open,
        attention,
        structural_index,
        options,
        space,
        ..
    } = core;
    if plain_limits.tag_bytes < SHORT_TAG {
        return (at, Stop::NotPlain);
    }
    let budget = (*credit / SKIM_COST)
        .min(usize::try_from(limits.max_elements - *elements).unwrap_or(usize::MAX));
    let max_depth = usize::try_from(limits.max_depth).unwrap_or(usize::MAX);
    let mut left = budget;
    let mut begun = 0;
    let mut at = at;
    // What is decided lasts for one element mostly, and is kept here meanwhile.
    let (mut asks, mut floor) = (attention.asks(), attention.floor());
    attention.ask();
    let mut ahead = Lookahead::new(text, structural_index, at);
    let mut names = known.expected_names();
    let mut stop = Stop::NotPlain;
    while left > 0 {
        let Some(mark) = ahead.next(at) else { break };
        let Some(start) = text
            .get(mark..)
            .and_then(|rest| rest.first_chunk::<START_BYTES>())
        else {
            break;
        };
        left -= 1;
        let [first, second, ..] = *start;
        match (first, second) {
            (b'<', b'/') => {
                at = mark;
                let around = open.depth().saturating_sub(1);
                let is_last = around <= floor;
                let is_watched = is_last && around == 0 || around < space.floor;
                let (Some(id), false) = (open.innermost_id(), is_watched) else {
                    stop = Stop::Ends;
                    break;
                };
                let Some(end) = names.end(text, mark + 2, id) else {
                    break;
                };
                if text.get(end) != Some(&b'>') {
                    break;
                }
                open.close_known(around);
                ahead.pass();
                at = end + 1;
                if is_last {
                    if asks {
                        attention.close(around);
                    }
                    asks = true;
                    floor = attention.floor();
                }
            }
            (b'<', b'!') => {
                at = mark;
                let Some(end) = cdata(text, mark, &mut ahead) else {
                    break;
                };
                left = left.saturating_sub((end - mark) / CDATA_BYTES);
                at = end;
            }
            (b'<', _) => {
                at = mark;
                let depth = open.depth();
                if depth >= max_depth {
                    break;
                }
                let (place, _) = names.place();
                let (id, name_end) = match names.element(text, mark + 1) {
                    Some(read) => read,
                    None => {
                        let behind = names.place();
                        known.go_on(behind);
                        let read = new_element(text, mark + 1, known, plain_limits);
                        names = known.expected_names();
                        match read {
                            Some(read) => read,
                            None => break,
                        }
                    }
                };
                if asks {
                    let (start, end) = (mark + 1, name_end);
                    let reason = match attention.answer(id) {
                        None => Some(Stop::Asks(KnownName { id, start, end })),
                        Some(Interest::All) => Some(Stop::Wanted),
                        Some(_) => None,
                    };
                    if let Some(reason) = reason {
                        names.go_back(place);
                        stop = reason;
                        break;
                    }
                }
                ahead.pass();
                let (end, empty) = match text.get(name_end) {
                    Some(b'>') => (name_end + 1, false),
                    _ => {
                        let tag = OpenTag {
                            start: mark,
                            name: id,
                            name_end,
                        };
                        let read =
                            match attributes(text, &tag, &mut names, &mut ahead, plain_limits) {
                                Ok(end) => Some(end),
                                Err(from) => {
                                    let behind = names.place();
                                    known.go_on(behind);
                                    let end =
                                        more_attributes(text, &tag, from, known, plain_limits);
                                    names = known.expected_names();
                                    ahead.move_to(end.map_or(mark, |(end, _)| end));
                                    end
                                }
                            };
                        match read {
                            Some(end)
                                if end.0 - mark <= plain_limits.tag_bytes
                                    && !(asks
                                        && options.skip_whitespace
                                        && says_space(&text[name_end..end.0])) =>
                            {
                                end
                            }
                            _ => {
                                names.go_back(place);
                                break;
                            }
                        }
                    }
                };
                if !empty {
                    let mut opened = open.push_known(id);
                    if asks && opened.is_ok() {
                        match attention.answer(id) {
                            Some(Interest::Within(context)) => {
                                opened = attention.step(context, depth);
                                floor = attention.floor();
                            }
                            _ => (asks, floor) = (false, depth),
                        }
                    }
                    if let Err(refusal) = opened {
                        open.close_known(depth);
                        names.go_back(place);
                        stop = Stop::Refused(refusal);
                        break;
                    }
                }
                begun += 1;
                at = end;
            }
            (b'&', _) => {
                let Some(end) = reference_end(text, mark, plain_limits.name_bytes) else {
                    break;
                };
                ahead.pass();
                at = end;
            }
            _ if closes_cdata(text, mark) => break,
            _ => {
                ahead.pass();
                at = mark + 1;
            }
        }
    }
    if !asks {
        attention.decide(Interest::Nothing, floor);
    }
    let behind = names.place();
    known.go_on(behind);
    *credit = credit.saturating_sub((budget - left) * SKIM_COST);
    *elements += begun;
    (at, stop)
}

/// Whether the attributes of a tag may say that white space is text, which the scanner keeps.
#[cold]
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
        let mark = ahead.next(at)?;
        ahead.pass();
        if text[mark] == b'>' && closes_cdata(text, mark) {
            return Some(mark + 1);
        }
    }
}

/// Whether the `]>` whose end is at `mark` is `]]>`.
#[inline(always)]
fn closes_cdata(text: &[u8], mark: usize) -> bool {
    text[..mark].ends_with(b"]]")
}

/// Reads the name at `from` of an element that was not expected; says where it ends.
#[cold]
#[inline(never)]
fn new_element(
    text: &[u8],
    from: usize,
    known: &mut KnownNames,
    limits: &PlainLimits,
) -> Option<(NameId, usize)> {
    let place = known.place();
    match unexpected_name(known, text, from, limits.name_bytes, Role::Element) {
        Some((Some(id), end)) if text.get(end).is_some_and(|&byte| ends_name(byte)) => {
            Some((id, end))
        }
        _ => {
            known.go_back(place);
            None
        }
    }
}

/// A start tag with attributes, as far as its name.
struct OpenTag {
    start: usize,
    name: NameId,
    name_end: usize,
}

/// Checks the attributes of a tag; says where it ends, and whether it is an empty one. If not all of them are
/// expected, says where those that are end and how many they are; or nothing, if they do not lie in a window.
#[inline(always)]
fn attributes(
    text: &[u8],
    tag: &OpenTag,
    names: &mut ExpectedNames<'_>,
    ahead: &mut Lookahead<'_>,
    limits: &PlainLimits,
) -> Result<(usize, bool), Option<(usize, usize)>> {
    loop {
        match expected_attributes(text, tag.name_end, names, ahead, limits) {
            Some((at, count)) => return tag_end(text, at).ok_or(Some((at, count))),
            None if ahead.begin_window(tag.start, tag.name_end) => names.go_back(Some(tag.name)),
            None => return Err(None),
        }
    }
}

/// Checks those of the attributes from `from` on that are expected; says where they end, and how many they are.
/// `None`: the window ended before, or one of them is not plain.
#[inline(always)]
fn expected_attributes(
    text: &[u8],
    from: usize,
    names: &mut ExpectedNames<'_>,
    ahead: &mut Lookahead<'_>,
    limits: &PlainLimits,
) -> Option<(usize, usize)> {
    let mut quotes = ahead.quotes(from)?;
    names.begin_tag();
    let mut at = from;
    let mut count = 0;
    while let Some(value) = names.attribute(text, at) {
        // The quote before the value, and the one behind it.
        quotes.pass()?;
        let end = quotes.pass()?;
        count += 1;
        if end - value > limits.value_bytes {
            return None;
        }
        at = end + 1;
    }
    let may_stand = |mark| match text[mark] {
        b'<' => false,
        b'&' => reference_end(text, mark, limits.name_bytes).is_some(),
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

/// Checks the attributes of a tag from a place on where it has so many, or all of them; says where the tag ends,
/// and whether it is an empty one.
#[inline(never)]
fn more_attributes(
    text: &[u8],
    tag: &OpenTag,
    from: Option<(usize, usize)>,
    known: &mut KnownNames,
    limits: &PlainLimits,
) -> Option<(usize, bool)> {
    let text = &text[..text.len().min(tag.start + limits.tag_bytes)];
    let (mut at, mut count) = from.unwrap_or_else(|| {
        known.go_back(Some(tag.name));
        known.begin_tag();
        (tag.name_end, 0)
    });
    loop {
        if let Some(end) = tag_end(text, at) {
            return Some(end);
        }
        let Some(start) = plain_attribute(known, text, at, limits.name_bytes) else {
            return tag_end(text, space_before_end(text, at)?);
        };
        let end = skim_value(text, start.value, start.quote, limits.name_bytes)?;
        count += 1;
        // Those whose names have no numbers are compared elsewhere.
        if known.is_repeated(start.id?)
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
fn skim_value(text: &[u8], from: usize, quote: u8, max_name: usize) -> Option<usize> {
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
