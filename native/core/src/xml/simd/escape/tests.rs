use super::*;

/// The same, slowly: `None` for what no document may hold.
fn reference(context: usize, text: &str) -> Option<String> {
    let mut escaped = String::new();
    for char in text.chars() {
        if !crate::xml::chars::is_char(char.into()) {
            return None;
        }
        match char {
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '&' => escaped += "&amp;",
            '\r' => escaped += "&#13;",
            '\n' if context != TEXT => escaped += "&#10;",
            '\t' if context != TEXT => escaped += "&#9;",
            '"' if context == DOUBLE_QUOTED || context == ANYWHERE => escaped += "&quot;",
            '\'' if context == SINGLE_QUOTED || context == ANYWHERE => escaped += "&apos;",
            char => escaped.push(char),
        }
    }
    Some(escaped)
}

fn escaped(context: usize, text: &str, room: usize) -> (BytesMut, Escaped) {
    let mut out = BytesMut::with_capacity(room);
    out.extend_from_slice(b"before");
    let append = [
        append::<TEXT>,
        append::<DOUBLE_QUOTED>,
        append::<SINGLE_QUOTED>,
        append::<ANYWHERE>,
    ][context];
    let escaped = append(text.as_bytes(), &mut out);
    (out.split_off(6), escaped)
}

fn check(text: &str) {
    for context in [TEXT, DOUBLE_QUOTED, SINGLE_QUOTED, ANYWHERE] {
        let (out, found) = escaped(context, text, 6 + text.len() * LONGEST + MARGIN);
        assert_eq!(
            found.non_ascii,
            !text[..found.read].is_ascii() || (found.end == End::Illegal && found.non_ascii),
            "{text:?}"
        );
        match reference(context, text) {
            Some(expected) => {
                assert_eq!(found.end, End::Complete, "{text:?}");
                assert_eq!(found.read, text.len());
                assert_eq!(out, expected.as_bytes(), "{text:?} {context}");
            }
            None => {
                assert_eq!(found.end, End::Illegal, "{text:?}");
                let legal = &text[..found.read];
                assert_eq!(
                    Some(out),
                    reference(context, legal).map(|it| BytesMut::from(it.as_bytes()))
                );
                let next = text[found.read..].chars().next().map(u32::from);
                assert!(!crate::xml::chars::is_char(next.unwrap_or_default()));
            }
        }
    }
}

#[test]
fn escapes_every_character_at_every_place() {
    let mut specials: Vec<String> = (0..0x80_u8)
        .map(|byte| char::from(byte).to_string())
        .collect();
    specials.extend(
        [
            "é",
            "\u{FFFD}",
            "\u{FFFE}",
            "\u{FFFF}",
            "\u{F900}",
            "😀",
            "]]>",
            "<>&\"'\r\n\t",
        ]
        .map(String::from),
    );
    for special in specials {
        for before in (0..40).chain([100]) {
            for after in [0, 1, 3, 4, 7, 8, 15, 16, 40] {
                check(&["x".repeat(before), special.clone(), "y".repeat(after)].concat());
            }
        }
    }
    check("");
    check(&"<&>\"\t".repeat(100));
    check(&"\u{FFFD}é".repeat(50));
}

#[test]
fn writes_what_there_is_room_for_and_says_how_much_that_is() {
    let text = "a<b&c>d\re\"f'g\th\ni".repeat(20);
    for context in [TEXT, DOUBLE_QUOTED, SINGLE_QUOTED, ANYWHERE] {
        for room in (0..700).step_by(7) {
            let (out, found) = escaped(context, &text, room + 6);
            assert_eq!(
                Some(String::from_utf8_lossy(&out).into_owned()),
                reference(context, &text[..found.read])
            );
            assert_eq!(found.end == End::Complete, found.read == text.len());
        }
    }
}
