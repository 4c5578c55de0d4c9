//! The sink's interest in the elements that are open, which decides what events it receives.

use crate::arena::account::{Account, Refusal};
use crate::arena::charged_vec::ChargedVec;
use crate::sync::Arc;
use crate::xml::api::sink::{Interest, Name, Sink};
use crate::xml::names::table::NameId;

/// The context of an open element.
#[derive(Clone, Copy, Debug)]
struct Context {
    context: u64,
    /// The depth at which it ends.
    floor: usize,
    /// The sink receives the element's end tag.
    receives_end: bool,
}

/// The interest in what comes next. Content that is not wanted is validated, then discarded.
#[derive(Debug)]
pub(crate) struct InterestStack {
    /// The context in which the sink is asked for its interest in an element that opens, unless that is decided.
    context: Context,
    /// The contexts around it, the outermost first.
    around: ChargedVec<Context>,
    /// All or nothing, and the depth at which this decision ends.
    decided: Option<(Interest, usize)>,
    /// The sink's last answers about elements of a name, and their contexts, by the name's number: elements of one name often stand
    /// in two contexts in turns.
    answers: ChargedVec<[Option<(u64, Interest)>; 2]>,
    /// The bits of every context that the sink sets, and what they are.
    marks: (u64, u64),
}

impl InterestStack {
    pub fn new(account: &Arc<Account>) -> InterestStack {
        InterestStack {
            context: Context {
                context: 0,
                floor: 0,
                receives_end: false,
            },
            around: ChargedVec::new(account),
            decided: None,
            answers: ChargedVec::new(account),
            marks: (0, 0),
        }
    }

    #[inline(always)]
    pub fn is_all(&self) -> bool {
        matches!(self.decided, Some((Interest::All, _)))
    }

    /// Whether the sink is asked for its interest in an element that opens.
    #[inline(always)]
    pub fn asks(&self) -> bool {
        self.decided.is_none()
    }

    /// The depth at which this decision ends.
    #[inline(always)]
    pub fn floor(&self) -> usize {
        self.decided.map_or(self.context.floor, |(_, floor)| floor)
    }

    /// The interest in an element that opens.
    #[inline]
    pub fn wanted<S: Sink>(&self, sink: &mut S, name: &Name<'_>) -> Interest {
        match self.decided {
            Some((decided, _)) => decided,
            None => sink.interest(name, self.context.context),
        }
    }

    /// The sink's answer about elements of this name, if it was given in this context.
    #[inline(always)]
    pub fn answer(&self, id: NameId) -> Option<Interest> {
        let given = |answer: &Option<(u64, Interest)>| {
            let (context, answer) = (*answer)?;
            (context == self.context.context).then_some(answer)
        };
        let [last, before] = self.answers.get(id.index())?;
        given(last).or_else(|| given(before))
    }

    /// The sink was asked about elements of this name.
    pub fn answered(&mut self, id: NameId, answer: Interest) -> Result<(), Refusal> {
        while self.answers.len() <= id.index() {
            self.answers.push([None; 2])?;
        }
        let [last, before] = &mut self.answers[id.index()];
        *before = last.replace((self.context.context, answer));
        Ok(())
    }

    /// An element opens at this depth, in which the sink has this interest.
    #[inline]
    pub fn open(&mut self, wanted: Interest, depth: usize) -> Result<(), Refusal> {
        match wanted {
            _ if !self.asks() => {}
            Interest::Within(context) => self.step(context, depth)?,
            Interest::Tags(context) => self.push(context, depth, true)?,
            Interest::All | Interest::Nothing => self.decide(wanted, depth),
        }
        Ok(())
    }

    /// Makes room for an element that opens.
    #[inline]
    pub fn reserve(&mut self) -> Result<(), Refusal> {
        self.around.reserve(1)
    }

    /// The sink is asked in this context about the children of an element that opens at this depth.
    #[inline]
    pub fn step(&mut self, context: u64, depth: usize) -> Result<(), Refusal> {
        match context == self.context.context {
            true => Ok(()),
            false => self.push(context, depth, false),
        }
    }

    #[inline]
    fn push(&mut self, context: u64, floor: usize, receives_end: bool) -> Result<(), Refusal> {
        self.around.push(self.context)?;
        self.context = Context {
            context,
            floor,
            receives_end,
        };
        Ok(())
    }

    /// Some bits of every context are these from now on.
    #[inline(always)]
    pub fn mark(&mut self, marks: (u64, u64)) {
        self.marks = marks;
        let (bits, set) = marks;
        if self.context.context != 0 {
            self.context.context = self.context.context & !bits | set;
        }
    }

    /// Whether the sink receives the end tag of the element whose children it is asked about.
    #[inline(always)]
    pub fn is_told(&self) -> bool {
        self.context.receives_end
    }

    /// Whether that is the element which closes at this depth.
    #[inline(always)]
    pub fn tells_end(&self, depth: usize) -> bool {
        self.context.receives_end && self.context.floor == depth && self.decided.is_none()
    }

    /// The sink is not asked again until the depth falls to `floor`.
    #[inline(always)]
    pub fn decide(&mut self, decided: Interest, floor: usize) {
        self.decided = Some((decided, floor));
    }

    /// The sink is asked again.
    #[inline(always)]
    pub fn ask(&mut self) {
        self.decided = None;
    }

    /// An element closes at this depth, or was not opened after all.
    #[inline]
    pub fn close(&mut self, depth: usize) {
        if depth <= self.floor()
            && self.decided.take().is_none()
            && let Some(context) = self.around.pop()
        {
            self.context = context;
            self.mark(self.marks);
        }
    }
}
