//! The text of the document that was fed and not yet scanned.

use crate::arena::account::{Account, Refusal};
use crate::arena::charged_vec::ChargedVec;
use crate::sync::Arc;
use crate::xml::api::error::{ErrorKind, ExceededLimit};
use crate::xml::api::limits::UNLIMITED;
use crate::xml::encoding::{EncodingError, Failure};
use crate::xml::input::line_counter::LineCounter;
use crate::xml::scanner::interrupt::limit_reason;
use crate::xml::simd::utf8_scan::{self, ScanResult};
use crate::xml::syntax::byte_class;
use crate::xml::syntax::chars;
use crate::xml::syntax::utf8::{self, is_continuation};
use memchr::memchr_iter;
use std::ops::Range;

/// The number of bytes that are repaired at a time.
const REPAIRED: usize = 16 * 1024;

/// One buffer: the tail that the scanner could not yet use, then the newest chunk.
///
/// ```text
/// | scanned | not yet scanned | not valid, or cut inside a character |
/// 0         at                valid                                  len
/// ```
#[derive(Debug)]
pub(crate) struct Input {
    text: ChargedVec<u8>,
    /// Up to where it was scanned.
    pub at: usize,
    /// Up to where it is UTF-8 made of characters that a document may hold.
    valid: usize,
    /// Why nothing beyond `valid` will ever be.
    end: Option<End>,
    /// Up to where characters have to be repaired before what is behind `valid` can be.
    unrepaired: Option<usize>,
    /// The valid text, scanned text at its front included, may have a CR in it.
    pub has_cr: bool,
    /// LFs in it.
    line_feeds: usize,
    /// Bytes of the original that were fed.
    fed: u64,
    max_bytes: u64,
    finished: bool,
}

/// The reason why the valid text ends.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub kind: ErrorKind,
    pub reason: String,
    pub limit: Option<ExceededLimit>,
    /// Offset in the original, if it cannot be computed from the text.
    pub offset: Option<u64>,
}

impl From<EncodingError> for End {
    fn from(error: EncodingError) -> End {
        End {
            kind: error.kind,
            reason: error.reason,
            limit: None,
            offset: Some(error.offset),
        }
    }
}

impl End {
    /// The next bytes exceed a limit.
    fn limit(name: &'static str, value: u64) -> End {
        let seen = value.saturating_add(1);
        debug_assert!(value != UNLIMITED);
        End {
            kind: ErrorKind::Limit,
            reason: limit_reason(name, value, seen),
            limit: Some(ExceededLimit { name, value, seen }),
            offset: None,
        }
    }

    /// `text` begins with a character that no document may hold.
    fn illegal(text: &[u8]) -> End {
        let code = chars::decode(text).map_or(0, |(code, _)| code);
        End {
            kind: ErrorKind::Malformed,
            reason: format!(
                "the character U+{code:04X} is not allowed in XML (recover: [:characters] replaces it)"
            ),
            limit: None,
            offset: None,
        }
    }
}

impl Input {
    /// No input yet; `end`: why there never will be any.
    pub fn new(account: &Arc<Account>, max_bytes: u64, end: Option<End>) -> Input {
        Input {
            text: ChargedVec::new(account),
            at: 0,
            valid: 0,
            end,
            unrepaired: None,
            has_cr: false,
            line_feeds: 0,
            fed: 0,
            max_bytes,
            finished: false,
        }
    }

    /// The text that may be scanned, scanned text at its front included.
    #[inline]
    pub fn text(&self) -> &[u8] {
        &self.text[..self.valid]
    }

    /// Bytes of the original that came so far.
    pub fn fed(&self) -> u64 {
        self.fed
    }

    /// The text that is not scanned yet.
    pub fn rest(&self) -> &[u8] {
        &self.text[self.at..self.valid]
    }

    /// Adds a chunk. Refused, it takes nothing of it.
    pub fn feed(&mut self, chunk: &[u8], line_counter: &mut LineCounter) -> Result<(), Refusal> {
        if self.finished || self.end.is_some() {
            return Ok(());
        }
        self.repair(line_counter)?;
        self.discard(line_counter);
        let room = usize::try_from(self.max_bytes - self.fed).unwrap_or(usize::MAX);
        let taken = &chunk[..chunk.len().min(room)];
        if line_counter.decoder.is_utf8() {
            self.copy(taken, line_counter.repairs.is_some())?;
        } else {
            let result = line_counter.decoder.feed(taken, &mut self.text);
            self.add(result, line_counter)?;
        }
        self.fed += taken.len() as u64;
        if taken.len() < chunk.len() && self.end.is_none() {
            self.end = Some(End::limit("max_bytes", self.max_bytes));
        }
        Ok(())
    }

    /// No more will come. Refused, it can be said again.
    pub fn finish(&mut self, line_counter: &mut LineCounter) -> Result<(), Refusal> {
        if self.finished {
            return Ok(());
        }
        self.repair(line_counter)?;
        if self.end.is_none() {
            let result = line_counter.decoder.finish(&mut self.text);
            self.add(result, line_counter)?;
        }
        self.finished = true;
        let valid = self.unrepaired.unwrap_or(self.valid);
        if self.end.is_none() && valid < self.text.len() {
            self.end = Some(End {
                kind: ErrorKind::Truncated,
                reason: "the document ends inside a character".into(),
                limit: None,
                offset: None,
            });
        }
        Ok(())
    }

