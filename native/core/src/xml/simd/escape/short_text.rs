//! Short texts and values, with what stands around them: written at once, or not at all where anything in them has to be
//! escaped or there is little room.

use super::{MARGIN, copy_first, special};
use crate::xml::simd::kernels::Baseline;
use crate::xml::simd::short;
use crate::xml::simd::vector::{Mask, Vector};
use bytes::BytesMut;

/// Bytes of the longest: two vectors.
const LONGEST: usize = 2 * Baseline::BYTES;

/// Room for a name with what stands around it, and for a text of [`LONGEST`] bytes.
const ROOM: usize = 1 + short::SHORT + 2 + LONGEST + 1;
const _: () = assert!(ROOM <= MARGIN);

/// Adds ` name="value"` with the quotes of the context, where the name is no longer than its `head`.
#[inline(always)]
pub(crate) fn put_value<const CONTEXT: usize>(
    out: &mut BytesMut,
    (head, len): (&[u8; short::SHORT], usize),
    quote: u8,
    value: &[u8],
) -> bool {
    let room = out.spare_capacity_mut();
    if room.len() < ROOM || len > short::SHORT {
        return false;
    }
    let target = room.as_mut_ptr().cast::<u8>();
    // SAFETY: there is room for all of it; what is written behind the name and the value is written over, or not counted.
    unsafe {
        target.write(b' ');
        target
            .add(1)
            .cast::<[u8; short::SHORT]>()
            .write_unaligned(*head);
        target
            .add(1 + len)
            .cast::<[u8; 2]>()
            .write_unaligned([b'=', quote]);
        let start = target.add(1 + len + 2);
        if !copy_plain::<CONTEXT>(value, start) {
            return false;
        }
        start.add(value.len()).write(quote);
        out.set_len(out.len() + 1 + len + 2 + value.len() + 1);
    }
    true
}

/// Adds a text, behind a `>` if it `closes` a tag.
#[inline(always)]
pub(crate) fn put_text<const CONTEXT: usize>(
    out: &mut BytesMut,
    closes: bool,
    text: &[u8],
) -> bool {
    let room = out.spare_capacity_mut();
    if room.len() < ROOM {
        return false;
    }
    let target = room.as_mut_ptr().cast::<u8>();
    let before = usize::from(closes);
    // SAFETY: there is room for all of it; what is written behind the text is not counted.
    unsafe {
        target.write(b'>');
        if !copy_plain::<CONTEXT>(text, target.add(before)) {
            return false;
        }
        out.set_len(out.len() + before + text.len());
    }
    true
}

/// Room for an element of such a name and such a text, behind a `>`.
const ELEMENT_ROOM: usize = 2 + short::SHORT + 1 + LONGEST + 2 + short::SHORT + 1;
const _: () = assert!(ELEMENT_ROOM <= MARGIN);

/// Adds an element whose content is a text, where the name is no longer than its `head`, behind a `>` if it `closes` a tag.
#[inline(always)]
pub(crate) fn put_element<const CONTEXT: usize>(
    out: &mut BytesMut,
    closes: bool,
    (head, len): (&[u8; short::SHORT], usize),
    text: &[u8],
) -> bool {
    let room = out.spare_capacity_mut();
    if room.len() < ELEMENT_ROOM || len > short::SHORT {
        return false;
    }
    let start = room.as_mut_ptr().cast::<u8>();
    // SAFETY: there is room for all of it; what is written behind a name or the text is written over, or not counted.
    unsafe {
        start.write(b'>');
        let mut target = start.add(usize::from(closes));
        target.write(b'<');
        target = target.add(1);
        target.cast::<[u8; short::SHORT]>().write_unaligned(*head);
        target = target.add(len);
        target.write(b'>');
        target = target.add(1);
        if !copy_plain::<CONTEXT>(text, target) {
            return false;
        }
        target = target.add(text.len());
        target.cast::<[u8; 2]>().write_unaligned(*b"</");
        target = target.add(2);
        target.cast::<[u8; short::SHORT]>().write_unaligned(*head);
        target = target.add(len);
        target.write(b'>');
        let written = usize::from(closes) + 2 * len + text.len() + 5;
        out.set_len(out.len() + written);
    }
    true
}

/// The bytes of a text with zeros behind them, if it is shorter than a vector, is ASCII and nothing in it has to be looked at.
#[inline(always)]
pub(crate) fn plain_word<const CONTEXT: usize>(text: &[u8]) -> Option<[u8; short::SHORT]> {
    if text.len() >= Baseline::BYTES {
        return None;
    }
    let mut word = [0; short::SHORT];
    // SAFETY: there is room for a vector; the baseline is part of the architecture.
    let (specials, non_ascii) = unsafe { copy_first::<Baseline, CONTEXT>(text, word.as_mut_ptr()) };
    (specials == 0 && !non_ascii).then_some(word)
}

