//! The reference for the kernels: plain loops, the same on every processor.

use crate::xml::simd::utf8_scan::ScanResult;

pub fn first(bytes: &[u8], from: usize, ends: impl Fn(u8) -> bool) -> usize {
    let found = (from..bytes.len()).find(|&at| ends(bytes[at]));
    found.unwrap_or(bytes.len().max(from))
}

pub fn common(a: &[u8; 16], b: &[u8; 16]) -> usize {
    (0..16).find(|&at| a[at] != b[at]).unwrap_or(16)
}

pub fn text_end(bytes: &[u8], from: usize) -> usize {
    let is_end = |&at: &usize| match bytes[at] {
        b'<' | b'&' | b'\r' => true,
        b'>' => at >= from + 2 && bytes[at - 1] == b']' && bytes[at - 2] == b']',
        _ => false,
    };
    let found = (from..bytes.len()).find(is_end);
    found.unwrap_or(bytes.len().max(from))
}

pub fn value_end(bytes: &[u8], from: usize, quote: u8) -> usize {
    first(bytes, from, |byte| {
        byte == quote || byte == b'<' || byte == b'&' || byte < 0x20
    })
}

pub fn name_end(bytes: &[u8], from: usize) -> usize {
    first(bytes, from, |byte| {
        !(byte.is_ascii_alphanumeric() || b"_:-.".contains(&byte))
    })
}

/// Whether `<`, `&` or the `>` of `]>` is at `at`.
pub fn markup(text: &[u8], at: usize) -> bool {
    match text[at] {
        b'<' | b'&' => true,
        b'>' => at > 0 && text[at - 1] == b']',
        _ => false,
    }
}

pub fn scan(text: &[u8]) -> ScanResult {
    let is_control = |byte: &u8| *byte < 0x20 && !b"\t\n\r".contains(byte);
    ScanResult {
        control: text.iter().any(is_control),
        noncharacter: text.contains(&0xEF),
        returns: text.contains(&b'\r'),
        line_feeds: text.iter().filter(|&&byte| byte == b'\n').count(),
    }
}
