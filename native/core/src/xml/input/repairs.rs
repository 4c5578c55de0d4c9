//! Characters that no document may hold, where they are recovered: each becomes U+FFFD in the text.
//!
//! In UTF-8 a control character then takes three bytes instead of one. Where they stand is kept as long as the
//! text is, so that offsets are still those of the original.

use crate::arena::account::{Account, Refusal};
use crate::arena::charged_vec::ChargedVec;
use crate::sync::Arc;
use crate::xml::syntax::byte_class::is_control;

const REPLACEMENT: &[u8; 3] = b"\xEF\xBF\xBD";

/// By how many bytes a control character grows.
const GROWTH: usize = REPLACEMENT.len() - 1;

#[derive(Debug)]
pub(crate) struct Repairs {
    /// Those of the buffered text, in its order.
    all: ChargedVec<Repair>,
    /// The number of those that were reported.
    reported: usize,
    /// The maximum number in a document, and what is left of it.
    most: u64,
    left: u64,
}

/// A character that was replaced.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Repair {
    /// Index of its replacement in the text.
    at: u32,
    code: u16,
}

impl Repair {
    pub fn at(self) -> usize {
        self.at as usize
    }

    /// The character that stood there.
    pub fn char(self) -> char {
        char::from_u32(self.code.into()).unwrap_or(char::REPLACEMENT_CHARACTER)
    }

    fn growth(self) -> usize {
        match self.code {
            0..=0x7F => GROWTH,
            _ => 0,
        }
    }

    /// How much of that lies from `from` up to `to`, which may be within the replacement: a limit may be reached there. The
    /// replacement's first byte stands for the original's.
    fn growth_within(self, from: usize, to: usize) -> usize {
        let behind = self.at() + REPLACEMENT.len();
        let begin = from.max(behind - self.growth());
        to.min(behind).saturating_sub(begin)
    }
}

impl Repairs {
    /// With a maximum number of repairs in a document.
    pub fn new(account: &Arc<Account>, most: u64) -> Repairs {
        Repairs {
            all: ChargedVec::new(account),
            reported: 0,
            most,
            left: most,
        }
    }

    /// The maximum number in a document.
    pub fn most(&self) -> u64 {
        self.most
    }

    /// Repairs `text` from `from` up to `to`, between which it is UTF-8. Returns where the repaired text ends, and whether the maximum
    /// was exceeded: the text then ends before that character. A refusal changes nothing.
    pub fn repair(
        &mut self,
        text: &mut ChargedVec<u8>,
        from: usize,
        to: usize,
    ) -> Result<(usize, bool), Refusal> {
        let is_illegal = |index: usize| illegal(&text[index..to]).is_some();
        let found = (from..to).filter(|&index| is_illegal(index)).count() as u64;
        let count = found.min(self.left) as usize;
        self.all.reserve(count)?;
        text.reserve(count * GROWTH)?;
        let (mut growth, mut stop) = (0, to);
        for index in from..to {
            let Some(code) = illegal(&text[index..to]) else {
                continue;
            };
            if self.left == 0 {
                stop = index;
                break;
            }
            self.left -= 1;
            let at = (index + growth) as u32;
            let repair = Repair { at, code };
            self.all.push(repair)?;
            growth += repair.growth();
        }
        let is_beyond = found > count as u64;
        if is_beyond {
            text.truncate(stop);
        }
        self.replace(text, from, stop, growth)?;
        Ok((stop + growth, is_beyond))
    }

    /// Writes the replacements of the text up to `stop`, from its end on: it grows.
    fn replace(
        &self,
        text: &mut ChargedVec<u8>,
        from: usize,
        stop: usize,
        growth: usize,
    ) -> Result<(), Refusal> {
        let end = text.len();
        for _ in 0..growth {
            text.push(0)?;
        }
        text.copy_within(stop..end, stop + growth);
        let (mut read, mut write) = (stop, stop + growth);
        for repair in self.all.iter().rev() {
            let behind = repair.at() + REPLACEMENT.len();
            if behind <= from {
                break;
            }
            let unchanged = write - behind;
            text.copy_within(read - unchanged..read, behind);
            text[repair.at()..behind].copy_from_slice(REPLACEMENT);
            read -= unchanged + REPLACEMENT.len() - repair.growth();
            write = repair.at();
            if write <= from {
                break;
            }
        }
        Ok(())
    }

    /// How many bytes of the text from `from` up to `to` are not of the original.
    pub fn growth(&self, from: usize, to: usize) -> usize {
        if self.all.is_empty() {
            return 0;
        }
        let is_before = |repair: &Repair| repair.at() + REPLACEMENT.len() <= from;
        let first = self.all.partition_point(is_before);
        let within = self.all[first..]
            .iter()
            .take_while(|repair| repair.at() < to);
        within.map(|repair| repair.growth_within(from, to)).sum()
    }

