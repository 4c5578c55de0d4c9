//! Which elements a path such as `rss/channel/item` or `//item` selects.
//!
//! A path is a small automaton: a set of steps reached is kept for every open element that can still
//! lead to a match, one bit a step. Of an element that cannot, the parser tells nothing.

use super::known::NameId;
use super::sink::{Interest, Name};
use crate::charged::ChargedVec;
use crate::quota::{Account, Refusal};
use crate::sync::Arc;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Any number of elements may stand between the step before and this one.
    pub descendant: bool,
    /// The local name; `None` for any.
    pub local: Option<Box<str>>,
    pub namespace: NamespaceTest,
}

/// Which namespaces a step accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamespaceTest {
    Any,
    /// This URI; empty for names in no namespace.
    Uri(Box<str>),
}

impl Step {
    fn accepts(&self, name: &Name<'_>) -> bool {
        let local = self
            .local
            .as_deref()
            .is_none_or(|local| local == name.local);
        local
            && match &self.namespace {
                NamespaceTest::Any => true,
                NamespaceTest::Uri(uri) => name.namespace.map_or("", |it| it.uri) == &**uri,
            }
    }
}

/// Follows a document's tags and says which elements are selected.
#[derive(Debug)]
pub struct Selector {
    steps: Box<[Step]>,
    /// For every open element that can lead to a match: bit `n` says that `n` steps are matched.
    reached: ChargedVec<u64>,
    /// The same for the element asked about last.
    asked: u64,
    /// The numbers of the names that steps were seen to accept.
    ids: [Option<NameId>; Selector::MAX_STEPS],
}

impl Selector {
    /// The most steps of a path.
    pub const MAX_STEPS: usize = 63;

    /// `None` when there are no steps, or too many.
    pub fn new(steps: Vec<Step>, account: &Arc<Account>) -> Option<Selector> {
        (1..=Selector::MAX_STEPS)
            .contains(&steps.len())
            .then(|| Selector {
                steps: steps.into(),
                reached: ChargedVec::new(account),
                asked: 0,
                ids: [None; Selector::MAX_STEPS],
            })
    }

    /// The steps reached around the element that comes next: what is wanted of it depends on its name and on these.
    #[inline]
    pub fn context(&self) -> u64 {
        self.reached.last().copied().unwrap_or(1)
    }

    /// What is wanted of an element: all of it when it is selected. The caller follows that to its end: neither it
    /// nor what is in it is told to the selector.
    #[inline]
    pub fn interest(&mut self, name: &Name<'_>) -> Interest {
        let around = self.context();
        self.asked = self.advance(around, name);
        match self.asked {
            0 => Interest::Nothing,
            // Nothing changes, so nothing has to be kept for it.
            asked if asked == around => Interest::Within,
            asked if asked >> self.steps.len() & 1 == 1 => Interest::All,
            _ => Interest::Names,
        }
    }

    /// The element asked about last opens, of which names are wanted.
    #[inline]
    pub fn enter(&mut self) -> Result<(), Refusal> {
        self.reached.push(self.asked)
    }

    /// It closes.
    #[inline]
    pub fn leave(&mut self) {
        self.reached.pop();
    }

    fn accepts(&mut self, step: usize, name: &Name<'_>) -> bool {
        let known = self.ids[step];
        if known.is_some() && name.id.is_some() && name.namespace.is_none() {
            return known == name.id;
        }
        let accepts = self.steps[step].accepts(name);
        let is_only = self.steps[step].local.is_some() && name.namespace.is_none();
        if accepts && is_only && name.local.len() == name.qualified.len() {
            self.ids[step] = name.id;
        }
        accepts
    }

    fn advance(&mut self, mut from: u64, name: &Name<'_>) -> u64 {
        let mut to = 0;
        while from != 0 {
            let step = from.trailing_zeros() as usize;
            from &= from - 1;
            if self.steps[step].descendant {
                to |= 1 << step;
            }
            if self.accepts(step, name) {
                to |= 1 << (step + 1);
            }
        }
        to
    }
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::sink::Namespace;
    use super::*;

    fn step(descendant: bool, local: &str) -> Step {
        Step {
            descendant,
            local: (local != "*").then(|| local.into()),
            namespace: NamespaceTest::Any,
        }
    }

    fn name(local: &str) -> Name<'_> {
        Name {
            qualified: local,
            local,
            id: None,
            namespace: None,
        }
    }

    /// Walks `document`, such as `a( b() )`, and says which elements are selected, in order.
    fn selected(steps: Vec<Step>, document: &str) -> String {
        let mut selector = Selector::new(steps, &Account::root()).unwrap();
        let mut found = String::new();
        let mut inside = 0;
        let mut told = Vec::new();
        for token in document.chars() {
            match token {
                ')' if inside > 0 => inside -= 1,
                ')' if told.pop() == Some(true) => selector.leave(),
                ')' => {}
                _ if inside > 0 => inside += 1,
                local => {
                    let mut buffer = [0; 4];
                    match selector.interest(&name(local.encode_utf8(&mut buffer))) {
                        Interest::Names => {
                            selector.enter().unwrap();
                            told.push(true);
                        }
                        Interest::Within => told.push(false),
                        Interest::Nothing => inside = 1,
                        Interest::All => {
                            found.push(local);
                            inside = 1;
                        }
                    }
                }
            }
        }
        assert!(selector.reached.is_empty());
        found
    }

    #[test]
    fn a_path_of_names_selects_children_of_children() {
        let path = || vec![step(false, "r"), step(false, "i")];
        assert_eq!(selected(path(), "ri)xi))i))"), "ii");
        assert_eq!(selected(path(), "xi))"), "");
        assert_eq!(selected(path(), "i)"), "");
    }

    #[test]
    fn descendants_select_the_outermost_match_only() {
        assert_eq!(selected(vec![step(true, "i")], "rai)))i)bcii)))))"), "iii");
        assert_eq!(selected(vec![step(true, "r")], "rr))"), "r");
    }

    #[test]
    fn a_star_stands_for_any_one_element() {
        let path = || vec![step(false, "*"), step(false, "i")];
        assert_eq!(selected(path(), "ri)ai))i))"), "ii");
        assert_eq!(selected(vec![step(false, "*")], "r)"), "r");
    }

    #[test]
    fn descendants_may_stand_anywhere_in_a_path() {
        let path = || vec![step(false, "r"), step(true, "a"), step(false, "i")];
        assert_eq!(selected(path(), "raai)))xai))))"), "ii");
        assert_eq!(selected(path(), "ri)ax)))"), "");
    }

    #[test]
    fn namespaces_are_told_apart() {
        let mut wanted = step(false, "i");
        wanted.namespace = NamespaceTest::Uri("u".into());
        let mut none = step(false, "i");
        none.namespace = NamespaceTest::Uri("".into());
        let mut inside = name("i");
        assert!(!wanted.accepts(&inside));
        assert!(none.accepts(&inside));
        inside.namespace = Some(Namespace { id: 1, uri: "u" });
        assert!(wanted.accepts(&inside));
        assert!(!none.accepts(&inside));
        assert!(step(false, "i").accepts(&inside));
    }

    #[test]
    fn a_path_has_some_steps_and_not_too_many() {
        let root = Account::root();
        assert!(Selector::new(vec![], &root).is_none());
        assert!(Selector::new(vec![step(false, "a"); 63], &root).is_some());
        assert!(Selector::new(vec![step(false, "a"); 64], &root).is_none());
    }
}
