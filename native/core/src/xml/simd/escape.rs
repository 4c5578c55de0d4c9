//! Text copied behind what was written, escaped and checked on the way: one pass.
//!
//! With the vectors that every processor of an architecture has: most texts and values are shorter than one of the wider
//! ones. What is shorter than a vector has zeros behind it.
#![allow(unsafe_code)]

mod short_text;

pub(crate) use self::short_text::{plain_word, put_element, put_text, put_value};
use crate::xml::simd::append::copy_short;
use crate::xml::simd::kernels::Baseline;
use crate::xml::simd::short;
use crate::xml::simd::vector::{Mask, Vector};
use bytes::BytesMut;
use std::mem::MaybeUninit;

/// Where the text will stand, which decides what is escaped.
pub(crate) const TEXT: usize = 0;
pub(crate) const DOUBLE_QUOTED: usize = 1;
pub(crate) const SINGLE_QUOTED: usize = 2;
/// Any of the three.
pub(crate) const ANYWHERE: usize = 3;

/// Bytes of the longest reference, `&quot;`.
pub(crate) const LONGEST: usize = 6;

/// What became of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Escaped {
    /// How many bytes were read: all of them, or those that there was room for, or those before an illegal character.
    pub read: usize,
    pub end: End,
    /// Whether any byte that was read is not ASCII: whether those are UTF-8 was not looked at.
    pub non_ascii: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Complete,
    NoRoom,
    /// No document may hold the character that begins here.
    Illegal,
}

/// Room without which no block is begun: each byte of a block becomes a reference, each reference is written as
/// [`SLOT`] bytes, and what is behind it is copied as a block.
const BLOCK_ROOM: usize = Baseline::BYTES * LONGEST + SLOT + Baseline::BYTES;
const _: () = assert!(BLOCK_ROOM <= MARGIN);

/// With so much room behind `LONGEST` times its length, a text is always read completely.
pub(crate) const MARGIN: usize = 128;

const SLOT: usize = 8;

/// The highest bit of each byte.
const HIGH: u128 = u128::from_ne_bytes([0x80; short::SHORT]);

const PLAIN: u8 = 0;
/// The first byte of U+FFFE and U+FFFF, and of others.
const LOOK: u8 = 254;
const BAD: u8 = 255;

/// The references, by the classes in [`CLASSES`], and their lengths.
static REFERENCES: [([u8; SLOT], usize); 9] = [
    (*b"        ", 0),
    (*b"&lt;    ", 4),
    (*b"&gt;    ", 4),
    (*b"&amp;   ", 5),
    (*b"&apos;  ", 6),
    (*b"&quot;  ", 6),
    (*b"&#13;   ", 5),
    (*b"&#10;   ", 5),
    (*b"&#9;    ", 4),
];

static CLASSES: [[u8; 256]; 4] = [
    classes(TEXT),
    classes(DOUBLE_QUOTED),
    classes(SINGLE_QUOTED),
    classes(ANYWHERE),
];

const fn classes(context: usize) -> [u8; 256] {
    let mut classes = [PLAIN; 256];
    let mut byte = 0;
    while byte < 0x20 {
        classes[byte] = BAD;
        byte += 1;
    }
    let in_text = context == TEXT;
    classes[b'\n' as usize] = if in_text { PLAIN } else { 7 };
    classes[b'\t' as usize] = if in_text { PLAIN } else { 8 };
    classes[b'\r' as usize] = 6;
    classes[b'<' as usize] = 1;
    // In text only the one of `]]>` has to be; a reader of all does not look for that.
    classes[b'>' as usize] = 2;
    classes[b'&' as usize] = 3;
    if context == SINGLE_QUOTED || context == ANYWHERE {
        classes[b'\'' as usize] = 4;
    }
    if context == DOUBLE_QUOTED || context == ANYWHERE {
        classes[b'"' as usize] = 5;
    }
    classes[0xEF] = LOOK;
    classes
}

/// Adds `source` to `out` as far as the spare capacity goes: it never reallocates.
#[inline(never)]
pub(crate) fn append<const CONTEXT: usize>(source: &[u8], out: &mut BytesMut) -> Escaped {
    let mut target = Target::new(out);
    // SAFETY: the baseline is part of the architecture.
    let (read, end, non_ascii) = unsafe { append_with::<Baseline, CONTEXT>(source, &mut target) };
    let written = target.written;
    // SAFETY: `append_with` wrote `written` bytes behind its length, within its capacity.
    unsafe { out.set_len(out.len() + written) };
    Escaped {
        read,
        end,
        non_ascii,
    }
}

/// What is written behind the end of a buffer.
struct Target<'a> {
    room: &'a mut [MaybeUninit<u8>],
    written: usize,
}

