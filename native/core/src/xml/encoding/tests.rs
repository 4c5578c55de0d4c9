use crate::xml::encoding::*;
use encoding_rs::Encoding;

mod cuts;
mod detection;
mod offsets;
mod suite;

/// Decodes a whole document, cut at the offsets given.
fn decode(raw: &[u8], cuts: &[usize], told: Option<&str>) -> Result<String, EncodingError> {
    let (text, result) = decode_until_failure(raw, cuts, told);
    result.map(|()| text)
}

fn decode_until_failure(
    raw: &[u8],
    cuts: &[usize],
    told: Option<&str>,
) -> (String, Result<(), EncodingError>) {
    let account = Account::root();
    let mut text = ChargedVec::new(&account);
    let result = feed_all(raw, cuts, told, &account, &mut text);
    (String::from_utf8(text.to_vec()).unwrap(), result)
}

fn feed_all(
    raw: &[u8],
    cuts: &[usize],
    told: Option<&str>,
    account: &Arc<Account>,
    text: &mut ChargedVec<u8>,
) -> Result<(), EncodingError> {
    let mut decoder = Decoder::new(account, told)?;
    let mut start = 0;
    for &cut in cuts.iter().chain([&raw.len()]) {
        decoder.feed(&raw[start..cut], text).map_err(encoding)?;
        start = cut;
    }
    decoder.finish(text).map_err(encoding)
}

fn encoding(failure: Failure) -> EncodingError {
    match failure {
        Failure::Encoding(error) => error,
        Failure::Refused(refusal) => panic!("refused: {refusal:?}"),
    }
}

/// Cuts of every `step` bytes.
fn every(step: usize, len: usize) -> Vec<usize> {
    (step..len).step_by(step).collect()
}

/// Labels of every encoding that XML documents come in, with text each can write.
const ENCODINGS: [&str; 42] = [
    "UTF-8",
    "UTF-16LE",
    "UTF-16BE",
    "ISO-8859-1",
    "ISO-8859-2",
    "ISO-8859-3",
    "ISO-8859-4",
    "ISO-8859-5",
    "ISO-8859-6",
    "ISO-8859-7",
    "ISO-8859-8",
    "ISO-8859-8-I",
    "ISO-8859-9",
    "ISO-8859-10",
    "ISO-8859-11",
    "ISO-8859-13",
    "ISO-8859-14",
    "ISO-8859-15",
    "ISO-8859-16",
    "KOI8-R",
    "KOI8-U",
    "macintosh",
    "x-mac-cyrillic",
    "IBM866",
    "US-ASCII",
    "windows-874",
    "windows-1250",
    "windows-1251",
    "windows-1252",
    "windows-1253",
    "windows-1254",
    "windows-1255",
    "windows-1256",
    "windows-1257",
    "windows-1258",
    "GBK",
    "gb18030",
    "Big5",
    "EUC-KR",
    "EUC-JP",
    "ISO-2022-JP",
    "Shift_JIS",
];

const SAMPLE: &str =
    "Aé\u{85}ß€žΩЖі֐אבעבةไทยกขกขあいうアイウ漢字日本語中文國語ｱｲｳ한국어Ê̄\u{1F600}𠀋\n<b/>";

/// A document in the encoding, and what it means.
fn document(label: &str, times: usize) -> (Vec<u8>, String) {
    let declaration = format!("<?xml version=\"1.0\" encoding='{label}'?>\n<r>");
    let mut body: String = SAMPLE
        .chars()
        .filter(|&character| encode(label, character.encode_utf8(&mut [0; 4])).is_some())
        .collect();
    body = body.repeat(times);
    let text = format!("{declaration}{body}</r>");
    (encode(label, &text).unwrap(), text)
}

/// `text` in the encoding, by means of our own or of `encoding_rs`.
fn encode(label: &str, text: &str) -> Option<Vec<u8>> {
    let units = || text.encode_utf16();
    match label {
        "UTF-16LE" => Some(units().flat_map(u16::to_le_bytes).collect()),
        "UTF-16BE" => Some(units().flat_map(u16::to_be_bytes).collect()),
        "ISO-8859-1" => text.chars().map(|c| u8::try_from(c).ok()).collect(),
        "US-ASCII" => text.is_ascii().then(|| text.as_bytes().to_vec()),
        _ => {
            let encoding = Encoding::for_label(label.as_bytes()).unwrap();
            let (bytes, _, unmappable) = encoding.encode(text);
            // Characters that the web's code page adds to the standard, and those that it replaces by a look-alike.
            let added = ["ISO-8859-9", "ISO-8859-11"].contains(&label)
                && bytes.iter().any(|byte| (0x80..=0x9F).contains(byte));
            let (back, _) = encoding.decode_without_bom_handling(&bytes);
            (!unmappable && !added && back == text).then(|| bytes.into_owned())
        }
    }
}
