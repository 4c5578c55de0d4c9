//! Strings so short that a call for copying or comparing them takes longer than doing it.

/// Bytes that are looked at together.
pub(crate) const SHORT: usize = 16;

/// The first bytes, the first of them in the lowest bits, with zeros behind the last: two words that overlap, or what is
/// shorter than those.
#[inline(always)]
pub(crate) fn first(bytes: &[u8]) -> u128 {
    if let Some(first) = bytes.first_chunk::<SHORT>() {
        return u128::from_le_bytes(*first);
    }
    let len = bytes.len();
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
        // Of what is in both. By halves: of eight bytes it is the whole word, and no word can be shifted by that.
        let half = 4 * (SHORT - len) as u32;
        return u128::from(first) | u128::from(last >> half >> half) << 64;
    }
    let word = if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        // What is in both is the same in both.
        u64::from(first) | u64::from(last) << (8 * (len - 4))
    } else if let [first, .., last] | [first @ last] = bytes {
        let middle = u64::from(bytes[len / 2]) << (8 * (len / 2));
        u64::from(*first) | middle | u64::from(*last) << (8 * (len - 1))
    } else {
        0
    };
    u128::from(word)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_have_zeros_behind_them() {
        let bytes: Vec<u8> = (0xE0..=0xFF).collect();
        for len in 0..bytes.len() {
            let mut expected = [0; SHORT];
            let known = len.min(SHORT);
            expected[..known].copy_from_slice(&bytes[..known]);
            assert_eq!(first(&bytes[..len]).to_le_bytes(), expected, "{len}");
        }
    }
}
