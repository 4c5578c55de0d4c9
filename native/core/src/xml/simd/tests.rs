//! Every kernel that this processor has, compared with the reference: on random text made of the bytes that matter, of
//! every length near a border, at every alignment.

mod reference;

use super::byte_search::{common_with, name_end_with, text_end_with, value_end_with};
use super::portable;
use super::positions::Positions;
use super::structural_index::build::{BLOCKS, Words};
use super::utf8_scan::ScanResult;
use super::vector::{BLOCK, BaselineVector, Vector};
use crate::arena::account::{Account, Refusal};
use crate::arena::charged_vec::ChargedVec;
use proptest::prelude::*;

type Build = fn(&[u8], usize, &mut Positions, &mut Words) -> usize;
type CopyAndScan = fn(&[u8], &mut ChargedVec<u8>) -> Result<Option<ScanResult>, Refusal>;

/// The kernels of a set, as functions that may be called: the processor has their instructions.
struct Kernels {
    name: &'static str,
    common: fn(&[u8; 16], &[u8; 16]) -> usize,
    text_end: fn(&[u8], usize) -> usize,
    value_end: fn(&[u8], usize, u8) -> usize,
    name_end: fn(&[u8], usize) -> usize,
    build: Build,
    scan: fn(&[u8]) -> ScanResult,
    copy_and_scan: CopyAndScan,
}

impl Kernels {
    /// # Safety
    ///
    /// The processor has the instructions of `V` and `B`.
    unsafe fn of<V: Vector, B: BaselineVector>(
        name: &'static str,
        build: Build,
        scan: fn(&[u8]) -> ScanResult,
        copy_and_scan: CopyAndScan,
    ) -> Kernels {
        Kernels {
            name,
            // SAFETY: by this function's contract, as all below.
            common: |a, b| unsafe { common_with::<B>(a, b) },
            // SAFETY: as above.
            text_end: |bytes, from| unsafe { text_end_with::<V>(bytes, from) },
            // SAFETY: as above.
            value_end: |bytes, from, quote| unsafe { value_end_with::<V>(bytes, from, quote) },
            // SAFETY: as above.
            name_end: |bytes, from| unsafe { name_end_with::<V>(bytes, from) },
            build,
            scan,
            copy_and_scan,
        }
    }
}

/// All that can be run here. The portable ones always can.
fn available() -> Vec<Kernels> {
    let mut all = Vec::new();
    // SAFETY: its instructions are everywhere.
    all.push(unsafe {
        Kernels::of::<portable::Word, portable::Word>(
            "portable",
            portable::build,
            portable::scan,
            portable::copy_and_scan,
        )
    });
    #[cfg(all(target_arch = "aarch64", not(feature = "simd-portable")))]
    {
        use super::aarch64;
        // SAFETY: NEON is part of aarch64.
        all.push(unsafe {
            Kernels::of::<aarch64::Baseline, aarch64::Baseline>(
                "neon",
                aarch64::build,
                aarch64::scan,
                aarch64::copy_and_scan,
            )
        });
    }
    #[cfg(all(target_arch = "x86_64", not(feature = "simd-portable")))]
    add_x86_64(&mut all);
    all
}

#[cfg(all(target_arch = "x86_64", not(feature = "simd-portable")))]
fn add_x86_64(all: &mut Vec<Kernels>) {
    use super::x86_64::{avx2, avx512, sse2};
    use std::arch::x86_64::{__m128i, __m256i, __m512i};

    let copy_only: CopyAndScan = portable::copy_and_scan;
    // SAFETY: SSE2 is part of x86-64.
    all.push(unsafe {
        Kernels::of::<__m128i, __m128i>("sse2", sse2::build, sse2::scan, copy_only)
    });
    if avx2::is_there() {
        // SAFETY: it is there, as for the functions in it.
        all.push(unsafe {
            Kernels::of::<__m256i, __m128i>(
                "avx2",
                |text, start, positions, quotes| avx2::build(text, start, positions, quotes),
                |text| avx2::scan(text),
                copy_only,
            )
        });
    }
    if avx512::is_there() {
        // SAFETY: it is there, as for the functions in it.
        all.push(unsafe {
            Kernels::of::<__m512i, __m128i>(
                "avx512",
                |text, start, positions, quotes| avx512::build(text, start, positions, quotes),
                |text| avx512::scan(text),
                |bytes, text| avx512::copy_and_scan(bytes, text),
            )
        });
    }
}

/// Compares all kernels on a text.
fn check(text: &[u8]) {
    for kernels in available() {
        check_searches(&kernels, text);
        check_index(&kernels, text, 0);
        check_index(&kernels, text, text.len() / 3);
        let scanned = reference::scan(text);
        assert_eq!((kernels.scan)(text), scanned, "{}: {text:?}", kernels.name);
        check_copy(&kernels, text);
    }
}

fn check_searches(kernels: &Kernels, text: &[u8]) {
    let name = kernels.name;
    let len = text.len();
    let near = [0, 1, 7, 8, 15, 16, 17, 33]
        .into_iter()
        .filter(|&from| from < len);
    for from in near.chain([len / 2, len.saturating_sub(3), len, len + 1]) {
        let expected = reference::name_end(text, from);
        assert_eq!(
            (kernels.name_end)(text, from),
            expected,
            "{name} {from}: {text:?}"
        );
        for quote in *b"\"'" {
            let expected = reference::value_end(text, from, quote);
            assert_eq!(
                (kernels.value_end)(text, from, quote),
                expected,
                "{name} {from}: {text:?}"
            );
        }
        if from <= text.len() {
            let expected = reference::text_end(text, from);
            assert_eq!(
                (kernels.text_end)(text, from),
                expected,
                "{name} {from}: {text:?}"
            );
        }
    }
    for blocks in text.windows(32) {
        let (a, b) = (blocks.first_chunk().unwrap(), blocks.last_chunk().unwrap());
        assert_eq!(
            (kernels.common)(a, b),
            reference::common(a, b),
            "{name}: {blocks:?}"
        );
        assert_eq!((kernels.common)(a, a), 16, "{name}: {blocks:?}");
    }
}

