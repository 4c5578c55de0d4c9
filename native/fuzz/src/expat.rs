//! The expat library, as far as a comparison needs it: verdict, elements, text, comments, instructions.

use std::ffi::{CStr, c_char, c_int, c_long, c_void};

/// Between a namespace and a local name; no document can contain it.
pub const SEPARATOR: char = '\x0C';

/// Error codes that the comparison knows by name, from `expat.h`.
pub mod code {
    pub const SYNTAX: i32 = 2;
    pub const INVALID_TOKEN: i32 = 4;
    pub const UNKNOWN_ENCODING: i32 = 18;
    pub const AMPLIFICATION_LIMIT_BREACH: i32 = 43;
}

/// An event that both parsers report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Start(String, Vec<(String, String)>),
    End(String),
    Text(String),
    Comment(String),
    Instruction(String, String),
}

/// Why expat rejects a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    pub code: i32,
    pub message: String,
    pub byte_offset: usize,
}

/// Expat's result for a document.
#[derive(Debug, Default)]
pub struct Verdict {
    pub told: Vec<Told>,
    pub rejection: Option<Rejection>,
}

impl Verdict {
    fn tell(&mut self, told: Told) {
        push(&mut self.told, told);
    }
}

/// Appends an event; pieces of one text become one.
pub fn push(events: &mut Vec<Told>, told: Told) {
    match (events.last_mut(), told) {
        (Some(Told::Text(before)), Told::Text(text)) => before.push_str(&text),
        (_, told) => events.push(told),
    }
}

type RawParser = *mut c_void;

#[link(name = "expat")]
unsafe extern "C" {
    fn XML_ParserCreate(encoding: *const c_char) -> RawParser;
    fn XML_ParserCreateNS(encoding: *const c_char, separator: c_char) -> RawParser;
    fn XML_ParserFree(parser: RawParser);
    fn XML_SetUserData(parser: RawParser, data: *mut c_void);
    fn XML_SetParamEntityParsing(parser: RawParser, parsing: c_int) -> c_int;
    fn XML_SetElementHandler(
        parser: RawParser,
        start: unsafe extern "C" fn(*mut c_void, *const c_char, *const *const c_char),
        end: unsafe extern "C" fn(*mut c_void, *const c_char),
    );
    fn XML_SetCharacterDataHandler(
        parser: RawParser,
        handler: unsafe extern "C" fn(*mut c_void, *const c_char, c_int),
    );
    fn XML_SetCommentHandler(
        parser: RawParser,
        handler: unsafe extern "C" fn(*mut c_void, *const c_char),
    );
    fn XML_SetProcessingInstructionHandler(
        parser: RawParser,
        handler: unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char),
    );
    fn XML_Parse(parser: RawParser, bytes: *const c_char, len: c_int, last: c_int) -> c_int;
    fn XML_GetErrorCode(parser: RawParser) -> c_int;
    fn XML_GetCurrentByteIndex(parser: RawParser) -> c_long;
    fn XML_ErrorString(code: c_int) -> *const c_char;
}

/// Parses a document whole. Internal parameter entities are read, nothing external is.
pub fn parse(document: &[u8], namespaces: bool) -> Verdict {
    const ALL_PARAMETER_ENTITIES: c_int = 2;
    let mut verdict = Verdict::default();
    // SAFETY: the parser is used by this thread alone and freed once; `verdict` outlives it and is
    // touched by no other thread while it parses; expat copies nothing it is given beyond a call; the
    // handlers have the signatures of `expat.h`.
    unsafe {
        let parser = if namespaces {
            XML_ParserCreateNS(std::ptr::null(), SEPARATOR as c_char)
        } else {
            XML_ParserCreate(std::ptr::null())
        };
        assert!(!parser.is_null(), "expat has no memory");
        XML_SetUserData(parser, (&raw mut verdict).cast());
        XML_SetParamEntityParsing(parser, ALL_PARAMETER_ENTITIES);
        XML_SetElementHandler(parser, start_element, end_element);
        XML_SetCharacterDataHandler(parser, characters);
        XML_SetCommentHandler(parser, comment);
        XML_SetProcessingInstructionHandler(parser, instruction);
        let len = document.len().try_into().unwrap_or(c_int::MAX);
        if XML_Parse(parser, document.as_ptr().cast(), len, 1) == 0 {
            let code = XML_GetErrorCode(parser);
            verdict.rejection = Some(Rejection {
                code,
                message: string(XML_ErrorString(code)),
                byte_offset: usize::try_from(XML_GetCurrentByteIndex(parser)).unwrap_or(0),
            });
        }
        XML_ParserFree(parser);
    }
    verdict
}

/// A copy of a C string.
///
/// # Safety
/// `text` is null or a NUL-terminated string.
unsafe fn string(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: by this function's contract.
    let text = unsafe { CStr::from_ptr(text) };
    String::from_utf8_lossy(text.to_bytes()).into_owned()
}

/// The verdict that expat hands through.
///
/// # Safety
/// `data` is what `parse` set as user data, during its call of `XML_Parse`.
unsafe fn verdict<'a>(data: *mut c_void) -> &'a mut Verdict {
    // SAFETY: by this function's contract; handlers do not nest.
    unsafe { &mut *data.cast::<Verdict>() }
}

// SAFETY, for each handler below: expat calls it during `XML_Parse` with the user data that `parse` set
// and with strings that end in NUL, or of the length given.

unsafe extern "C" fn start_element(
    data: *mut c_void,
    name: *const c_char,
    mut attributes: *const *const c_char,
) {
    let mut pairs = Vec::new();
    // SAFETY: see above; attributes come in pairs and end with a null pointer.
    unsafe {
        while !(*attributes).is_null() {
            pairs.push((string(*attributes), string(*attributes.add(1))));
            attributes = attributes.add(2);
        }
        verdict(data).tell(Told::Start(string(name), pairs));
    }
}

unsafe extern "C" fn end_element(data: *mut c_void, name: *const c_char) {
    // SAFETY: see above.
    unsafe { verdict(data).tell(Told::End(string(name))) }
}

unsafe extern "C" fn characters(data: *mut c_void, text: *const c_char, len: c_int) {
    let len = usize::try_from(len).unwrap_or(0);
    // SAFETY: see above.
    unsafe {
        let text = std::slice::from_raw_parts(text.cast::<u8>(), len);
        verdict(data).tell(Told::Text(String::from_utf8_lossy(text).into_owned()));
    }
}

unsafe extern "C" fn comment(data: *mut c_void, text: *const c_char) {
    // SAFETY: see above.
    unsafe {
        verdict(data).tell(Told::Comment(string(text)));
    }
}

unsafe extern "C" fn instruction(data: *mut c_void, target: *const c_char, text: *const c_char) {
    // SAFETY: see above.
    unsafe {
        verdict(data).tell(Told::Instruction(string(target), string(text)));
    }
}
