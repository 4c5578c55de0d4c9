//! Lines, columns and offsets, counted only when a position is asked for.

use crate::xml::api::options::Recovered;
use crate::xml::api::sink::Sink;
use crate::xml::encoding::Decoder;
use crate::xml::input::position::Position;
use crate::xml::input::repairs::Repairs;
use crate::xml::syntax::utf8::is_continuation;
use memchr::{memchr, memchr_iter, memrchr, memrchr2};

/// The cost of reporting a replaced character, in units of credit.
const REPAIR_COST: usize = 100;

/// Line and column of a place, moved forward over text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineCount {
    line: u64,
    column: u64,
    /// The character before was a CR: an LF now is part of the same line end.
    after_cr: bool,
}

impl LineCount {
    pub const START: LineCount = LineCount {
        line: 1,
        column: 1,
        after_cr: false,
    };

    /// Moves over `text`, which is valid UTF-8.
    pub fn advance(&mut self, text: &[u8]) {
        let Some(&last) = text.last() else { return };
        if self.after_cr || memchr(b'\r', text).is_some() {
            return self.advance_over_returns(text, last);
        }
        self.advance_over_lines(text, memchr_iter(b'\n', text).count());
    }

    /// The same over text without CRs that has this number of LFs.
    fn advance_over_lines(&mut self, text: &[u8], line_feeds: usize) {
        self.line += line_feeds as u64;
        match memrchr(b'\n', text) {
            None => self.column += characters(text),
            Some(end) => self.column = 1 + characters(&text[end + 1..]),
        }
    }

    fn advance_over_returns(&mut self, text: &[u8], last: u8) {
        let before = if self.after_cr { b'\r' } else { 0 };
        self.line += u64::from(ends_line(before, text[0])) + line_ends(text);
        match memrchr2(b'\n', b'\r', text) {
            None => self.column += characters(text),
            Some(end) => self.column = 1 + characters(&text[end + 1..]),
        }
        self.after_cr = last == b'\r';
    }
}

/// Whether `byte` ends a line, as the first byte of its end.
#[inline(always)]
fn ends_line(before: u8, byte: u8) -> bool {
    // Without branches: vectorised.
    (byte == b'\r') | ((byte == b'\n') & (before != b'\r'))
}

/// The line ends that begin behind the first byte.
fn line_ends(text: &[u8]) -> u64 {
    let Some(behind) = text.get(1..) else {
        return 0;
    };
    let pairs = text.chunks(STRETCH).zip(behind.chunks(STRETCH));
    let sum = |(before, part): (&[u8], &[u8])| -> u8 {
        let pairs = before.iter().zip(part);
        pairs
            .map(|(&before, &byte)| u8::from(ends_line(before, byte)))
            .fold(0, u8::wrapping_add)
    };
    pairs.map(|pair| u64::from(sum(pair))).sum()
}

/// Sums of bytes, in stretches that cannot overflow them, are vectorised; a count is not.
const STRETCH: usize = 192;

/// Characters in valid UTF-8.
fn characters(text: &[u8]) -> u64 {
    let sum = |part: &[u8]| -> u8 {
        part.iter()
            .map(|&byte| u8::from(!is_continuation(byte)))
            .fold(0, u8::wrapping_add)
    };
    text.chunks(STRETCH).map(|part| u64::from(sum(part))).sum()
}

/// Where in the document the input buffer's text lies.
#[derive(Debug)]
pub(crate) struct LineCounter {
    /// Line and column of `mark`.
    counter: LineCount,
    /// Index in the buffer up to which lines were counted.
    mark: usize,
    /// Knows the offset in the original of `mark`, and of what follows it.
    pub decoder: Decoder,
    /// Characters that were replaced, where they are recovered.
    pub repairs: Option<Repairs>,
    /// Line and column of the last one that was reported, and its index in the buffer.
    told: (LineCount, usize),
}

impl LineCounter {
    pub fn new(decoder: Decoder) -> LineCounter {
        LineCounter {
            counter: LineCount::START,
            mark: 0,
            decoder,
            repairs: None,
            told: (LineCount::START, 0),
        }
    }

    /// The position of index `at` of `text`, which is not before any that was moved to.
    pub fn position(&self, text: &[u8], at: usize) -> Position {
        let passed = &text[self.mark..at];
        let mut counter = self.counter;
        counter.advance(passed);
        Position {
            line: counter.line,
            column: counter.column,
            byte_offset: self.decoder.offset(passed, self.growth(at)),
        }
    }