impl<'a> Target<'a> {
    #[inline(always)]
    fn new(out: &'a mut BytesMut) -> Target<'a> {
        Target {
            room: out.spare_capacity_mut(),
            written: 0,
        }
    }

    #[inline(always)]
    fn left(&self) -> usize {
        self.room.len() - self.written
    }

    /// # Safety
    ///
    /// The caller writes no more than [`Target::left`] bytes there.
    #[inline(always)]
    unsafe fn end(&mut self) -> *mut u8 {
        // SAFETY: by this function's contract; `written` is within the room.
        unsafe { self.room.as_mut_ptr().add(self.written).cast() }
    }
}

/// # Safety
///
/// The processor has the instructions of `V`.
#[inline(always)]
unsafe fn append_with<V: Vector, const CONTEXT: usize>(
    source: &[u8],
    out: &mut Target<'_>,
) -> (usize, End, bool) {
    if source.len() < V::BYTES {
        // SAFETY: by this function's contract.
        return unsafe { append_short::<V, CONTEXT>(source, out) };
    }
    // SAFETY: by this function's contract; there is a vector to read.
    let mut ascii = unsafe { V::load(source.as_ptr()).is_in(0, 0x7F) };
    let mut at = 0;
    let mut end = End::Complete;
    while source.len() - at >= V::BYTES {
        if out.left() < MARGIN {
            end = End::NoRoom;
            break;
        }
        // SAFETY: a vector can be read from `at`, and there is room for one.
        let specials = unsafe {
            let from = source.as_ptr().add(at);
            let bytes = V::load(from);
            std::ptr::copy_nonoverlapping(from, out.end(), V::BYTES);
            ascii = ascii.and(bytes.is_in(0, 0x7F));
            special::<V, CONTEXT>(bytes).bits()
        };
        if specials == 0 {
            out.written += V::BYTES;
            at += V::BYTES;
            continue;
        }
        match block::<CONTEXT>(source, at, V::BYTES, specials, out) {
            None => at += V::BYTES,
            Some(illegal) => {
                at = illegal;
                end = End::Illegal;
                break;
            }
        }
    }
    let rest = source.len() - at;
    if rest > 0 && end == End::Complete {
        if out.left() < MARGIN {
            end = End::NoRoom;
        } else {
            // SAFETY: the text has a vector at least, whose last one can be read; there is room for a margin.
            let specials = unsafe {
                let last = source.as_ptr().add(source.len() - V::BYTES);
                let bytes = V::load(last);
                ascii = ascii.and(bytes.is_in(0, 0x7F));
                copy_rest::<V>(source, at, out);
                special::<V, CONTEXT>(bytes).bits() >> (V::BYTES - rest)
            };
            (at, end) = copied::<CONTEXT>(source, at, rest, specials, out);
        }
    }
    // SAFETY: as above.
    let non_ascii = unsafe { ascii.first_not().is_some() };
    (at, end, non_ascii)
}

/// Copies what is left from `at` on of a text of more than a vector, less than one, to the end, without counting it.
///
/// # Safety
///
/// There is room for a vector.
#[inline(always)]
unsafe fn copy_rest<V: Vector>(source: &[u8], at: usize, out: &mut Target<'_>) {
    let before = V::BYTES - (source.len() - at);
    // SAFETY: the last vector of the text is there; where nothing became a reference, what was written before are the same
    // bytes as those before `at`, more than a vector. Otherwise by this function's contract.
    unsafe {
        if out.written == at {
            let from = source.as_ptr().add(at - before);
            std::ptr::copy_nonoverlapping(from, out.end().sub(before), V::BYTES);
        } else {
            let word = short::first(&source[at..]).to_le_bytes();
            std::ptr::copy_nonoverlapping(word.as_ptr(), out.end(), V::BYTES);
        }
    }
}

/// The bytes that are not only copied.
///
/// # Safety
///
/// The processor has the instructions of `V`.
#[inline(always)]
unsafe fn special<V: Vector, const CONTEXT: usize>(bytes: V) -> V::Mask {
    // SAFETY: by this function's contract.
    unsafe {
        // '<' and '>' differ in one bit.
        let markup = bytes.with_bits(2).is(b'>').or(bytes.is(b'&'));
        let mut control = bytes.is_in(0, 0x1F);
        if CONTEXT == TEXT {
            control = control.and_not(bytes.is(b'\n').or(bytes.is(b'\t')));
        }
        let mut special = markup.or(control).or(bytes.is(0xEF));
        if CONTEXT == DOUBLE_QUOTED || CONTEXT == ANYWHERE {
            special = special.or(bytes.is(b'"'));
        }
        if CONTEXT == SINGLE_QUOTED || CONTEXT == ANYWHERE {
            special = special.or(bytes.is(b'\''));
        }
        special
    }
}

/// A block of `len` bytes from `at` on with `specials`, its bytes already copied to where they would stand without any.
/// Gives the place of an illegal character, before which all is written. There is room.
#[inline]
fn block<const CONTEXT: usize>(
    source: &[u8],
    at: usize,
    len: usize,
    mut specials: u64,
    out: &mut Target<'_>,
) -> Option<usize> {
    let mut copied = 0;
    while specials != 0 {
        let special = specials.trailing_zeros() as usize;
        specials &= specials - 1;
        if copied > 0 {
            copy_part(source, at + copied, special - copied, out);
        }
        out.written += special - copied;
        if !write_special::<CONTEXT>(source, at + special, out) {
            return Some(at + special);
        }
        copied = special + 1;
    }
    copy_part(source, at + copied, len - copied, out);
    out.written += len - copied;
    None
}

/// Copies `len` bytes, of which a block has fewer, to the end, and perhaps more, without counting them.
#[inline(always)]
fn copy_part(source: &[u8], from: usize, len: usize, out: &mut Target<'_>) {
    const BLOCK: usize = Baseline::BYTES;
    match source.get(from..from + BLOCK) {
        // SAFETY: `BLOCK` bytes are there, and [`BLOCK_ROOM`] has room for as many behind each block.
        Some(part) => unsafe {
            std::ptr::copy_nonoverlapping(part.as_ptr(), out.end(), BLOCK);
        },
        // SAFETY: what is to be copied of a block fits.
        None => unsafe { copy_short(&source[from..from + len], out.end()) },
    }
}

/// Writes what stands for the byte at `at`, itself perhaps; says whether it may.
#[inline(always)]
fn write_special<const CONTEXT: usize>(source: &[u8], at: usize, out: &mut Target<'_>) -> bool {
    let class = CLASSES[CONTEXT][source[at] as usize];
    match class {
        BAD => return false,
        LOOK if matches!(source[at + 1..], [0xBF, 0xBE | 0xBF, ..]) => return false,
        LOOK | PLAIN => {
            // SAFETY: room for `SLOT` bytes was asked for.
            unsafe { out.end().write(source[at]) };
            out.written += 1;
        }
        class => {
            let (slot, len) = &REFERENCES[class as usize];
            // SAFETY: as above.
            unsafe { std::ptr::copy_nonoverlapping(slot.as_ptr(), out.end(), SLOT) };
            out.written += len;
        }
    }
    true
}

/// What is shorter than a vector.
///
/// # Safety
///
/// The processor has the instructions of `V`.
#[inline(always)]
unsafe fn append_short<V: Vector, const CONTEXT: usize>(
    source: &[u8],
    out: &mut Target<'_>,
) -> (usize, End, bool) {
    if out.left() < MARGIN {
        return (0, End::NoRoom, false);
    }
    // SAFETY: by this function's contract, and there is room for a margin.
    let (specials, non_ascii) = unsafe { copy_first::<V, CONTEXT>(source, out.end()) };
    let (read, end) = copied::<CONTEXT>(source, 0, source.len(), specials, out);
    (read, end, non_ascii)
}

/// Copies what is shorter than a vector to `target`, with zeros behind it. Returns a bit for each byte that is special, and whether
/// any byte is not ASCII.
///
/// # Safety
///
/// The processor has the instructions of `V`, and a vector can be written to `target`.
#[inline(always)]
unsafe fn copy_first<V: Vector, const CONTEXT: usize>(
    source: &[u8],
    target: *mut u8,
) -> (u64, bool) {
    const { assert!(V::BYTES <= short::SHORT) };
    let word = short::first(source);
    let bytes = word.to_le_bytes();
    // SAFETY: there is a vector to read; otherwise by this function's contract.
    let specials = unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), target, V::BYTES);
        special::<V, CONTEXT>(V::load(bytes.as_ptr())).bits()
    };
    // The zeros behind it are none of its own.
    (specials & !(u64::MAX << source.len()), word & HIGH != 0)
}

/// Counts `len` bytes from `at` on, less than a vector, which are already copied, or writes what their `specials` become.
/// Says how far that went.
#[inline(always)]
fn copied<const CONTEXT: usize>(
    source: &[u8],
    at: usize,
    len: usize,
    specials: u64,
    out: &mut Target<'_>,
) -> (usize, End) {
    if specials == 0 {
        out.written += len;
        return (at + len, End::Complete);
    }
    match block::<CONTEXT>(source, at, len, specials, out) {
        None => (at + len, End::Complete),
        Some(illegal) => (illegal, End::Illegal),
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
