//! The names of encodings, and the code pages that the web does not know.
//!
//! `aliases.txt` holds a line for each name: without its punctuation and in lower case, then the label it stands
//! for. Labels are those of the web's Encoding Standard, or names of code pages. The names are all that the
//! Encoding Standard and the IANA registry of character sets list for these encodings, those of Python's codecs,
//! and spellings that real files carry. `code_pages.txt` holds a line for each code page: its name, then the code
//! points of the bytes from 0x80 on, four hexadecimal digits each, `FFFD` for a byte that is not assigned.
//! `bin/xml-tables` writes it.

use crate::xml::syntax::line_table;

static ALIASES: &str = include_str!("aliases.txt");
static CODE_PAGES: &str = include_str!("code_pages.txt");

/// No name is longer without its punctuation.
const LONGEST: usize = 64;

/// The label that `name` stands for, however its words are joined: `windows_1252`, `utf16`, `IBM-855`.
pub(super) fn label(name: &str) -> Option<&'static str> {
    let mut key = [0; LONGEST];
    let mut len = 0;
    for byte in name.bytes() {
        match byte {
            b'-' | b'_' | b'.' | b':' | b'+' | b'(' | b')' | b' ' => {}
            _ => {
                *key.get_mut(len)? = byte.to_ascii_lowercase();
                len += 1;
            }
        }
    }
    line_table::find(ALIASES, &key[..len])
}

/// Every label there is, some of them more than once.
pub(super) fn labels() -> impl Iterator<Item = &'static str> {
    ALIASES.lines().filter_map(|line| line.split(' ').nth(1))
}

/// A single-byte encoding by table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CodePage {
    name: &'static str,
    /// The code points of the bytes from 0x80 on.
    upper: &'static str,
}

impl CodePage {
    pub(super) fn named(label: &'static str) -> Option<CodePage> {
        let upper = line_table::find(CODE_PAGES, label.as_bytes())?;
        Some(CodePage { name: label, upper })
    }

    pub(super) fn name(self) -> &'static str {
        self.name
    }

    /// The character of a byte from 0x80 on, if one is assigned.
    pub(super) fn character(self, byte: u8) -> Option<char> {
        let start = 4 * usize::from(byte.checked_sub(0x80)?);
        let digits = self.upper.get(start..start + 4)?;
        let code = u32::from_str_radix(digits, 16).ok()?;
        char::from_u32(code).filter(|&char| char != char::REPLACEMENT_CHARACTER)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted_and_every_label_is_known() {
        line_table::check(ALIASES);
        line_table::check(CODE_PAGES);
        for label in labels() {
            assert!(
                crate::xml::encoding::Charset::labelled(label).is_some(),
                "{label}"
            );
        }
        for line in CODE_PAGES.lines() {
            let (name, upper) = line.split_once(' ').unwrap_or_default();
            assert_eq!(upper.len(), 4 * 128, "{name}");
            assert_eq!(label(name), Some(name));
        }
    }

    fn name(written: &str) -> Option<&'static str> {
        label(written)
            .and_then(crate::xml::encoding::Charset::labelled)
            .map(crate::xml::encoding::Charset::name)
    }

    #[test]
    fn names_are_known_however_they_are_spelt() {
        for (written, expected) in [
            ("windows_1252", "windows-1252"),
            ("Windows-1252", "windows-1252"),
            ("utf16", "UTF-16"),
            ("UTF_16LE", "UTF-16LE"),
            ("utf8", "UTF-8"),
            ("csUTF8", "UTF-8"),
            ("IBM855", "IBM855"),
            ("ibm-855", "IBM855"),
            ("csIBM865", "IBM865"),
            ("cp437", "IBM437"),
            ("437", "IBM437"),
            ("csPC8CodePage437", "IBM437"),
            ("cp737", "IBM737"),
            ("csPC775Baltic", "IBM775"),
            ("PC-Multilingual-850+euro", "IBM00858"),
            ("cp866", "IBM866"),
            ("cp874", "windows-874"),
            ("cp1125", "cp1125"),
            ("ruscii", "cp1125"),
            ("MacCyrillic", "MacCyrillic"),
            ("macroman", "macintosh"),
            ("mac_roman", "macintosh"),
            ("x-mac-ce", "MacLatin2"),
            ("cp936", "GBK"),
            ("MS936", "GBK"),
            ("csGBK", "GBK"),
            ("cp932", "Shift_JIS"),
            ("ISO_8859-1:1987", "ISO-8859-1"),
            ("latin_1", "ISO-8859-1"),
            ("IBM819", "ISO-8859-1"),
            ("ISO_646.irv:1991", "US-ASCII"),
            ("cp367", "US-ASCII"),
            ("cp1252", "windows-1252"),
            ("koi8_u", "KOI8-U"),
            ("KOI8-RU", "KOI8-RU"),
            ("ISO-8859-9", "ISO-8859-9"),
            ("windows-1254", "windows-1254"),
            ("TIS-620", "ISO-8859-11"),
        ] {
            assert_eq!(name(written), Some(expected), "{written}");
        }
        // The code pages of DOS, by number.
        let pages = [437, 737, 775, 850, 852, 855, 857, 874, 1125];
        for page in pages.into_iter().chain(860..=866) {
            for prefix in ["cp", "CP-", "cp_"] {
                let written = format!("{prefix}{page}");
                assert!(name(&written).is_some(), "{written}");
            }
        }
        let long = "x".repeat(1000);
        for unknown in [
            "", "-", "utf-7", "utf-9", "klingon", "UTF-32", "utf-8!", &long,
        ] {
            assert_eq!(name(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn code_pages_mean_what_their_charts_say() {
        for (page, byte, expected) in [
            ("IBM437", 0x80, Some('Ç')),
            ("IBM437", 0xE1, Some('ß')),
            ("IBM437", 0xFF, Some('\u{A0}')),
            ("IBM737", 0x80, Some('Α')),
            ("IBM775", 0x80, Some('Ć')),
            ("IBM850", 0xD5, Some('ı')),
            ("IBM00858", 0xD5, Some('€')),
            ("IBM852", 0xA5, Some('ą')),
            ("IBM855", 0x80, Some('ђ')),
            ("IBM857", 0xD5, None),
            ("IBM862", 0x80, Some('א')),
            ("IBM865", 0x9B, Some('ø')),
            ("IBM869", 0xA4, Some('Α')),
            ("KOI8-U", 0xAE, Some('╝')),
            ("KOI8-U", 0xBE, Some('╬')),
            ("KOI8-U", 0xB4, Some('Є')),
            ("cp1125", 0xF2, Some('Ґ')),
            ("MacCyrillic", 0xFF, Some('€')),
            ("MacGreek", 0x81, Some('¹')),
        ] {
            let found = CodePage::named(page).and_then(|it| it.character(byte));
            assert_eq!(found, expected, "{page} {byte:X}");
        }
        assert_eq!(
            CodePage::named("IBM437").and_then(|it| it.character(0x7F)),
            None
        );
    }
}
