//! Which elements a path such as `rss/channel/item` or `//item` selects.
//!
//! A path is a small automaton: the steps that are reached in an element, one bit a step, are the context in
//! which is decided about the elements in it.

use crate::xml::api::sink::{Interest, Name};
use crate::xml::names::table::NameId;

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

/// Says which elements are selected.
#[derive(Debug)]
pub struct Selector {
    steps: Box<[Step]>,
    /// The numbers of the names that steps were seen to accept.
    ids: [Option<NameId>; Selector::MAX_STEPS],
}

impl Selector {
    /// The most steps of a path.
    pub const MAX_STEPS: usize = 63;

    /// `None` when there are no steps, or too many.
    pub fn new(steps: Vec<Step>) -> Option<Selector> {
        (1..=Selector::MAX_STEPS)
            .contains(&steps.len())
            .then(|| Selector {
                steps: steps.into(),
                ids: [None; Selector::MAX_STEPS],
            })
    }

    /// What is wanted of an element: all of it when it is selected. Bit `n` of the context says that `n` steps are
    /// matched around it.
    #[inline]
    pub fn interest(&mut self, name: &Name<'_>, context: u64) -> Interest {
        // Around a root element no step is.
        let reached = self.advance(context.max(1), name);
        match reached {
            0 => Interest::Nothing,
            _ if reached >> self.steps.len() & 1 == 1 => Interest::All,
            _ => Interest::Within(reached),
        }
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
    use super::*;
    use crate::xml::api::sink::Namespace;

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
        let mut selector = Selector::new(steps).unwrap();
        let mut found = String::new();
        let mut inside = 0;
        let mut contexts = vec![0];
        for token in document.chars() {
            match token {
                ')' if inside > 0 => inside -= 1,
                ')' => assert!(contexts.pop().is_some()),
                _ if inside > 0 => inside += 1,
                local => {
                    let mut buffer = [0; 4];
                    let name = name(local.encode_utf8(&mut buffer));
                    match selector.interest(&name, contexts[contexts.len() - 1]) {
                        Interest::Within(context) => contexts.push(context),
                        Interest::Nothing => inside = 1,
                        Interest::All => {
                            found.push(local);
                            inside = 1;
                        }
                    }
                }
            }
        }
        assert_eq!(contexts, [0]);
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
        assert_eq!(selected(vec![step(true, "i")], "rai)))i)bcii))))"), "iii");
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
        assert!(Selector::new(vec![]).is_none());
        assert!(Selector::new(vec![step(false, "a"); 63]).is_some());
        assert!(Selector::new(vec![step(false, "a"); 64]).is_none());
    }
}
