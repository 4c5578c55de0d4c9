//! Encodings of one byte per character, by table.

use crate::arena::account::{Account, Refusal};
use crate::arena::charged_vec::ChargedVec;
use crate::sync::Arc;
use crate::xml::encoding::charset::Repertoire;
use crate::xml::encoding::{EncodingError, Failure};
use encoding_rs::Encoding;

/// In the table, a byte that the encoding does not assign. No single-byte encoding has this character.
const UNASSIGNED: char = char::REPLACEMENT_CHARACTER;

/// The number of bytes that are decoded one by one where one is not ASCII.
const NEAR: usize = 32;

#[derive(Debug)]
pub(super) struct SingleByte {
    repertoire: Repertoire,
    table: ChargedVec<char>,
    /// Longest character in bytes of UTF-8.
    widest: usize,
}

impl SingleByte {
    pub(super) fn new(
        account: &Arc<Account>,
        repertoire: Repertoire,
    ) -> Result<SingleByte, Refusal> {
        let mut table = ChargedVec::new(account);
        table.reserve(256)?;
        let mut widest = 1;
        for byte in 0..=u8::MAX {
            let character = repertoire.character(byte).unwrap_or(UNASSIGNED);
            widest = widest.max(character.len_utf8());
            table.push(character)?;
        }
        Ok(SingleByte {
            repertoire,
            table,
            widest,
        })
    }

    /// As many bytes of text as `bytes` can become.
    pub(super) fn widest(&self, bytes: usize) -> usize {
        bytes.saturating_mul(self.widest)
    }

    pub(super) fn decode(
        &self,
        raw: &[u8],
        at: u64,
        text: &mut ChargedVec<u8>,
    ) -> Result<(), Failure> {
        let mut rest = raw;
        loop {
            let (ascii, others) = rest.split_at(Encoding::ascii_valid_up_to(rest));
            text.extend_from_slice(ascii)?;
            if others.is_empty() {
                return Ok(());
            }
            // Where one is not ASCII, others are near.
            let (near, after) = others.split_at(others.len().min(NEAR));
            let mut decoded = [0; 4 * NEAR];
            let mut len = 0;
            for (index, &byte) in near.iter().enumerate() {
                let character = self.table[usize::from(byte)];
                if character == UNASSIGNED {
                    text.extend_from_slice(&decoded[..len])?;
                    let offset = at + (raw.len() - others.len() + index) as u64;
                    return Err(self.unassigned(byte, offset).into());
                }
                len += character.encode_utf8(&mut decoded[len..]).len();
            }
            text.extend_from_slice(&decoded[..len])?;
            rest = after;
        }
    }

    #[cold]
    fn unassigned(&self, byte: u8, offset: u64) -> EncodingError {
        let encoding = self.repertoire.name();
        let reason = format!("byte 0x{byte:02X} means nothing in {encoding}");
        EncodingError::malformed(offset, reason)
    }
}
