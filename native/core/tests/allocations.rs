//! Bytes really allocated never exceed bytes charged by more than a tenth and 64 KiB.
#![allow(clippy::expect_used)]

use bounded_core::external_term::{Allowed, Progress, Walk};
use bounded_core::quota::Account;
use bounded_core::slice::{PLAN_PIECES, Piece, Plan, STEP};
use bounded_core::xml::{Attributes, Flow, Name, Options, Parser, Prolog, Sink, Status};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: everything is passed on to the system's allocator, and counted on the way.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(live, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    // The system grows large blocks by moving their pages, not by holding them twice.
    unsafe fn realloc(&self, address: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let live = LIVE.fetch_add(size, Ordering::Relaxed) + size - layout.size();
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        PEAK.fetch_max(live, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(address, layout, size) }
    }

    unsafe fn dealloc(&self, address: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(address, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that `work` had allocated at most, over what there was before.
fn allocated(work: impl FnOnce()) -> u64 {
    let before = LIVE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    work();
    (PEAK.load(Ordering::Relaxed) - before) as u64
}

fn assert_charged(what: &str, charged: u64, allocated: u64) {
    let allowed = charged + charged / 10 + 64 * 1024;
    assert!(
        allocated <= allowed,
        "{what}: {allocated} allocated, {charged} charged"
    );
}

/// Takes events and keeps nothing.
struct Ignore;

impl Sink for Ignore {
    fn start_document(&mut self, _prolog: &Prolog<'_>) -> Flow {
        Flow::Taken
    }

    fn start_element(&mut self, _name: Name<'_>, _attributes: &Attributes<'_>) -> Flow {
        Flow::Taken
    }

    fn end_element(&mut self, _name: Name<'_>) -> Flow {
        Flow::Taken
    }

    fn characters(&mut self, _text: &str) -> Flow {
        Flow::Taken
    }

    fn end_document(&mut self) -> Flow {
        Flow::Taken
    }
}

fn parse(what: &str, document: &str, chunk: usize) {
    let account = Account::child(&Account::root(), 1 << 40);
    let allocated = allocated(|| {
        let mut parser = Parser::new(Options::default(), &account);
        for piece in document.as_bytes().chunks(chunk) {
            parser.feed(piece).expect("the account has room");
            while let Ok(Status::Full) = parser.run(&mut Ignore) {}
        }
        parser.finish();
        while let Ok(Status::Full) = parser.run(&mut Ignore) {}
    });
    assert_charged(what, account.usage().peak, allocated);
}

// One test, for the counters are everybody's.
#[test]
fn what_is_allocated_is_charged() {
    let many = |from: &str, n: usize| from.repeat(n);
    let attributes: String = (0..250).map(|n| format!(" a{n}='{n}'")).collect();
    let entities: String = (0..2_000)
        .map(|n| format!("<!ENTITY e{n} 'text {n}'>"))
        .collect();
    let documents = [
        (
            "items",
            format!("<r>{}</r>", many("<i a='1'>text &amp; more</i>", 20_000)),
        ),
        ("a long text", format!("<r>{}</r>", many("text ", 400_000))),
        ("a long value", format!("<r a='{}'/>", many("x", 2_000_000))),
        (
            "attributes",
            format!("<r>{}</r>", many(&format!("<e{attributes}/>"), 100)),
        ),
        (
            "depth",
            format!("{}{}", many("<nested>", 250), many("</nested>", 250)),
        ),
        (
            "entities",
            format!(
                "<!DOCTYPE r [{entities}]><r>{}</r>",
                many("&e1;&e1999;", 1_000)
            ),
        ),
    ];
    for (what, document) in &documents {
        for chunk in [4_096, 65_536, document.len()] {
            parse(what, document, chunk);
        }
    }

    let slices = allocated(|| {
        let mut plan = Plan::new();
        while plan.push(Piece {
            start: 0,
            len: STEP / PLAN_PIECES,
        }) {}
    });
    assert_charged("slices", 0, slices);

    let mut nested = b"l\x00\x00\x00\x01".repeat(1_000_000);
    nested.resize(6_000_001, b'j');
    let walked = allocated(|| {
        let mut walk = Walk::new(0);
        let all = walk.step(&nested, u64::MAX, Allowed::default(), usize::MAX);
        assert_eq!(all, Ok(Progress::Done));
    });
    assert_eq!(walked, 0);
}