    /// The offset in the original of index `at` of `text`, which is not before any that was moved to.
    pub fn offset(&self, text: &[u8], at: usize) -> u64 {
        self.decoder.offset(&text[self.mark..at], self.growth(at))
    }

    /// How many bytes between the mark and `at` are not of the original.
    #[inline]
    fn growth(&self, at: usize) -> usize {
        match &self.repairs {
            None => 0,
            Some(repairs) => repairs.growth(self.mark, at),
        }
    }

    /// Counts up to index `at`, so that later places cost only the way from there.
    pub fn move_to(&mut self, text: &[u8], at: usize) -> Position {
        let passed = &text[self.mark..at];
        self.counter.advance(passed);
        self.decoder.discard(passed, self.growth(at));
        self.mark = at;
        Position {
            line: self.counter.line,
            column: self.counter.column,
            byte_offset: self.decoder.offset(&[], 0),
        }
    }

    /// Discards `text`, the front of the buffer: no position in it is asked for again. It has this number of LFs, and no CRs
    /// unless `may_have_cr`.
    pub fn discard(&mut self, text: &[u8], line_feeds: usize, may_have_cr: bool) {
        if self.mark < text.len() {
            let passed = &text[self.mark..];
            match self.mark {
                0 if !may_have_cr && !self.counter.after_cr => {
                    self.counter.advance_over_lines(passed, line_feeds);
                }
                _ => self.counter.advance(passed),
            }
            self.decoder.discard(passed, self.growth(text.len()));
            self.mark = text.len();
        }
        self.mark -= text.len();
        if let Some(repairs) = &mut self.repairs {
            repairs.discard(text.len());
            self.told = (self.counter, self.mark);
        }
    }

    /// Tells the sink which characters of `text` before `end` were replaced, for as much credit as there is. False:
    /// not yet of all of them.
    pub fn emit_repairs<S: Sink>(
        &mut self,
        text: &[u8],
        end: usize,
        credit: &mut usize,
        sink: &mut S,
    ) -> bool {
        let Some(repairs) = &mut self.repairs else {
            return true;
        };
        while let Some(repair) = repairs.unsent(end) {
            if *credit == 0 || sink.is_full() {
                return false;
            }
            let (counter, mark) = &mut self.told;
            counter.advance(text.get(*mark..repair.at()).unwrap_or_default());
            *mark = repair.at();
            let written = repair.char();
            let place = (counter.line, counter.column);
            sink.recovered(
                Recovered::Characters,
                written.encode_utf8(&mut [0; 4]),
                place,
            );
            *credit = credit.saturating_sub(REPAIR_COST);
            repairs.report();
        }
        true
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::arena::account::Account;

    fn line_counter() -> LineCounter {
        LineCounter::new(Decoder::detecting(&Account::root()))
    }

    /// Line and column the slow way.
    fn reference(text: &str) -> (u64, u64) {
        let (mut line, mut column, mut cr) = (1, 1, false);
        for char in text.chars() {
            if char == '\n' && cr {
                cr = false;
                continue;
            }
            cr = char == '\r';
            (line, column) = match char {
                '\n' | '\r' => (line + 1, 1),
                _ => (line, column + 1),
            };
        }
        (line, column)
    }

    #[test]
    fn counts_the_same_in_steps_of_any_size() {
        let text = "ab\ncé€\r\n\r\r\n\n😀x\r";
        let boundaries: Vec<usize> = (0..=text.len())
            .filter(|&at| text.is_char_boundary(at))
            .collect();
        for &first in &boundaries {
            for &second in boundaries.iter().filter(|&&second| second >= first) {
                let mut line_counter = line_counter();
                line_counter.move_to(text.as_bytes(), first);
                let position = line_counter.position(text.as_bytes(), second);
                assert_eq!(position, line_counter.move_to(text.as_bytes(), second));
                assert_eq!(
                    (position.line, position.column),
                    reference(&text[..second]),
                    "{first} {second}"
                );
                assert_eq!(position.byte_offset, second as u64);
            }
        }
    }

    #[test]
    fn discarding_text_keeps_the_place() {
        let text = b"one\ntwo\nthree";
        let mut line_counter = line_counter();
        line_counter.discard(&text[..5], 1, false);
        let position = line_counter.position(&text[5..], 4);
        assert_eq!((position.line, position.column), (3, 2));
        assert_eq!(position.byte_offset, 9);
    }
}
