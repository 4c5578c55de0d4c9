//! What of the document the sink is told: what it wants of the elements that are open.

use super::known::NameId;
use super::sink::{Interest, Name, Sink};
use crate::charged::ChargedVec;
use crate::quota::{Account, Refusal};
use crate::sync::Arc;

/// What is told of what comes next. Whatever is not is checked all the same, and made nothing of.
#[derive(Debug)]
pub(crate) struct Attention {
    interest: Interest,
    /// It lasts until as many elements are open as this.
    floor: usize,
    /// The contexts around it and how long each lasts, the outermost first.
    around: ChargedVec<(u64, usize)>,
    /// What the sink answered when it was asked last about elements of a name, and in which context, by the
    /// name's number.
    answers: ChargedVec<Option<(u64, Interest)>>,
}

impl Attention {
    pub fn new(account: &Arc<Account>) -> Attention {
        Attention {
            interest: Interest::Within(0),
            floor: 0,
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
        (self.interest == Interest::Within(context)).then_some(answer)
    }

    /// The sink was asked about elements of this name.
    pub fn answered(&mut self, id: NameId, answer: Interest) -> Result<(), Refusal> {
        while self.answers.len() <= id.index() {
            self.answers.push(None)?;
        }
        if let Interest::Within(context) = self.interest {
            self.answers[id.index()] = Some((context, answer));
        }
        Ok(())
    }

    /// An element opens with so many around it, of which this is wanted.
    #[inline]
    pub fn open(&mut self, wanted: Interest, depth: usize) -> Result<(), Refusal> {
        if let Interest::Within(context) = self.interest
            && wanted != self.interest
        {
            self.around.push((context, self.floor))?;
            (self.interest, self.floor) = (wanted, depth);
        }
        Ok(())
    }

    /// Whether it lasts until so many elements are open.
    #[inline(always)]
    pub fn ends_with(&self, depth: usize) -> bool {
        depth <= self.floor
    }

    /// An element closes, or was not opened after all, with so many around it.
    #[inline]
    pub fn close(&mut self, depth: usize) {
        if self.ends_with(depth)
            && let Some((context, floor)) = self.around.pop()
        {
            (self.interest, self.floor) = (Interest::Within(context), floor);
        }
    }
}
