//! The documents of the W3C suite that are not in UTF-8. `bin/fetch-xmlconf` puts them in place.

use crate::xml::encoding::tests::*;
use encoding_rs::{EUC_JP, ISO_2022_JP, SHIFT_JIS, UTF_16BE, UTF_16LE};
use std::path::{Path, PathBuf};

fn japanese() -> Option<PathBuf> {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/xmlconf");
    [suite.join("xmlconf/japanese"), suite.join("japanese")]
        .into_iter()
        .find(|directory| directory.is_dir())
}

#[test]
fn the_japanese_documents_decode_the_same_at_every_chunk_size() {
    let Some(directory) = japanese() else {
        eprintln!("skipped: the W3C suite is absent (bin/fetch-xmlconf)");
        return;
    };
    for (name, encoding) in [
        ("euc-jp", EUC_JP),
        ("iso-2022-jp", ISO_2022_JP),
        ("shift_jis", SHIFT_JIS),
        ("utf-16", UTF_16BE),
        ("little-endian", UTF_16LE),
    ] {
        for document in ["weekly", "pr-xml"] {
            let raw = std::fs::read(directory.join(format!("{document}-{name}.xml"))).unwrap();
            let (expected, _) = encoding.decode_with_bom_removal(&raw);
            for step in [1, 2, 3, 7, 4096, 65_536] {
                let text = decode(&raw, &every(step, raw.len()), None).unwrap();
                assert!(text == expected, "{document}-{name} by {step}");
            }
        }
    }
}