    /// Takes what needs no decoding, and looks at it while it is copied.
    fn copy(&mut self, chunk: &[u8], repairs: bool) -> Result<(), Refusal> {
        self.text.reserve(chunk.len())?;
        // The end of a character that began in the chunk before, and the beginning of one that ends in the next.
        let continued = chunk.iter().take(3).take_while(|it| is_continuation(**it));
        let (first, rest) = chunk.split_at(continued.count());
        let (whole, last) = rest.split_at(utf8::whole_characters(rest));
        self.text.extend_from_slice(first)?;
        let start = self.text.len();
        let found = utf8_scan::copy_and_scan(whole, &mut self.text)?;
        let end = self.text.len();
        self.text.extend_from_slice(last)?;
        self.validate(true, repairs, found.map(|found| (start..end, found)));
        Ok(())
    }

    /// Takes what was decoded.
    fn add(
        &mut self,
        result: Result<(), Failure>,
        line_counter: &LineCounter,
    ) -> Result<(), Refusal> {
        let failed = match result {
            Err(Failure::Refused(refusal)) => return Err(refusal),
            Err(Failure::Encoding(error)) => Some(error),
            Ok(()) => None,
        };
        self.validate(
            line_counter.decoder.is_utf8(),
            line_counter.repairs.is_some(),
            None,
        );
        if let (Some(error), None) = (failed, &self.end) {
            self.end = Some(End::from(error));
        }
        Ok(())
    }

    /// Why there is no more text, when there never will be.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// Whether the text is all that there will ever be.
    pub fn is_at_its_end(&self) -> bool {
        self.finished || self.end.is_some()
    }

    /// Whether there is something to repair before the text can be scanned on.
    #[inline]
    pub fn is_unrepaired(&self) -> bool {
        self.unrepaired.is_some()
    }

    /// Replaces the characters that no document may hold, where they are recovered. Refused, it can be called again.
    #[inline]
    fn repair(&mut self, line_counter: &mut LineCounter) -> Result<(), Refusal> {
        while self.is_unrepaired() {
            self.repair_some(line_counter)?;
        }
        Ok(())
    }

    /// The same for as much of the text as a call may.
    #[cold]
    pub fn repair_some(&mut self, line_counter: &mut LineCounter) -> Result<(), Refusal> {
        let unrepaired = self.unrepaired;
        if let (Some(end), Some(repairs)) = (unrepaired, &mut line_counter.repairs) {
            let stop = self.valid + utf8::floor(&self.text[self.valid..end], REPAIRED);
            let (valid, is_beyond) = repairs.repair(&mut self.text, self.valid, stop)?;
            if is_beyond {
                self.end = Some(End::limit("max_recoveries", repairs.most()));
            }
            self.valid = valid;
            self.unrepaired = (stop < end && !is_beyond).then(|| end + (valid - stop));
        } else {
            self.unrepaired = None;
        }
        Ok(())
    }

    fn discard(&mut self, line_counter: &mut LineCounter) {
        if self.at > 0 {
            // The rest is short.
            let left = memchr_iter(b'\n', &self.text[self.at..self.valid]).count();
            line_counter.discard(&self.text[..self.at], self.line_feeds - left, self.has_cr);
            self.line_feeds = left;
            self.text.drain_front(self.at);
            self.valid -= self.at;
            self.at = 0;
            self.has_cr = self.has_cr && memchr::memchr(b'\r', self.text()).is_some();
        }
    }

    /// Finds how much of the new text is valid, given a part of it that is UTF-8 and was looked at.
    /// A character that must not be there ends the text, unless it will be repaired.
    fn validate(
        &mut self,
        is_original: bool,
        repairs: bool,
        seen: Option<(Range<usize>, ScanResult)>,
    ) {
        if self.end.is_some() {
            return;
        }
        let new = &self.text[self.valid..];
        let mut valid = new.len();
        let mut all = ScanResult::default();
        let mut checked = 0;
        // Decoded text is UTF-8.
        if is_original {
            if let Some((seen, found)) = seen
                && let before = &new[..seen.start - self.valid]
                && std::str::from_utf8(before).is_ok()
            {
                all = found;
                all += utf8_scan::scan(before);
                checked = seen.end - self.valid;
            }
            if let Err(error) = simdutf8::compat::from_utf8(&new[checked..]) {
                valid = checked + error.valid_up_to();
                if error.error_len().is_some() {
                    self.end = Some(End {
                        kind: ErrorKind::Encoding,
                        reason: format!("byte 0x{:02X} is not UTF-8 here", new[valid]),
                        limit: None,
                        offset: None,
                    });
                }
            }
        }
        all += utf8_scan::scan(&new[checked..valid]);
        if let Some(at) = byte_class::first_illegal(&new[..valid], all) {
            match repairs {
                true => self.unrepaired = Some(self.valid + valid),
                false => self.end = Some(End::illegal(&new[at..])),
            }
            valid = at;
        }
        self.valid += valid;
        self.has_cr |= all.returns;
        self.line_feeds += all.line_feeds;
    }
}
