//! Detects a parser that makes no progress.
//!
//! A call that asks to be repeated without input must have changed something. Otherwise its caller would repeat it for ever.

use crate::xml::scanner::state::tag::Stage;
use crate::xml::scanner::state::{Core, State};

/// The number of calls in a row that may change nothing in [`Place`]: a sink may need many calls for one event, such as a
/// record of a gigabyte.
const PATIENCE: usize = 200_000;

/// Where the scanner stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// In the input, and up to where that is looked at.
    at: usize,
    stretch_end: usize,
    held: usize,
    state: State,
    depth: usize,
    /// In the token.
    taken: usize,
    attributes: usize,
    normalised: usize,
    aside: usize,
    stage: Stage,
    text: usize,
    /// In entities: how many are open, and how far the innermost was read.
    entities: (usize, usize),
    amplification: u64,
    declarations: u64,
}

impl Place {
    pub fn of(core: &Core, at: usize, stretch_end: usize) -> Place {
        let open = &core.entities.open;
        Place {
            at,
            stretch_end,
            held: core.held(),
            state: core.state,
            depth: core.element_stack.depth(),
            taken: core.taken,
            attributes: core.tag.attributes.len(),
            normalised: core.tag.normalised.len(),
            aside: core.aside.len(),
            stage: core.tag.stage,
            text: core.run.text.len(),
            entities: (open.len(), open.last().map_or(0, |it| it.at)),
            amplification: core.amplification.count(),
            declarations: core.doctype.work(),
        }
    }
}

/// Counts the calls that got nowhere.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    place: Option<Place>,
    idle: usize,
}

impl Progress {
    /// A call ended that is to be made again without input. False: too many got nowhere.
    pub fn note(&mut self, core: &Core, at: usize, stretch_end: usize) -> bool {
        let place = Some(Place::of(core, at, stretch_end));
        match place == self.place {
            true => self.idle += 1,
            false => self.idle = 0,
        }
        self.place = place;
        self.idle < PATIENCE
    }

    /// A call ended otherwise.
    pub fn reset(&mut self) {
        *self = Progress::default();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::arena::account::Account;
    use crate::xml::api::options::Options;

    #[test]
    fn only_calls_that_move_nothing_are_counted() {
        let mut core = Core::new(Options::default(), &Account::root());
        let mut progress = Progress::default();
        for at in 0..2 * PATIENCE {
            assert!(progress.note(&core, at, 10));
        }
        for held in 0..2 * PATIENCE {
            core.held = held;
            assert!(progress.note(&core, 0, 10));
        }
        for _ in 1..PATIENCE {
            assert!(progress.note(&core, 0, 10));
        }
        assert!(!progress.note(&core, 0, 10));
        progress.reset();
        assert!(progress.note(&core, 0, 10));
    }
}