/// As far as the window goes; it ends early only where its positions have no more room.
fn check_index(kernels: &Kernels, text: &[u8], start: usize) {
    let (mut positions, mut quotes): (_, Words) = (Positions::new(), [!0; BLOCKS]);
    let end = (kernels.build)(text, start, &mut positions, &mut quotes);
    let found: Vec<usize> = (0..).map_while(|number| positions.get(number)).collect();
    let expected: Vec<usize> = (start..end)
        .filter(|&at| reference::markup(text, at))
        .map(|at| at - start)
        .collect();
    assert_eq!(found, expected, "{} {start}: {text:?}", kernels.name);
    for at in start..end {
        let (word, bit) = ((at - start) / BLOCK, (at - start) % BLOCK);
        let found = quotes[word] >> bit & 1 == 1;
        assert_eq!(
            found,
            text[at] == b'"',
            "{} {start} {at}: {text:?}",
            kernels.name
        );
    }
    let whole = text.len().min(start + BLOCKS * BLOCK);
    assert!(
        end == whole || expected.len() > 900,
        "{} {end}",
        kernels.name
    );
}

/// The copy is complete, and the findings are right.
fn check_copy(kernels: &Kernels, text: &[u8]) {
    let mut copy = ChargedVec::new(&Account::root());
    let found = (kernels.copy_and_scan)(text, &mut copy).unwrap();
    assert_eq!(copy[..], *text, "{}", kernels.name);
    let Some(found) = found else {
        assert!(kernels.name != "avx512" || std::str::from_utf8(text).is_err());
        return;
    };
    let expected = reference::scan(text);
    // Only some of the characters that begin with this byte are suspects.
    let noncharacter = found.noncharacter;
    assert!(!noncharacter || expected.noncharacter);
    let suspects = ["\u{FFFE}", "\u{FFFF}"].map(str::as_bytes);
    let has_suspect = text.windows(3).any(|three| suspects.contains(&three));
    assert!(noncharacter || !has_suspect, "{}: {text:?}", kernels.name);
    assert!(
        std::str::from_utf8(text).is_ok(),
        "{}: {text:?}",
        kernels.name
    );
    let expected = ScanResult {
        noncharacter,
        ..expected
    };
    assert_eq!(found, expected, "{}: {text:?}", kernels.name);
}

/// Pieces of text: what means something, and its neighbours.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let characters = "é€😀\u{FFFD}\u{FFFE}\u{FFFF}\u{D7FF}\u{E000}\u{10FFFF}";
    prop_oneof![
        4 => prop::sample::select(b"<&>]\"'\r\n\t /-.:_^[`{@Zaz09".to_vec()).prop_map(|byte| vec![byte]),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
        1 => (any::<u8>(), 1..100_usize).prop_map(|(byte, times)| vec![byte; times]),
        1 => (1..100_usize).prop_map(|times| vec![b'x'; times]),
        1 => prop::sample::select(characters.chars().collect::<Vec<_>>())
            .prop_map(|character| character.to_string().into_bytes()),
        1 => Just(b"]]>".to_vec()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn kernels_find_what_the_reference_finds(pieces in prop::collection::vec(piece(), 0..40)) {
        check(&pieces.concat());
    }
}

#[test]
fn every_length_at_every_alignment() {
    let text: Vec<u8> = (0..400_u32)
        .map(|n| b"<&>]\"'\r\nx\xC3\xA9\xEF"[(n.wrapping_mul(2_654_435_761) >> 28) as usize % 12])
        .collect();
    for from in 0..64 {
        for len in (0..140).chain([191, 192, 193, 255, 256, 257, 300]) {
            check(&text[from..from + len]);
        }
    }
}

#[test]
fn every_byte_at_every_place() {
    for len in [1, 63, 64, 65, 129] {
        for at in 0..len {
            for byte in 0..=u8::MAX {
                let mut text = vec![b'x'; len];
                text[at] = byte;
                check(&text);
            }
        }
    }
}

#[test]
fn windows_of_all_densities() {
    for dense in [1, 2, 3, 16, 17, 64, 1_000, 40_000] {
        let mut text = vec![b'.'; 40_000];
        for at in (0..text.len()).step_by(dense) {
            text[at] = b"<&\">"[at / dense % 4];
            text[at.saturating_sub(1)] = b']';
        }
        for kernels in available() {
            for start in (0..40_000).step_by(1_237) {
                check_index(&kernels, &text, start);
            }
        }
    }
}

#[test]
fn a_set_is_used_that_this_build_may_use() {
    let widest = if cfg!(feature = "simd-portable") {
        "portable"
    } else if cfg!(target_arch = "aarch64") {
        "neon"
    } else {
        let widest = available().pop().unwrap().name;
        match widest {
            "avx512" | "avx2" if cfg!(feature = "simd-sse2") => "sse2",
            "avx512" if cfg!(feature = "simd-avx2") => "avx2",
            widest => widest,
        }
    };
    assert_eq!(super::kernel_set(), widest);
}
