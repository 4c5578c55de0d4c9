//! What of the document the sink is told: what it wants of the elements that are open.

use super::sink::Interest;

/// What is told of what comes next. Whatever is not is checked all the same, and made nothing of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attention {
    pub interest: Interest,
    /// It lasts until as many elements are open as this.
    pub floor: usize,
}

impl Attention {
    /// Outside of all elements: of each that opens, the sink is asked.
    pub const OUTSIDE: Attention = Attention::new(Interest::Names, 0);

    /// In an element in which the sink has this interest, with `floor` elements around it.
    pub const fn new(interest: Interest, floor: usize) -> Attention {
        let floor = match interest {
            // Around it the sink is asked as well.
            Interest::Names => 0,
            Interest::All | Interest::Nothing => floor,
        };
        Attention { interest, floor }
    }

    #[inline(always)]
    pub fn is_all(&self) -> bool {
        matches!(self.interest, Interest::All)
    }
}
