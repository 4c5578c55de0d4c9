//! Where the internal subset ends, found while it arrives.

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

impl SubsetEnd {
    /// The offset of the `]`, or `None` if it has not arrived. `subset` is the text from the `[` on, of
    /// which each call has more.
    pub fn scan(&mut self, subset: &[u8]) -> Option<usize> {
        loop {
            let rest = subset.get(self.at..)?;
            let (skipped, within) = match self.within {
                Within::Subset => {
                    let found = memchr::memchr2(b'<', b']', rest);
                    let open = found.unwrap_or(rest.len());
                    match rest[open..] {
                        [b']', ..] => return Some(self.at + open),
                        [b'<', b'?', ..] => (open + 2, Within::Instruction),
                        [b'<', b'!', b'-', b'-', ..] => (open + 4, Within::Comment),
                        [] | [b'<'] | [b'<', b'!'] | [b'<', b'!', b'-'] => {
                            self.at += open;
                            return None;
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
                return None;
            }
        }
    }
}

/// How much of `rest` is behind us, and where that leads.
fn past(rest: &[u8], end: &[u8], within: Within) -> (usize, Within) {
    match memchr::memmem::find(rest, end) {
        Some(at) => (at + end.len(), Within::Subset),
        // The end may have begun to arrive.
        None => (rest.len().saturating_sub(end.len() - 1), within),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

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
            let end = Some(subset.len() - 1);
            for step in 1..text.len() {
                let mut subset_end = SubsetEnd::default();
                let found = (1..=text.len())
                    .filter(|cut| cut % step == 0 || *cut == text.len())
                    .find_map(|cut| subset_end.scan(&text.as_bytes()[..cut]));
                assert_eq!(found, end, "{text} in steps of {step}");
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
            assert_eq!(
                SubsetEnd::default().scan(subset.as_bytes()),
                None,
                "{subset}"
            );
        }
    }
}
