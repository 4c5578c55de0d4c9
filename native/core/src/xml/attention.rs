//! What of the document the sink is told: what it wants of the elements that are open.

use super::known::NameId;
use super::sink::{Interest, Name, Sink};
use crate::charged::ChargedVec;
use crate::quota::{Account, Refusal};
use crate::sync::Arc;

/// A context, and until how few elements are open it lasts.
type Context = (u64, usize);

/// What is told of what comes next. Whatever is not is checked all the same, and made nothing of.
#[derive(Debug)]
pub(crate) struct Attention {
    interest: Interest,
    /// It lasts until as many elements are open as this.
    floor: usize,
    /// The context it is in, or that is around what was decided.
    context: Context,
    /// Those around that one, the outermost first.
    around: ChargedVec<Context>,
    /// What the sink answered when it was asked last about elements of a name, and in which context, by the
    /// name's number.
    answers: ChargedVec<Option<(u64, Interest)>>,
}

impl Attention {
    pub fn new(account: &Arc<Account>) -> Attention {
        Attention {
            interest: Interest::Within(0),
            floor: 0,
            context: (0, 0),
            around: ChargedVec::new(account),
            answers: ChargedVec::new(account),
        }
    }

    #[inline(always)]
    pub fn is_all(&self) -> bool {
        matches!(self.interest, Interest::All)
    }

    /// Whether the sink is asked what it wants of an element that opens.
    #[inline(always)]
    pub fn asks(&self) -> bool {
        matches!(self.interest, Interest::Within(_))
    }

    /// What is wanted of an element that opens.
    #[inline]
    pub fn wanted<S: Sink>(&self, sink: &mut S, name: &Name<'_>) -> Interest {
        match self.interest {
            Interest::Within(context) => sink.interest(name, context),
            decided => decided,
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
            _ if !self.asks() => Ok(()),
            Interest::Within(context) => self.step(context, depth),
            Interest::All | Interest::Nothing => {
                self.decide(wanted, depth);
                Ok(())
            }
        }
    }

    /// Of the elements in one that opens with so many around it, the sink is asked in this context.
    #[inline]
    pub fn step(&mut self, context: u64, depth: usize) -> Result<(), Refusal> {
        if context != self.context.0 {
            self.around.push(self.context)?;
            self.enter((context, depth));
        }
        Ok(())
    }

    /// The sink is not asked until as many elements are open as this.
    #[inline(always)]
    pub fn decide(&mut self, decided: Interest, floor: usize) {
        (self.interest, self.floor) = (decided, floor);
    }

    /// An element closes, or was not opened after all, with so many around it.
    #[inline]
    pub fn close(&mut self, depth: usize) {
        if depth > self.floor {
            return;
        }
        if !self.asks() {
            self.enter(self.context);
        } else if let Some(context) = self.around.pop() {
            self.enter(context);
        }
    }

    /// Has the sink asked again; says until how few elements are open it was not to be, if it was not.
    #[inline(always)]
    pub fn ask(&mut self) -> Option<usize> {
        let floor = (!self.asks()).then_some(self.floor);
        self.enter(self.context);
        floor
    }

    /// Until how few elements are open the sink is asked in this context.
    #[inline(always)]
    pub fn floor(&self) -> usize {
        self.context.1
    }

    #[inline(always)]
    fn enter(&mut self, context: Context) {
        self.context = context;
        (self.interest, self.floor) = (Interest::Within(context.0), context.1);
    }
}