/// Copies a text, if it is short, is UTF-8 and nothing in it has to be looked at.
///
/// # Safety
///
/// [`LONGEST`] bytes can be written to `target`.
#[inline(always)]
unsafe fn copy_plain<const CONTEXT: usize>(text: &[u8], target: *mut u8) -> bool {
    const BYTES: usize = Baseline::BYTES;
    let non_ascii = if text.len() < BYTES {
        // SAFETY: there is room for a vector; the baseline is part of the architecture.
        let (specials, non_ascii) = unsafe { copy_first::<Baseline, CONTEXT>(text, target) };
        if specials != 0 {
            return false;
        }
        non_ascii
    } else if text.len() <= LONGEST {
        let behind = text.len() - BYTES;
        // SAFETY: two vectors, which overlap, or are the same, and end where the text does.
        unsafe {
            let (first, last) = (text.as_ptr(), text.as_ptr().add(behind));
            std::ptr::copy_nonoverlapping(first, target, BYTES);
            std::ptr::copy_nonoverlapping(last, target.add(behind), BYTES);
            let (first, last) = (Baseline::load(first), Baseline::load(last));
            let specials =
                special::<Baseline, CONTEXT>(first).or(special::<Baseline, CONTEXT>(last));
            if specials.first().is_some() {
                return false;
            }
            first
                .is_in(0, 0x7F)
                .and(last.is_in(0, 0x7F))
                .first_not()
                .is_some()
        }
    } else {
        return false;
    };
    !non_ascii || simdutf8::basic::from_utf8(text).is_ok()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::{DOUBLE_QUOTED, SINGLE_QUOTED, TEXT};
    use super::*;

    const NAME: (&[u8; short::SHORT], usize) = (b"name............", 4);

    /// What each adds to an empty buffer, if it does. Where `room` is less than [`ROOM`], an element has as much less than it needs.
    fn put(text: &[u8], room: usize) -> [Option<BytesMut>; 5] {
        let added = |needed: usize, put: &dyn Fn(&mut BytesMut) -> bool| {
            let mut out = BytesMut::with_capacity(needed + room - ROOM);
            let is_put = put(&mut out);
            assert!(is_put || out.is_empty());
            is_put.then_some(out)
        };
        [
            added(ROOM, &|out| put_text::<TEXT>(out, true, text)),
            added(ROOM, &|out| {
                put_value::<DOUBLE_QUOTED>(out, NAME, b'"', text)
            }),
            added(ROOM, &|out| {
                put_value::<SINGLE_QUOTED>(out, NAME, b'\'', text)
            }),
            added(ELEMENT_ROOM, &|out| {
                put_element::<TEXT>(out, true, NAME, text)
            }),
            added(ELEMENT_ROOM, &|out| {
                put_element::<TEXT>(out, false, NAME, text)
            }),
        ]
    }

    fn enclosed(text: &[u8]) -> [Vec<u8>; 5] {
        [
            [b">", text].concat(),
            [b" name=\"", text, b"\""].concat(),
            [b" name='", text, b"'"].concat(),
            [b"><name>", text, b"</name>"].concat(),
            [b"<name>", text, b"</name>"].concat(),
        ]
    }

    #[test]
    fn puts_what_is_plain_and_nothing_else() {
        for len in 0..=LONGEST {
            let plain = vec![b'x'; len];
            assert_eq!(
                put(&plain, ROOM),
                enclosed(&plain).map(|it| Some(it[..].into()))
            );
            for at in 0..len {
                for byte in 0..=0x7F {
                    let mut text = plain.clone();
                    text[at] = byte;
                    let everywhere = byte >= b' ' && !b"<>&".contains(&byte);
                    let in_text = everywhere || byte == b'\n' || byte == b'\t';
                    let plain = [
                        in_text,
                        everywhere && byte != b'"',
                        everywhere && byte != b'\'',
                        in_text,
                        in_text,
                    ];
                    let found = put(&text, ROOM);
                    for ((found, expected), plain) in found.iter().zip(enclosed(&text)).zip(plain) {
                        assert_eq!(*found, plain.then(|| expected[..].into()), "{byte} at {at}");
                    }
                }
            }
        }
    }

    #[test]
    fn puts_no_longer_text_and_none_without_room_or_in_another_encoding() {
        assert_eq!(put(&[b'x'; LONGEST + 1], ROOM + 1), [const { None }; 5]);
        assert_eq!(put(b"x", ROOM - 1), [const { None }; 5]);
        let mut out = BytesMut::with_capacity(ROOM);
        assert!(!put_value::<DOUBLE_QUOTED>(
            &mut out,
            (NAME.0, short::SHORT + 1),
            b'"',
            b"x"
        ));
        let mut out = BytesMut::with_capacity(ELEMENT_ROOM);
        let long = (NAME.0, short::SHORT + 1);
        assert!(!put_element::<TEXT>(&mut out, false, long, b"x"));
        for len in 1..LONGEST - 1 {
            let mut text = vec![b'x'; len];
            text.extend_from_slice("é".as_bytes());
            assert_eq!(
                put(&text, ROOM),
                enclosed(&text).map(|it| Some(it[..].into()))
            );
            text[len + 1] = b'x';
            assert_eq!(put(&text, ROOM), [const { None }; 5]);
            // Perhaps U+FFFE or U+FFFF, which a longer look finds out.
            text.truncate(len - 1);
            text.extend_from_slice("\u{FFFE}".as_bytes());
            assert_eq!(put(&text, ROOM), [const { None }; 5]);
        }
    }
}
