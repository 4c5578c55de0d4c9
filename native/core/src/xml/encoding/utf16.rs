//! UTF-16, and how the decoders of `encoding_rs` are driven.

use crate::arena::charged_vec::ChargedVec;
use crate::xml::encoding::charset::ByteOrder;
use crate::xml::encoding::{EncodingError, Failure, characters};
use encoding_rs::{Decoder, DecoderResult, UTF_16BE, UTF_16LE};

/// Size in bytes of the buffer that text passes through.
const BUFFER: usize = 4096;

#[derive(Debug)]
pub(super) struct Utf16 {
    decoder: Decoder,
}

impl Utf16 {
    pub(super) fn new(order: Option<ByteOrder>) -> Utf16 {
        let encoding = match order {
            Some(ByteOrder::Big) => UTF_16BE,
            _ => UTF_16LE,
        };
        Utf16 {
            decoder: encoding.new_decoder_without_bom_handling(),
        }
    }

    /// As many bytes of text as `bytes` more can become.
    pub(super) fn widest(&self, bytes: usize) -> usize {
        widest(&self.decoder, bytes)
    }

    pub(super) fn decode(
        &mut self,
        raw: &[u8],
        at: u64,
        last: bool,
        text: &mut ChargedVec<u8>,
    ) -> Result<(), Failure> {
        let (_, result) = convert(&mut self.decoder, raw, at, last, text);
        result
    }
}

/// How many bytes `text` takes in UTF-16.
pub(super) fn width(text: &[u8]) -> u64 {
    let pairs = text.iter().filter(|&&byte| byte >= 0xF0).count() as u64;
    2 * (characters(text) + pairs)
}

/// As many bytes of text as `decoder` can make of `bytes` more.
pub(super) fn widest(decoder: &Decoder, bytes: usize) -> usize {
    decoder
        .max_utf8_buffer_length_without_replacement(bytes)
        .unwrap_or(usize::MAX)
}

/// Appends what `raw` means to `text`; returns how many bytes were read, also on failure.
pub(super) fn convert(
    decoder: &mut Decoder,
    raw: &[u8],
    at: u64,
    last: bool,
    text: &mut ChargedVec<u8>,
) -> (usize, Result<(), Failure>) {
    let mut buffer = [0; BUFFER];
    let mut read = 0;
    loop {
        let (outcome, consumed, written) =
            decoder.decode_to_utf8_without_replacement(&raw[read..], &mut buffer, last);
        read += consumed;
        if let Err(refusal) = text.extend_from_slice(&buffer[..written]) {
            return (read, Err(refusal.into()));
        }
        match outcome {
            DecoderResult::OutputFull => {}
            DecoderResult::InputEmpty => return (read, Ok(())),
            DecoderResult::Malformed(length, after) => {
                let back = u64::from(length) + u64::from(after);
                let offset = (at + read as u64).saturating_sub(back);
                let name = decoder.encoding().name();
                let error = match last {
                    true => {
                        let reason = format!("the document ends inside a character of {name}");
                        EncodingError::truncated(offset, reason)
                    }
                    false => EncodingError::malformed(offset, format!("malformed {name} sequence")),
                };
                return (read, Err(error.into()));
            }
        }
    }
}
