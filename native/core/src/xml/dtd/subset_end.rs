//! Where the internal subset ends, found while it arrives.

use crate::xml::dtd::cursor::find;

/// The cost of a part of a declaration, a comment or an instruction, in units of credit.
const PART_COST: usize = 50;

/// Searches for the `]` that ends the internal subset, looking at each byte once.
///
/// It knows quotes, comments and processing instructions, and believes that the declarations are well-formed.
/// Where they are not, it may stop early, late or never; the parser then finds the fault before the
/// place where this search went wrong.
#[derive(Clone, Copy, Debug, Default)]
pub struct SubsetEnd {
    at: usize,
    within: Within,
}

#[derive(Clone, Copy, Debug, Default)]
enum Within {
    #[default]
    Subset,
    Declaration,
    Quotes(u8),
    Comment,
    Instruction,
}

/// What a search found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The offset of the `]`.
    End(usize),
    /// It has not arrived.
    Missing,
    /// The credit is used up.
    Paused,
}

impl SubsetEnd {
    /// How many bytes were searched.
    pub fn searched(&self) -> usize {
        self.at
    }

    /// Searches on, for as much `credit` as there is. `subset` is the text from the `[` on, of which each call has as much as
    /// the one before, or more.
    pub fn scan(&mut self, subset: &[u8], credit: &mut usize) -> Found {
        loop {
            if *credit == 0 {
                return Found::Paused;
            }
            *credit = credit.saturating_sub(PART_COST);
            let Some(rest) = subset.get(self.at..) else {
                return Found::Missing;
            };
            let (skipped, within) = match self.within {
                Within::Subset => {
                    let found = memchr::memchr2(b'<', b']', rest);
                    let open = found.unwrap_or(rest.len());
                    match rest[open..] {
                        [b']', ..] => return Found::End(self.at + open),
                        [b'<', b'?', ..] => (open + 2, Within::Instruction),
                        [b'<', b'!', b'-', b'-', ..] => (open + 4, Within::Comment),
                        [] | [b'<'] | [b'<', b'!'] | [b'<', b'!', b'-'] => {
                            self.at += open;
                            return Found::Missing;
                        }
                        _ => (open + 1, Within::Declaration),
                    }
                }
                Within::Declaration => match memchr::memchr3(b'>', b'"', b'\'', rest) {
                    None => (rest.len(), Within::Declaration),
                    Some(end) if rest[end] == b'>' => (end + 1, Within::Subset),
                    Some(quote) => (quote + 1, Within::Quotes(rest[quote])),
                },
                Within::Quotes(quote) => match memchr::memchr(quote, rest) {
                    None => (rest.len(), self.within),
                    Some(end) => (end + 1, Within::Declaration),
                },
                Within::Comment => past(rest, b"-->", self.within),
                Within::Instruction => past(rest, b"?>", self.within),
            };
            self.at += skipped;
            self.within = within;
            if skipped == 0 || self.at == subset.len() {
                return Found::Missing;
            }
        }
    }
}

/// How much of `rest` is behind us, and where that leads.
fn past(rest: &[u8], end: &[u8], within: Within) -> (usize, Within) {
    match find(rest, end) {
        Some(at) => (at + end.len(), Within::Subset),
        // The end may have begun to arrive.
        None => (rest.len().saturating_sub(end.len() - 1), within),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Searches until it is known, with so much credit at a time.
    fn search(subset_end: &mut SubsetEnd, subset: &[u8], credit: usize) -> Found {
        loop {
            match subset_end.scan(subset, &mut { credit }) {
                Found::Paused => {}
                found => return found,
            }
        }
    }

    #[test]
    fn the_end_is_the_same_however_the_text_arrives() {
        for subset in [
            "]",
            " <!ENTITY a ']>'> ]",
            "<!ENTITY a \"']>\"><!ATTLIST a b CDATA ']' c CDATA \"]\">]",
            "<!-- ]> ' -- \" --->]",
            "<?p ]?]> ' \" > ??>%a;]",
            "<!ELEMENT a (b|c)*><!NOTATION n SYSTEM ']'>]",
        ] {
            let text = format!("{subset}><a b=']'/>");
            let end = Found::End(subset.len() - 1);
            for step in 1..text.len() {
                for credit in [1, 2 * PART_COST, usize::MAX] {
                    let mut subset_end = SubsetEnd::default();
                    let mut cuts = (1..=text.len())
                        .filter(|cut| cut % step == 0 || *cut == text.len())
                        .map(|cut| search(&mut subset_end, &text.as_bytes()[..cut], credit));
                    let found = cuts.find(|found| *found != Found::Missing);
                    assert_eq!(found, Some(end), "{text} in steps of {step}");
                }
            }
        }
    }

    #[test]
    fn an_end_within_something_is_none() {
        for subset in [
            "",
            "<!ENTITY a ']",
            "<!--]",
            "<?p ]",
            "<]",
            "<!",
            "<!-",
            "<!ENTITY a ]",
        ] {
            let found = search(&mut SubsetEnd::default(), subset.as_bytes(), 1);
            assert_eq!(found, Found::Missing, "{subset}");
        }
    }
}
