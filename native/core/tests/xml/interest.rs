//! Content that a sink does not want is validated, and becomes no event.

use crate::support::choosy::{self, Choice, How, Told, told};
use bounded_core::xml::{Interest, Limits, Options, TextMode};

/// Of "step" what is in it, one step further, of "within" as if it were not there, of "all" everything but on the
/// third step, of everything else nothing.
const BY_NAME: Choice = |name, context| match name {
    "step" => Interest::Within(context + 1),
    "within" => Interest::Within(context),
    "all" if context != 3 => Interest::All,
    // Asked with its attributes.
    "tags" => Interest::Tags(context),
    _ => Interest::Nothing,
};

fn events(document: &str) -> Vec<String> {
    let (events, error) = told(
        [document.as_bytes()],
        &Options::default(),
        BY_NAME,
        How::AtOnce,
    );
    assert_eq!(error, None);
    events.into_iter().map(|(_, event)| event).collect()
}

#[test]
fn what_is_wanted_is_told_and_nothing_else() {
    let document = "<step a='1'>text<all b='2'>t<other c='3'>&lt;</other></all>\
                    <other d='4'>x<all/></other><step/>y<all e='5'/>\
                    <step>x<step><all g='6'/><within><all/></within></step><all h='7'/></step>\
                    <within f='4'>x<within/><all/></within>&amp;</step>";
    let told = events(document);
    let has = |what: &str| told.iter().any(|event| event.contains(what));
    assert_eq!(told.len(), 14, "{told:#?}");
    for part in [
        "\"1\"", "\"4\"", "\"6\"", "\"text\"", "\"x\"", "\"y\"", "\"&\"",
    ] {
        assert!(!has(part), "{part}: {told:#?}");
    }
    for part in ["\"2\"", "\"3\"", "\"5\"", "\"7\"", "\"t\"", "\"<\""] {
        assert!(has(part), "{part}: {told:#?}");
    }
}

#[test]
fn tags_are_told_of_elements_that_are_otherwise_looked_through() {
    let told = events(
        "<step><tags a='1'>text<all b='2'/><other c='3'/></tags><tags nothing='4'><all d='5'/></tags>\
         <tags within='6'>x<all e='7'/></tags><tags all='8'>told<x/></tags><tags/></step>",
    );
    let count = |what: &str| told.iter().filter(|event| event.contains(what)).count();
    // Those of 1, 8 and the last one have ends, and so have both that are wanted in 1 and 6, and the one in 8.
    assert_eq!(count("</"), 6, "{told:#?}");
    for value in [
        "\"1\"", "\"2\"", "\"4\"", "\"6\"", "\"7\"", "\"8\"", "\"told\"",
    ] {
        assert_eq!(count(value), 1, "{value}: {told:#?}");
    }
    for value in ["\"3\"", "\"5\"", "\"text\"", "\"x\""] {
        let named = if value == "\"x\"" { 2 } else { 0 };
        assert!(count(value) <= 2 * named, "{value}: {told:#?}");
    }
}

/// Elements with nothing but text in them, and others that begin alike.
#[test]
fn an_element_may_be_taken_as_a_whole_where_it_has_only_text() {
    let long = "long ".repeat(300);
    let plain = [
        "<tags>text</tags>",
        "<tags></tags>",
        "<tags all='1' b='2'>\n a > b ] ]] \n</tags>",
        "<tags all='3'>&lt;a&amp;b&gt;</tags>",
        "<tags nothing='4'>x</tags>",
        "<tags within='5'>y</tags>",
    ];
    let others = [
        "<tags all='1'>a\rb</tags>",
        "<tags all='1'>&#65;</tags>",
        "<tags all='1'>&amp;&unknown;</tags>",
        "<tags all='1'>&amp;]]></tags>",
        "<tags all='1'>]]></tags>",
        "<tags all='1'>a<b/>c</tags>",
        "<tags all='1'>a<!-- c --></tags>",
        "<tags all='1'><![CDATA[c]]></tags>",
        "<tags all='1'>x</tags >",
        "<tags all='1'>&amp;</tag>",
        "<tags all='1'>x</tagss>",
        "<tags all='1' all='2'>x</tags>",
        "<tags all='1'>x</other>",
        &format!("<tags all='1'>{long}</tags>"),
        &format!("<tags all='1'>&amp;{long}</tags>"),
    ];
    let options = Options::default();
    let spaceless = Options {
        skip_whitespace: true,
        ..Options::default()
    };
    let wrapped = |tag: &str| format!("<step>{tag}{tag}<all>x</all>{tag}</step>");
    for tag in plain.into_iter().chain(others) {
        let document = wrapped(tag);
        let sizes: Vec<usize> = (1..document.len()).collect();
        for options in [&options, &spaceless] {
            choosy::check(document.as_bytes(), options, BY_NAME, &sizes);
        }
    }
    let leaves = |tag: &str, options| {
        let document = wrapped(tag);
        choosy::told_and_leaves([document.as_bytes()], options, BY_NAME, How::AtOnce).1
    };
    for tag in plain {
        assert_eq!(leaves(tag, &options), 3, "{tag}");
        assert_eq!(leaves(tag, &spaceless), 0, "{tag}");
    }
    for tag in others {
        assert_eq!(leaves(tag, &options), 0, "{tag}");
    }
}

