//! quick-xml alone, with all its checks and attributes, as a rival in `bench/`: counts events and bytes
//! of text, makes nothing of them.
//!
//! `quick_xml FILE TIMES` prints `events text_bytes cpu_nanoseconds wall_nanoseconds` for all the times
//! together, reading the file not included.

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use std::error::Error;
use std::time::Instant;

/// As in the NIF library.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: quick_xml FILE TIMES")?;
    let times: u32 = arguments.next().as_deref().unwrap_or("1").parse()?;
    let document = std::fs::read(path)?;
    let mut counted = Counted::default();
    let (cpu, wall) = (cpu_nanoseconds(), Instant::now());
    for _ in 0..times {
        counted = count(&document)?;
    }
    println!(
        "{} {} {} {}",
        counted.events,
        counted.text_bytes,
        cpu_nanoseconds() - cpu,
        wall.elapsed().as_nanos()
    );
    Ok(())
}

#[derive(Default)]
struct Counted {
    events: u64,
    text_bytes: usize,
    attribute_bytes: usize,
}

fn count(document: &[u8]) -> Result<Counted, Box<dyn Error>> {
    // What it is given must be UTF-8; this check is the fastest there is.
    let document = simdutf8::basic::from_utf8(document)?;
    let mut reader = Reader::from_str(document);
    reader.config_mut().enable_all_checks(true);
    let mut counted = Counted::default();
    loop {
        match reader.read_event()? {
            Event::Eof => return Ok(counted),
            Event::Start(tag) => {
                counted.events += 1;
                attributes(&tag, &mut counted)?;
            }
            Event::Empty(tag) => {
                counted.events += 2;
                attributes(&tag, &mut counted)?;
            }
            Event::Text(text) => {
                counted.events += 1;
                counted.text_bytes += text.len();
            }
            Event::CData(text) => {
                counted.events += 1;
                counted.text_bytes += text.len();
            }
            Event::GeneralRef(reference) => {
                counted.text_bytes += match reference.resolve_char_ref()? {
                    Some(character) => character.len_utf8(),
                    None => quick_xml::escape::resolve_xml_entity(&reference).map_or(0, str::len),
                };
            }
            _ => counted.events += 1,
        }
    }
}

fn attributes(tag: &BytesStart<'_>, counted: &mut Counted) -> Result<(), Box<dyn Error>> {
    for attribute in tag.attributes() {
        let value = attribute?.normalized_value(XmlVersion::Implicit1_0)?;
        counted.attribute_bytes += std::hint::black_box(value.len());
    }
    Ok(())
}

/// What this process has used, on the systems where this is measured: Linux and macOS.
fn cpu_nanoseconds() -> u128 {
    #[repr(C)]
    struct Timespec {
        seconds: i64,
        nanoseconds: i64,
    }
    unsafe extern "C" {
        fn clock_gettime(clock: i32, time: *mut Timespec) -> i32;
    }
    const PROCESS_CPUTIME: i32 = if cfg!(target_os = "macos") { 12 } else { 2 };
    let mut time = Timespec {
        seconds: 0,
        nanoseconds: 0,
    };
    // SAFETY: the structure is laid out as 64-bit systems have it, and lives through the call.
    unsafe { clock_gettime(PROCESS_CPUTIME, &mut time) };
    time.seconds as u128 * 1_000_000_000 + time.nanoseconds as u128
}
