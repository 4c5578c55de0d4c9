//! The scanner's state between two calls.

pub mod doctype;
pub mod entities;
pub mod limits;
pub mod preserved_space;
pub mod source;
pub mod tag;
pub mod text_run;
use crate::arena::account::Account;
use crate::arena::incremental_buf::IncrementalBuf;
use crate::sync::Arc;
use crate::xml::api::limits::Limits;
use crate::xml::api::options::Options;
use crate::xml::dtd::Dtd;
use crate::xml::dtd::amplification::Amplification;
use crate::xml::input::position::Position;
use crate::xml::names::element_stack::ElementStack;
use crate::xml::names::namespaces::Namespaces;
use crate::xml::names::table::NameTable;
use crate::xml::scanner::state::doctype::Declaration;
use crate::xml::scanner::state::entities::Entities;
use crate::xml::scanner::state::limits::FastLimits;
use crate::xml::scanner::state::preserved_space::PreservedSpace;
use crate::xml::scanner::state::source::Source;
use crate::xml::scanner::state::tag::Tag;
use crate::xml::scanner::state::text_run::TextRun;
use crate::xml::select::interest_stack::InterestStack;
use crate::xml::simd::structural_index::StructuralIndex;
use crate::xml::syntax::reference::Begun;

/// Which token the scanner is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum State {
    /// At the very beginning, where an XML declaration may stand.
    Beginning,
    /// Before a token, or in text.
    Between,
    StartTag,
    /// Behind an empty-element tag, between its start event and its end event.
    EmptyElement,
    /// Behind the name of an end tag.
    EndTag,
    Comment,
    InstructionTarget,
    InstructionSpace,
    InstructionData,
    Cdata,
    Doctype,
    /// After the event `end_document`.
    Done,
}

/// Which part of the document the scanner is in, outside of all elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Region {
    /// Before the DOCTYPE.
    Prolog,
    /// Behind the DOCTYPE, before the root element.
    AfterDoctype,
    /// Behind a root element.
    Epilog,
}

#[derive(Debug)]
pub(crate) struct Core {
    pub options: Options,
    /// The options' limits, narrowed to what the scanner's offsets can hold.
    pub limits: Limits,
    pub fast_limits: FastLimits,
    pub state: State,
    pub region: Region,
    /// Bytes of the token being scanned that were left behind, and what its references added.
    pub taken: usize,
    /// Bytes from the place where scanning goes on that are known to belong to a name, or in a declaration
    /// to be searched: they need not be looked at again.
    pub held: usize,
    /// The same of a reference.
    pub reference: Begun,
    /// Where the token being scanned began, once its first byte is gone or when positions are asked for.
    pub token: Option<Position>,
    /// The credit that the call has left, in units of about a nanosecond.
    pub credit: usize,
    /// Elements seen so far.
    pub elements: u64,
    /// The number of recovered errors so far, except characters that stood as themselves.
    pub recoveries: u64,
    /// The current error is being recovered, and was reported.
    pub recovering: bool,
    /// Something other than white space came before the root element.
    pub has_begun: bool,
    /// Documents that ended before this one, and where this one begins: where there are many roots.
    pub documents: u64,
    pub document_start: u64,
    /// The declarations in force were those of a document that ended.
    pub has_ended: bool,
    pub standalone: bool,
    pub run: TextRun,
    pub tag: Tag,
    pub source: Source,
    pub name_table: NameTable,
    pub element_stack: ElementStack,
    pub space: PreservedSpace,
    pub interest_stack: InterestStack,
    pub structural_index: StructuralIndex,
    pub namespaces: Namespaces,
    pub entities: Entities,
    pub amplification: Amplification,
    pub doctype: Declaration,
    /// Declarations that were read and are not yet in force.
    pub declared: Option<Dtd>,
    /// The text so far of a comment or processing instruction that becomes an event.
    pub aside: IncrementalBuf,
    /// Bytes at the front of `aside` that are a target.
    pub target: usize,
}

impl Core {
    pub fn new(options: Options, account: &Arc<Account>) -> Core {
        let limits = options.limits.clone().clamped();
        Core {
            state: State::Beginning,
            region: Region::Prolog,
            taken: 0,
            held: 0,
            reference: Begun::default(),
            token: None,
            credit: 0,
            elements: 0,
            recoveries: 0,
            recovering: false,
            has_begun: false,
            documents: 0,
            document_start: 0,
            has_ended: false,
            standalone: false,
            run: TextRun::new(account, limits.max_text_bytes as usize),
            tag: Tag::new(account, limits.max_token_bytes as usize),
            source: Source::new(&options, limits.max_token_bytes as usize, account),
            name_table: NameTable::new(account),
            element_stack: ElementStack::new(account),
            space: PreservedSpace::new(account),
            interest_stack: InterestStack::new(account),
            structural_index: StructuralIndex::new(),
            namespaces: Namespaces::new(account, limits.namespace_bytes() as usize),
            entities: Entities::new(account),
            amplification: Amplification::new(&limits),
            doctype: Declaration::new(),
            declared: None,
            aside: IncrementalBuf::new(account, limits.max_token_bytes as usize),
            target: 0,
            fast_limits: FastLimits::new(&limits),
            limits,
            options,
        }
    }

    /// Whether text that is only white space is dropped here.
    #[inline]
    pub fn skips_space(&self) -> bool {
        self.options.skip_whitespace && !self.space.preserve
    }

    /// Resets the state for the next document.
    pub fn begin_document(&mut self) {
        self.state = State::Beginning;
        self.region = Region::Prolog;
        self.elements = 0;
        self.recoveries = 0;
        self.has_begun = false;
        self.standalone = false;
        self.amplification = Amplification::new(&self.limits);
        self.documents += 1;
        self.has_ended = true;
    }

    /// The name of the innermost open element; empty without one.
    #[inline]
    pub fn innermost(&self) -> &[u8] {
        self.element_stack
            .innermost(&self.name_table)
            .unwrap_or_default()
    }

    /// Bytes from the place where scanning goes on that need not be looked at again.
    #[inline]
    pub fn held(&self) -> usize {
        self.held.max(self.reference.held)
    }

    /// Whether a name or reference was begun in an earlier text.
    #[inline]
    pub fn is_begun(&self) -> bool {
        self.held() > 0
    }

    pub fn in_tag(&self) -> bool {
        self.state == State::StartTag
    }

    pub fn is_between(&self) -> bool {
        self.state == State::Between
    }
}