#[test]
fn an_element_of_which_nothing_is_wanted_may_be_the_root() {
    assert_eq!(events("<other>x<all>y</all></other>").len(), 2);
    assert_eq!(events("<other/>").len(), 2);
    assert_eq!(events("<all>x</all>").len(), 5);
}

/// In an element that is not wanted, and beside one that is.
const FAULTS: [&str; 46] = [
    "text\r",
    "<b></c>",
    "</b>",
    "<b",
    "<b>",
    "<b a='1' a='2'/>",
    "<b a='1' a='2' b='3'>x</b>",
    "<b a='1'b='2'/>",
    "<b a=1/>",
    "<b a/>",
    "<b a='<'/>",
    "<b a='&x;'/>",
    "<b a='&#0;'/>",
    "<b a='&amp'/>",
    "<b a='&lt;&#65;\t\r\n&quot;' b=\"'\"/>",
    "<b a='1234567890123456789012345678901'/>",
    "<b a='123456789012' c='123456789012'/>",
    "<b a='xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' c='xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'/>",
    "<b a='xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'/>",
    "<b a='1' c='1' a='1'>]]</b>",
    "<b a='&amp;&amp;&amp;&amp;&amp;&amp;&amp;&amp;'/>",
    "<b a='' c='' d='' e='' f=''/>",
    "<1/>",
    "<b:c:d/>",
    "<é è='ê'>ë</é>",
    "<\u{D7}/>",
    "<b><b><b><b/></b></b></b>",
    "<b/><b/><b/><b/><b/><b/><b/><b/><b/>",
    "<a-name-that-is-much-too-long/>",
    "<b></b ><b\n></b\r\n>",
    "text &amp; &#x41; &#65;\r\n\r and > and ]] and ]>",
    "]]>",
    "]]]>",
    "&lt;]]>",
    "&unknown;",
    "&#xFFFE;",
    "& ",
    "&#65",
    "&a-reference-that-is-much-too-long;",
    "\u{1}",
    "<!-- c --><![CDATA[x]]><?p i?>",
    "<![CDATA[]>x]>]]>]><b a=']>]]>'>]></b>",
    "<!-- -- -->",
    "<![CDATA[x",
    "<?xml version='1.0'?>",
    "<!DOCTYPE a>",
];

#[test]
fn every_fault_is_found_where_it_is_wherever_it_is() {
    let limits = Limits {
        max_depth: 5,
        max_elements: 9,
        max_attributes: 4,
        max_attribute_bytes: 30,
        max_name_bytes: 20,
        max_token_bytes: 120,
        max_text_bytes: 60,
        ..Limits::default()
    };
    for fault in FAULTS {
        for document in [
            format!("<other>\n{fault}\n</other>"),
            format!("<other>\n{fault}"),
            format!("<step>\n{fault}<all>t</all>{fault}</step>"),
            format!("<within><within>{fault}</within><all>t</all>\n{fault}</within>"),
            format!("<step><other>t&lt;<x a='&gt;'/></other><other>\n{fault}</other></step>"),
            format!(
                "<tags a='&lt;'>{fault}<tags nothing='1'>{fault}</tags><all>t</all>\n{fault}</tags>"
            ),
            format!(
                "<tags><tags within='1'><tags all='2'>{fault}</tags><tags a='3'/>{fault}</tags></tags>"
            ),
        ] {
            for namespaces in [false, true] {
                for text in [TextMode::Pieces, TextMode::Joined] {
                    let options = Options {
                        limits: limits.clone(),
                        namespaces,
                        text,
                        ..Options::default()
                    };
                    let sizes: Vec<usize> = (1..document.len()).collect();
                    choosy::check(document.as_bytes(), &options, BY_NAME, &sizes);
                }
            }
        }
    }
}

