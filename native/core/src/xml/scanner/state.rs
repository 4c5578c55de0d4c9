//! What the scanner knows between two calls.

pub mod preserved_space;
pub mod text_run;
use crate::arena::account::Account;
use crate::arena::incremental_buf::Growing;
use crate::sync::Arc;
use crate::xml::api::limits::Limits;
use crate::xml::api::options::Options;
use crate::xml::dtd::Dtd;
use crate::xml::dtd::amplification::Expansions;
use crate::xml::fast::tokens::PlainLimits;
use crate::xml::input::position::Position;
use crate::xml::names::element_stack::OpenElements;
use crate::xml::names::namespaces::Namespaces;
use crate::xml::names::table::KnownNames;
use crate::xml::scanner::doctype::Declaration;
use crate::xml::scanner::entities::Entities;
use crate::xml::scanner::start_tag::Tag;
use crate::xml::scanner::state::preserved_space::PreservedSpace;
use crate::xml::scanner::state::text_run::Run;
use crate::xml::select::interest_stack::Attention;
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
    /// Behind an empty-element tag whose start was told, and not yet its end.
    EmptyElement,
    /// Behind the name of an end tag.
    EndTag,
    Comment,
    InstructionTarget,
    InstructionSpace,
    InstructionData,
    Cdata,
    Doctype,
    /// `end_document` was told.
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
    pub plain_limits: PlainLimits,
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
    /// What the call may still do, in arbitrary units of about a nanosecond.
    pub credit: usize,
    /// Elements seen so far.
    pub elements: u64,
    /// What was recovered so far, but for characters that stood as themselves.
    pub recoveries: u64,
    /// What is scanned is being recovered, and was reported.
    pub recovering: bool,
    /// Before the root element, something else than white space came.
    pub has_begun: bool,
    /// Documents that ended before this one, and where this one begins: where there are many roots.
    pub documents: u64,
    pub document_start: u64,
    /// The declarations in force were those of a document that ended.
    pub has_ended: bool,
    pub standalone: bool,
    pub run: Run,
    pub tag: Tag,
    pub known: KnownNames,
    pub open: OpenElements,
    pub space: PreservedSpace,
    pub attention: Attention,
    pub structural_index: StructuralIndex,
    pub namespaces: Namespaces,
    pub entities: Entities,
    pub expansions: Expansions,
    pub doctype: Declaration,
    /// Declarations that were read and are not yet in force.
    pub declared: Option<Dtd>,
    /// A comment or processing instruction that is to be told, as far as it goes.
    pub aside: Growing,
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
            run: Run::new(account, limits.max_text_bytes as usize),
            tag: Tag::new(account, limits.max_token_bytes as usize),
            known: KnownNames::new(account),
            open: OpenElements::new(account),
            space: PreservedSpace::new(account),
            attention: Attention::new(account),
            structural_index: StructuralIndex::new(),
            namespaces: Namespaces::new(account, limits.namespace_bytes() as usize),
            entities: Entities::new(account),
            expansions: Expansions::new(&limits),
            doctype: Declaration::new(),
            declared: None,
            aside: Growing::new(account, limits.max_token_bytes as usize),
            target: 0,
            plain_limits: PlainLimits::new(&limits),
            limits,
            options,
        }
    }

    /// Whether text that is only white space is dropped here.
    #[inline]
    pub fn skips_space(&self) -> bool {
        self.options.skip_whitespace && !self.space.preserve
    }

    /// Another document begins, of which nothing is known yet.
    pub fn begin_document(&mut self) {
        self.state = State::Beginning;
        self.region = Region::Prolog;
        self.elements = 0;
        self.recoveries = 0;
        self.has_begun = false;
        self.standalone = false;
        self.expansions = Expansions::new(&self.limits);
        self.documents += 1;
        self.has_ended = true;
    }

    /// The name of the innermost open element; empty without one.
    #[inline]
    pub fn innermost(&self) -> &[u8] {
        self.open.innermost(&self.known).unwrap_or_default()
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
