//! Short strings copied behind what was written.
#![allow(unsafe_code)]

use bytes::BytesMut;

/// Adds all `parts`, or none if the spare capacity is too small: it never reallocates.
#[inline(always)]
pub(crate) fn put<const N: usize>(out: &mut BytesMut, parts: [&[u8]; N]) -> bool {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    let target = out.spare_capacity_mut();
    if target.len() < len {
        return false;
    }
    let mut at = 0;
    for part in parts {
        // SAFETY: the lengths add up to no more than the room.
        unsafe { copy_short(part, target.as_mut_ptr().add(at).cast()) };
        at += part.len();
    }
    // SAFETY: the loop wrote `len` bytes.
    unsafe { out.set_len(out.len() + len) };
    true
}

/// Adds `before`, a name of `len` bytes, which `head` begins with, and `behind`; or, where the name is longer than that or
/// there is no room for a whole head, nothing.
#[inline(always)]
pub(crate) fn put_short<const B: usize, const H: usize, const A: usize>(
    out: &mut BytesMut,
    before: &[u8; B],
    (head, len): (&[u8; H], usize),
    behind: &[u8; A],
) -> bool {
    let target = out.spare_capacity_mut();
    if target.len() < B + H + A || len > H {
        return false;
    }
    let target = target.as_mut_ptr().cast::<u8>();
    // SAFETY: there is room for all three; what is written behind the name is written over by what follows, or not counted.
    unsafe {
        target.cast::<[u8; B]>().write_unaligned(*before);
        target.add(B).cast::<[u8; H]>().write_unaligned(*head);
        target
            .add(B + len)
            .cast::<[u8; A]>()
            .write_unaligned(*behind);
        out.set_len(out.len() + B + len + A);
    }
    true
}

/// Adds `<` and a name of `len` bytes, which `head` begins with, behind a `>` if it `closes` a tag; or, where the name is longer
/// than that or there is little room, nothing.
#[inline(always)]
pub(crate) fn put_start<const H: usize>(
    out: &mut BytesMut,
    closes: bool,
    (head, len): (&[u8; H], usize),
) -> bool {
    let target = out.spare_capacity_mut();
    if target.len() < 2 + H || len > H {
        return false;
    }
    let target = target.as_mut_ptr().cast::<u8>();
    let before = usize::from(closes);
    // SAFETY: there is room for both and a whole head, whose end is written over by what follows, or not counted.
    unsafe {
        target.write(b'>');
        target.add(before).write(b'<');
        target
            .add(before + 1)
            .cast::<[u8; H]>()
            .write_unaligned(*head);
        out.set_len(out.len() + before + 1 + len);
    }
    true
}

/// Adds the first `len` bytes of `word`, behind a `>` if it `closes` a tag; or, where there is little room, nothing.
#[inline(always)]
pub(crate) fn put_word<const H: usize>(
    out: &mut BytesMut,
    closes: bool,
    (word, len): (&[u8; H], usize),
) -> bool {
    let target = out.spare_capacity_mut();
    if target.len() < 1 + H || len > H {
        return false;
    }
    let target = target.as_mut_ptr().cast::<u8>();
    let before = usize::from(closes);
    // SAFETY: there is room for both and a whole word, whose end is not counted.
    unsafe {
        target.write(b'>');
        target.add(before).cast::<[u8; H]>().write_unaligned(*word);
        out.set_len(out.len() + before + len);
    }
    true
}

/// Copies `source`. Most names and texts are so short that calling for it takes longer than doing it: two words that
/// overlap.
///
/// # Safety
///
/// As many bytes can be written to `target`.
#[inline(always)]
pub(super) unsafe fn copy_short(source: &[u8], target: *mut u8) {
    // SAFETY: by this function's contract: nothing is written beyond the length.
    unsafe {
        match source.len() {
            8..=16 => copy_ends::<8>(source, target),
            4..8 => copy_ends::<4>(source, target),
            1..4 => {
                // First, middle and last: of two or one, some are the same.
                let len = source.len();
                let (first, middle, last) = (source[0], source[len / 2], source[len - 1]);
                target.write(first);
                target.add(len / 2).write(middle);
                target.add(len - 1).write(last);
            }
            len => std::ptr::copy_nonoverlapping(source.as_ptr(), target, len),
        }
    }
}

/// # Safety
///
/// As [`copy_short`]; `source` has from `N` to 2 `N` bytes.
#[inline(always)]
unsafe fn copy_ends<const N: usize>(source: &[u8], target: *mut u8) {
    if let (Some(first), Some(last)) = (source.first_chunk::<N>(), source.last_chunk::<N>()) {
        // SAFETY: both lie within the length.
        unsafe {
            target.cast::<[u8; N]>().write_unaligned(*first);
            target
                .add(source.len() - N)
                .cast::<[u8; N]>()
                .write_unaligned(*last);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn puts_a_short_name_where_there_is_room_for_a_long_one() {
        for len in 0..=4 {
            let mut out = BytesMut::with_capacity(14);
            assert!(put_short(&mut out, b"</", (b"abcd", len), b">"));
            assert_eq!(out, [b"</", &b"abcd"[..len], b">"].concat());
            assert!(put_short(&mut out, b"<", (b"abcd", len), b">"));
            while put_short(&mut out, b"<", (b"abcd", 0), b">") {}
            assert!(out.capacity() - out.len() < 6);
        }
    }

    #[test]
    fn puts_a_start_behind_the_end_of_a_tag() {
        for len in 0..=4 {
            let mut out = BytesMut::with_capacity(14);
            assert!(put_start(&mut out, false, (b"abcd", len)));
            assert!(put_start(&mut out, true, (b"abcd", len)));
            let name = &b"abcd"[..len];
            assert_eq!(out, [b"<", name, b"><", name].concat());
            while put_start(&mut out, true, (b"abcd", 0)) {}
            assert!(out.capacity() - out.len() < 6);
            assert!(!put_start(
                &mut BytesMut::with_capacity(14),
                false,
                (b"abcd", 5)
            ));
        }
    }

    #[test]
    fn puts_a_word_where_there_is_room_for_all_of_it() {
        for len in 0..=4 {
            let mut out = BytesMut::with_capacity(14);
            assert!(put_word(&mut out, false, (b"abcd", len)));
            assert!(put_word(&mut out, true, (b"abcd", len)));
            let word = &b"abcd"[..len];
            assert_eq!(out, [word, b">", word].concat());
            while put_word(&mut out, true, (b"abcd", 0)) {}
            assert!(out.capacity() - out.len() < 5);
            let mut out = BytesMut::with_capacity(14);
            assert!(!put_word(&mut out, false, (b"abcd", 5)));
        }
    }

    #[test]
    fn puts_all_parts_or_none() {
        for len in 0..40 {
            let part: Vec<u8> = (0..len).collect();
            let mut out = BytesMut::with_capacity(200);
            assert!(put(&mut out, [b"<", &part, b"=", &part]));
            assert_eq!(out, [b"<", &part[..], b"=", &part].concat());
            let room = out.capacity() - out.len();
            assert!(!put(&mut out, [b"x", &vec![0; room]]));
            assert!(put(&mut out, [&vec![0; room]]));
        }
    }
}