/// Predicted names are read with a structural index, which covers some thousand bytes at a time.
#[test]
#[cfg_attr(emulated, ignore = "takes minutes under emulation")]
fn every_fault_is_found_where_what_is_looked_at_ahead_ends() {
    const WINDOW: usize = 16 * 1024;
    let usual = "<b a=\"1\" c=\"&lt;2\"><d>t &amp; u</d>\"<e/><![CDATA[<x]y>]]]]></b>";
    let strict = Options {
        limits: Limits {
            max_depth: 5,
            max_attributes: 4,
            max_attribute_bytes: 100,
            max_name_bytes: 20,
            max_token_bytes: 150,
            ..Limits::default()
        },
        ..Options::default()
    };
    let quotes = FAULTS.map(|fault| fault.replace('\'', "\""));
    for fault in FAULTS
        .iter()
        .copied()
        .chain(quotes.iter().map(String::as_str))
    {
        for options in [&strict, &Options::default()] {
            for before in (0..fault.len() + 20).chain([100]) {
                let begin = "<step><other>";
                let mut document = begin.to_owned();
                while document.len() + usual.len() + before < WINDOW + begin.len() {
                    document += usual;
                }
                document += &".".repeat(WINDOW + begin.len() - before - document.len());
                document +=
                    &format!("{fault}{usual}{fault}<all>t</all></other><all>{usual}</all></step>");
                choosy::check(document.as_bytes(), options, BY_NAME, &[]);
            }
        }
    }
}

/// Deeper and deeper, so that memory is needed wherever what is expected is read.
#[test]
#[cfg_attr(emulated, ignore = "takes minutes under emulation")]
fn refused_memory_loses_nothing_and_repeats_nothing() {
    let nested = |depth: usize| "<b>".repeat(depth) + &"</b>".repeat(depth);
    let deep: String = (1..200).map(nested).collect();
    let tags = deep.replace("<b>", "<tags>").replace("</b>", "</tags>");
    let document = format!("<step><other>{deep}</other><all>{deep}</all>{tags}</step>");
    let options = Options::default();
    // Without memory for it, a name has no number.
    let names = |(events, error): Told| {
        let names = events
            .into_iter()
            .map(|(_, event)| match event.split_once(", local") {
                Some((name, _)) => name.to_owned(),
                None => event,
            });
        (names.collect::<Vec<_>>(), error)
    };
    let expected = names(told([document.as_bytes()], &options, BY_NAME, How::AtOnce));
    assert_eq!(expected.1, None);
    for room in (0..2_000).step_by(50) {
        let pieces = document.as_bytes().chunks(1_000);
        let found = names(told(pieces, &options, BY_NAME, How::Refused { room }));
        assert!(found == expected, "{room}: {:?}", found.1);
    }
}

/// Names beyond the number of those that are numbered, and tags with more attributes than a few.
#[test]
fn what_is_not_plain_is_checked_alike() {
    let many = |tag: &dyn Fn(usize) -> String| -> String { (0..700).map(tag).collect() };
    for body in [
        many(&|n| format!("<n{n} a{n}='{n}'/>")),
        many(&|n| format!("<n{n}>&#{};</n{n}>", n + 32)),
        format!("<b {}/>", many(&|n| format!(" a{n}='{n}'"))),
        format!("<b {} a7='twice'/>", many(&|n| format!(" a{n}='{n}'"))),
        format!("<b>{}</b>", "text ".repeat(40_000)),
        format!("<b a='{}'/>", "value ".repeat(10_000)),
    ] {
        let tags = body.replace("<b ", "<tags ").replace("</b>", "</tags>");
        let document = format!("<step><other>{body}</other><all>{body}</all>{tags}</step>");
        let options = Options::default();
        choosy::check(document.as_bytes(), &options, BY_NAME, &[1000, 65_536]);
    }
}