    /// The first bytes of the text go away.
    pub fn discard(&mut self, bytes: usize) {
        if self.all.is_empty() {
            return;
        }
        let gone = self.all.partition_point(|repair| repair.at() < bytes);
        self.all.drain_front(gone);
        self.reported = self.reported.saturating_sub(gone);
        for repair in self.all.iter_mut() {
            repair.at -= bytes as u32;
        }
    }

    /// The first one before `end` that was not reported.
    pub fn unsent(&self, end: usize) -> Option<Repair> {
        let next = self.all.get(self.reported).copied();
        next.filter(|repair| repair.at() < end)
    }

    /// That one was reported.
    pub fn report(&mut self) {
        self.reported += 1;
    }
}

/// The character at the start of `text`, if no document may hold it.
fn illegal(text: &[u8]) -> Option<u16> {
    match *text {
        [byte, ..] if is_control(byte) => Some(byte.into()),
        [0xEF, 0xBF, last @ (0xBE | 0xBF), ..] => Some(0xFF00 | u16::from(last | 0xC0)),
        _ => None,
    }
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn repaired(before: &str, text: &str, after: &[u8], most: u64) -> (Vec<u8>, Repairs, bool) {
        let account = Account::root();
        let mut repairs = Repairs::new(&account, most);
        let mut buffer = ChargedVec::new(&account);
        buffer.extend_from_slice(before.as_bytes()).unwrap();
        buffer.extend_from_slice(text.as_bytes()).unwrap();
        buffer.extend_from_slice(after).unwrap();
        let (from, to) = (before.len(), before.len() + text.len());
        let (end, is_beyond) = repairs.repair(&mut buffer, from, to).unwrap();
        assert_eq!(&buffer[end..], if is_beyond { b"" } else { after });
        (buffer[..end].to_vec(), repairs, is_beyond)
    }

    #[test]
    fn every_illegal_character_is_replaced_and_no_other() {
        let texts = [
            "",
            "\0",
            "a",
            "\0\0",
            "\u{FFFE}",
            "\u{FFFF}x\u{FFFE}\u{1}",
            "é\u{1F}\u{FFFD}\t\r\n\u{7F}\u{8}",
            "\u{1}a\u{2}b\u{FFFF}c\u{3}",
            "\u{EFFE}\u{FEFF}\u{F8FF}",
        ];
        for before in ["", "x", "\u{1}é"] {
            for text in texts {
                let is_bad = |char: char| {
                    matches!(char, '\u{FFFE}' | '\u{FFFF}')
                        || (char < ' ' && !"\t\r\n".contains(char))
                };
                let expected: String = text
                    .chars()
                    .map(|char| if is_bad(char) { '\u{FFFD}' } else { char })
                    .collect();
                let (found, mut repairs, is_beyond) = repaired(before, text, b"\xE2\x82", 100);
                assert_eq!(
                    found,
                    format!("{before}{expected}").into_bytes(),
                    "{text:?}"
                );
                assert!(!is_beyond);
                let growth = found.len() - before.len() - text.len();
                assert_eq!(repairs.growth(0, found.len()), growth);
                let mut told = String::new();
                while let Some(repair) = repairs.unsent(found.len()) {
                    assert_eq!(&found[repair.at()..repair.at() + 3], REPLACEMENT);
                    told.push(repair.char());
                    repairs.report();
                }
                let bad: String = text.chars().filter(|&char| is_bad(char)).collect();
                assert_eq!(told, bad);
            }
        }
    }

    #[test]
    fn one_too_many_ends_the_text() {
        let (found, repairs, is_beyond) = repaired("", "a\u{1}b\u{2}c\u{3}d", b"e", 2);
        assert_eq!(found, "a\u{FFFD}b\u{FFFD}c".as_bytes());
        assert!(is_beyond);
        assert_eq!(repairs.growth(0, found.len()), 4);
    }

    #[test]
    fn growth_is_of_the_part_that_was_passed() {
        let (found, repairs, _) = repaired("", "a\u{1}b\u{FFFE}", b"", 9);
        let growths: Vec<usize> = (0..=found.len()).map(|to| repairs.growth(0, to)).collect();
        assert_eq!(growths, [0, 0, 0, 1, 2, 2, 2, 2, 2]);
        for middle in 0..=found.len() {
            let parts = repairs.growth(0, middle) + repairs.growth(middle, found.len());
            assert_eq!(parts, 2, "{middle}");
        }
    }

    #[test]
    fn what_is_discarded_no_longer_counts() {
        let (found, mut repairs, _) = repaired("", "a\u{1}b\u{2}c\u{FFFE}", b"", 9);
        assert_eq!(repairs.growth(0, 4), 2);
        repairs.discard(5);
        assert_eq!(repairs.growth(0, found.len() - 5), 2);
        assert_eq!(
            repairs.unsent(1).map(|repair| (repair.at(), repair.char())),
            Some((0, '\u{2}'))
        );
        repairs.discard(found.len() - 5);
        assert!(repairs.unsent(100).is_none());
    }
}
