//! The meaning of a fuzzer's bytes: a short header, then the document.

use bounded_core::xml::{DoctypePolicy, Emit, Limits, Options, Recover, Roots, TextMode};

/// Bytes of the header.
pub const HEADER: usize = 8;

/// Encodings that a caller may name, by the header's second byte. The empty one names none.
pub const ENCODINGS: [&str; 16] = [
    "",
    "UTF-8",
    "UTF-16",
    "UTF-16LE",
    "UTF-16BE",
    "ISO-8859-1",
    "US-ASCII",
    "windows-1252",
    "Shift_JIS",
    "EUC-JP",
    "ISO-2022-JP",
    "GB18030",
    "Big5",
    "EUC-KR",
    "KOI8-R",
    "ISO-8859-8",
];

/// A case: options, a way to cut, a document.
#[derive(Debug)]
pub struct Case<'a> {
    pub options: Options,
    pub encoding: usize,
    /// Whether the sink makes everything difficult.
    pub reluctant: bool,
    pub cuts: Cuts,
    pub document: &'a [u8],
}

impl<'a> Case<'a> {
    /// Reads a case; `None` when there is not even a header. Zeros mean default options.
    pub fn read(bytes: &'a [u8]) -> Option<Case<'a>> {
        let (header, document) = bytes.split_at_checked(HEADER)?;
        let flag = |bit: u32| header[0] >> bit & 1 == 1;
        let more = |bit: u32| header[2] >> bit & 1 == 1;
        let encoding = usize::from(header[1]) % ENCODINGS.len();
        let options = Options {
            limits: if flag(7) { small() } else { Limits::default() },
            doctype: if more(0) {
                DoctypePolicy::Reject
            } else {
                DoctypePolicy::Internal
            },
            namespaces: flag(0),
            emit: Emit {
                cdata: flag(1),
                comments: flag(2),
                processing_instructions: flag(3),
                doctype: flag(4),
            },
            encoding: (encoding > 0).then(|| ENCODINGS[encoding].to_owned()),
            skip_whitespace: more(1),
            recover: recover(header[2] >> 4),
            report_recovered: false,
            text: if flag(5) {
                TextMode::Joined
            } else {
                TextMode::Pieces
            },
            positions: flag(6),
            tag_positions: flag(6),
            raw: false,
            end_offsets: false,
            roots: if more(2) { Roots::Many } else { Roots::One },
        };
        Some(Case {
            options,
            encoding,
            reluctant: more(3),
            cuts: Cuts {
                longest: usize::from(header[3]) + 1,
                state: u32::from_le_bytes([header[4], header[5], header[6], header[7]]) | 1,
            },
            document,
        })
    }
}

/// What is recovered, by the lowest four bits.
pub fn recover(bits: u8) -> Recover {
    let flag = |bit: u32| bits >> bit & 1 == 1;
    Recover {
        entities: flag(0),
        characters: flag(1),
        ampersands: flag(2),
        leading_whitespace: flag(3),
    }
}

/// Limits that short documents reach.
fn small() -> Limits {
    Limits {
        max_depth: 4,
        max_attributes: 3,
        max_name_bytes: 8,
        max_attribute_bytes: 24,
        max_token_bytes: 64,
        max_text_bytes: 16,
        max_namespaces: 3,
        max_dtd_bytes: 200,
        max_entities: 3,
        max_entity_expansions: 5,
        max_entity_depth: 3,
        max_entity_bytes: 20,
        max_amplification: 2,
        max_bytes: 1000,
        max_elements: 10,
        max_recoveries: 5,
    }
}

/// Lengths of chunks, by a linear congruential generator.
#[derive(Clone, Copy, Debug)]
pub struct Cuts {
    longest: usize,
    state: u32,
}

impl Cuts {
    /// Chunks of at most `longest` bytes, as chance has them.
    pub fn new(longest: usize, state: u32) -> Cuts {
        Cuts { longest, state }
    }

    /// Cuts a document into chunks; some are empty.
    pub fn chunks(self, document: &[u8]) -> impl Iterator<Item = &[u8]> {
        let Cuts { longest, mut state } = self;
        let mut rest = document;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let len = (state >> 16) as usize % (longest + 1);
            let (chunk, left) = rest.split_at(len.min(rest.len()));
            rest = left;
            Some(chunk)
        })
    }
}
