//! What of the document the sink is told: what it wants of the elements that are open.

use crate::arena::account::{Account, Refusal};
use crate::arena::charged_vec::ChargedVec;
use crate::sync::Arc;
use crate::xml::api::sink::{Interest, Name, Sink};
use crate::xml::names::table::NameId;

/// A context, and until how few elements are open it lasts.
type Context = (u64, usize);

/// What is told of what comes next. Whatever is not is checked all the same, and made nothing of.
#[derive(Debug)]
pub(crate) struct Attention {
    /// In which the sink is asked what it wants of an element that opens, unless that is decided.
    context: Context,
    /// Those around it, the outermost first.
    around: ChargedVec<Context>,
    /// All or nothing, and until how few elements are open.
    decided: Option<(Interest, usize)>,
    /// What the sink answered when it was asked last about elements of a name, and in which context, by the
    /// name's number.
    answers: ChargedVec<Option<(u64, Interest)>>,
}

impl Attention {
    pub fn new(account: &Arc<Account>) -> Attention {
        Attention {
            context: (0, 0),
            around: ChargedVec::new(account),
            decided: None,
            answers: ChargedVec::new(account),
        }
    }

    #[inline(always)]
    pub fn is_all(&self) -> bool {
        matches!(self.decided, Some((Interest::All, _)))
    }

    /// Whether the sink is asked what it wants of an element that opens.
    #[inline(always)]
    pub fn asks(&self) -> bool {
        self.decided.is_none()
    }

    /// Until how few elements are open that lasts.
    #[inline(always)]
    pub fn floor(&self) -> usize {
        self.decided.map_or(self.context.1, |(_, floor)| floor)
    }

    /// What is wanted of an element that opens.
    #[inline]
    pub fn wanted<S: Sink>(&self, sink: &mut S, name: &Name<'_>) -> Interest {
        match self.decided {
            Some((decided, _)) => decided,
            None => sink.interest(name, self.context.0),
        }
    }

    /// What the sink answered about elements of this name in this context, if it was the last one.
    #[inline(always)]
    pub fn answer(&self, id: NameId) -> Option<Interest> {
        let (context, answer) = (*self.answers.get(id.index())?)?;
        (context == self.context.0).then_some(answer)
    }

    /// The sink was asked about elements of this name.
    pub fn answered(&mut self, id: NameId, answer: Interest) -> Result<(), Refusal> {
        while self.answers.len() <= id.index() {
            self.answers.push(None)?;
        }
        self.answers[id.index()] = Some((self.context.0, answer));
        Ok(())
    }

    /// An element opens with so many around it, of which this is wanted.
    #[inline]
    pub fn open(&mut self, wanted: Interest, depth: usize) -> Result<(), Refusal> {
        match wanted {
            _ if !self.asks() => {}
            Interest::Within(context) => self.step(context, depth)?,
            Interest::All | Interest::Nothing => self.decide(wanted, depth),
        }
        Ok(())
    }

    /// Of the elements in one that opens with so many around it, the sink is asked in this context.
    #[inline]
    pub fn step(&mut self, context: u64, depth: usize) -> Result<(), Refusal> {
        if context != self.context.0 {
            self.around.push(self.context)?;
            self.context = (context, depth);
        }
        Ok(())
    }

    /// The sink is not asked until as few elements are open as this.
    #[inline(always)]
    pub fn decide(&mut self, decided: Interest, floor: usize) {
        self.decided = Some((decided, floor));
    }

    /// The sink is asked again.
    #[inline(always)]
    pub fn ask(&mut self) {
        self.decided = None;
    }

    /// An element closes, or was not opened after all, with so many around it.
    #[inline]
    pub fn close(&mut self, depth: usize) {
        if depth <= self.floor()
            && self.decided.take().is_none()
            && let Some(context) = self.around.pop()
        {
            self.context = context;
        }
    }
}
