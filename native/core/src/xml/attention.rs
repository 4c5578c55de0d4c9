//! What of the document the sink is told: what it wants of the elements that are open.

use super::sink::{Interest, Name, Sink};

/// What is told of what comes next. Whatever is not is checked all the same, and made nothing of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attention {
    pub interest: Interest,
    /// It lasts until as many elements are open as this.
    pub floor: usize,
}

impl Attention {
    /// Of each element that opens, the sink is asked.
    pub const OUTSIDE: Attention = Attention {
        interest: Interest::Within,
        floor: 0,
    };

    /// What `sink` wants of an element that opens with `floor` elements around it, and what is told from then on.
    #[inline(always)]
    pub fn on<S: Sink>(self, sink: &mut S, name: &Name<'_>, floor: usize) -> (Interest, Attention) {
        if !S::SELECTS {
            return (Interest::All, self);
        }
        if !self.is_open() {
            return (self.interest, self);
        }
        let interest = sink.interest(name);
        let attention = match interest {
            // It is asked again, as it was around it.
            Interest::Names | Interest::Within => Attention::OUTSIDE,
            Interest::All | Interest::Nothing => Attention { interest, floor },
        };
        (interest, attention)
    }

    /// Whether the sink is asked what it wants of an element that opens.
    #[inline(always)]
    pub fn is_open(&self) -> bool {
        matches!(self.interest, Interest::Within)
    }

    #[inline(always)]
    pub fn is_all(&self) -> bool {
        matches!(self.interest, Interest::All)
    }
}
