//! Bytes really allocated never exceed bytes charged by more than a tenth and 64 KiB.
#![allow(clippy::expect_used)]

use bounded_core::arena::account::Account;
use bounded_core::arena::charged_vec::ChargedVec;
use bounded_core::arena::chunked_buf::ChunkedBuf;
use bounded_core::external_term::{Allowed, Progress, SizeScan};
use bounded_core::slice::{PLAN_PIECES, Piece, Plan, STEP};
use bounded_core::xml::write::{
    PieceSink, RunKind, WriteError, WriteOptions, Writer, WrittenName, check_name, escape, unescape,
};
use bounded_core::xml::{
    Attributes, Flow, Ignore, Interest, Name, NamespaceTest, Options, Parser, Prolog, Selector,
    SelectorBuilder, Sink, Status, Step,
};
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

/// Takes the elements that a path selects, as `BoundedXml.select/3` does, and keeps the text of each until its end.
struct Records {
    selector: Selector,
    text: ChunkedBuf,
    /// Elements open from a selected one on.
    depth: usize,
    count: usize,
}

impl Sink for Records {
    const SELECTS: bool = true;

    fn start_document(&mut self, _prolog: &Prolog<'_>) -> Flow {
        Flow::Accepted
    }

    fn interest(&mut self, name: &Name<'_>, context: u64) -> Interest {
        self.selector.interest(name, context)
    }

    fn start_element(&mut self, _name: Name<'_>, _attributes: &Attributes<'_>) -> Flow {
        self.depth += 1;
        Flow::Accepted
    }

    fn end_element(&mut self, _name: Name<'_>) -> Flow {
        self.depth -= 1;
        if self.depth == 0 {
            self.text.clear();
            self.count += 1;
        }
        Flow::Accepted
    }

    fn characters(&mut self, text: &str) -> Flow {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let written = self.text.extend(rest).expect("the account has room");
            rest = &rest[written..];
        }
        Flow::Accepted
    }

    fn end_document(&mut self) -> Flow {
        Flow::Accepted
    }
}

/// Selects by `path`, `None` for any name; returns how many were selected.
fn select(what: &str, document: &str, chunk: usize, path: &[Option<&str>]) -> usize {
    let account = Account::child(&Account::root(), 1 << 40);
    let selector = || {
        let mut builder = SelectorBuilder::new();
        let mut at = builder.root();
        for local in path {
            let step = Step {
                descendant: true,
                local: local.map(Box::from),
                namespace: NamespaceTest::Any,
                predicates: Box::default(),
            };
            at = builder.step(at, step, false);
        }
        builder.hit(at, 0, false);
        builder.build(true).expect("some steps")
    };
    let mut count = 0;
    let allocated = allocated(|| {
        let mut records = Records {
            selector: selector(),
            text: ChunkedBuf::new(&account),
            depth: 0,
            count: 0,
        };
        let mut parser = Parser::new(Options::default(), &account);
        let mut run = |parser: &mut Parser| {
            while let Ok(Status::Full) = parser.run(&mut records) {}
        };
        for piece in document.as_bytes().chunks(chunk) {
            parser.feed(piece).expect("the account has room");
            run(&mut parser);
        }
        parser.finish();
        run(&mut parser);
        count = records.count;
    });
    assert_charged(what, account.usage().peak, allocated);
    count
}

/// The buffers that everything above uses.
struct Dropped;

impl PieceSink for Dropped {
    fn piece(&mut self, _bytes: &[u8]) {}
}

/// Writes what `parts` writes, in the root element.
fn write(what: &str, parts: impl FnOnce(&mut Writer, &mut Dropped) -> Result<(), WriteError>) {
    let account = Account::child(&Account::root(), 1 << 40);
    let root = check_name(b"root").expect("it is a name");
    let allocated = allocated(|| {
        let mut writer = Writer::new(WriteOptions::default(), &account).expect("there is room");
        let sink = &mut Dropped;
        let written = writer
            .tag(root, &[], sink)
            .and_then(|()| parts(&mut writer, sink))
            .and_then(|()| writer.end(sink))
            .and_then(|()| writer.finish(sink));
        assert_eq!(written, Ok(()));
    });
    assert_charged(what, account.usage().peak, allocated);
    assert_eq!(account.reserved(), 0);
}

fn writing() {
    let text = "<&> ".repeat(8_000);
    write("texts", |writer, sink| {
        (0..500).try_for_each(|_| writer.text(text.as_bytes(), sink))
    });
    let long = format!("a{}", "b".repeat(200));
    for (what, name) in [("deep", "a"), ("deep, of long names", &long)] {
        let name = check_name(name.as_bytes()).expect("it is a name");
        write(what, |writer, sink| {
            (0..50_000).try_for_each(|_| writer.tag(name, &[], sink))?;
            (0..50_000).try_for_each(|_| writer.end(sink))
        });
    }
    let names: Vec<String> = (0..16_000).map(|n| format!("name-{n}")).collect();
    write("a tag of many attributes", |writer, sink| {
        let name = check_name(b"a").expect("it is a name");
        writer.start(WrittenName::Plain(name), false, sink)?;
        for name in &names {
            let name = check_name(name.as_bytes()).expect("it is a name");
            writer.attribute(WrittenName::Plain(name), b"1", sink)?;
        }
        writer.end(sink)
    });
    write("many namespaces", |writer, sink| {
        for n in 0..1_000 {
            let uri = format!("urn:example:{n}");
            let name = WrittenName::Expanded(Some(uri.as_bytes()), b"a");
            writer.start(name, true, sink)?;
        }
        (0..1_000).try_for_each(|_| writer.end(sink))
    });
    write("a section in parts", |writer, sink| {
        writer.begin_run(RunKind::Cdata, sink)?;
        (0..200).try_for_each(|_| writer.run_part(text.as_bytes(), sink))?;
        writer.end_run(sink)
    });
    for (what, escaped) in [("escaped", false), ("unescaped", true)] {
        let account = Account::child(&Account::root(), 1 << 40);
        let text = if escaped {
            "&lt;&amp;&#x20AC;".repeat(1_900)
        } else {
            "<\"&".repeat(10_000)
        };
        let allocated = allocated(|| match escaped {
            true => drop(unescape(text.as_bytes(), true, true, &account)),
            false => drop(escape(text.as_bytes(), true, &account, &mut Dropped)),
        });
        assert_charged(what, account.usage().peak, allocated);
    }
}

fn containers() {
    let account = Account::child(&Account::root(), 1 << 40);
    let allocated = allocated(|| {
        let mut vec = ChargedVec::new(&account);
        let mut segments = ChunkedBuf::new(&account);
        for _ in 0..300_000 {
            vec.push([0u64; 3]).expect("the account has room");
            segments.extend(b"bytes").expect("the account has room");
        }
    });
    assert_charged("containers", account.usage().peak, allocated);
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
            // The whole document as one record, every element of a name, and nothing while every open one is kept.
            assert_eq!(select(what, document, chunk, &[None]), 1);
            select(what, document, chunk, &[Some("r"), Some("i")]);
            assert_eq!(select(what, document, chunk, &[None, Some("none")]), 0);
        }
    }
    assert_eq!(
        select("items", &documents[0].1, 4_096, &[Some("r"), Some("i")]),
        20_000
    );
    containers();
    writing();

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
        let mut scan = SizeScan::new(0);
        let all = scan.step(&nested, u64::MAX, &Allowed::default(), usize::MAX);
        assert_eq!(all, Ok(Progress::Done));
    });
    assert_eq!(walked, 0);
}
