//! Puts the paths of a selection together.

use crate::xml::select::path::Step;
use crate::xml::select::selector::{Edge, Entered, Selector, State};

/// The number of a step in a [`SelectorBuilder`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepId(usize);

/// Puts paths together.
#[derive(Debug)]
pub struct SelectorBuilder {
    steps: Vec<Draft>,
}

/// A step, the steps that follow it, and what its elements are.
#[derive(Debug, Default)]
struct Draft {
    step: Option<Step>,
    next: Vec<usize>,
    hits: Vec<Hit>,
    /// Another path must not go on from here.
    own: bool,
    /// With its mark it is not looked for: it is open.
    guard: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Hit {
    id: u32,
    /// Only the first one counts.
    once: bool,
}

impl Default for SelectorBuilder {
    fn default() -> SelectorBuilder {
        SelectorBuilder::new()
    }
}

impl SelectorBuilder {
    /// The most states of all paths, those before the root element included.
    pub const MAX_STATES: usize = 63;

    pub fn new() -> SelectorBuilder {
        SelectorBuilder {
            steps: vec![Draft::default()],
        }
    }

    /// Where paths begin: around the root element.
    pub fn root(&self) -> StepId {
        StepId(0)
    }

    /// The step after `from`. Paths share equal steps, but not those that are `own`.
    pub fn step(&mut self, from: StepId, step: Step, own: bool) -> StepId {
        let same = |&index: &usize| {
            let draft = &self.steps[index];
            !own && !draft.own && draft.step.as_ref() == Some(&step)
        };
        let found = self.steps[from.0].next.iter().copied().find(same);
        StepId(found.unwrap_or_else(|| {
            let index = self.steps.len();
            self.steps[from.0].next.push(index);
            self.steps.push(Draft {
                step: Some(step),
                own,
                ..Draft::default()
            });
            index
        }))
    }

    /// While the mark of hit `id` is set, nothing is looked for at a step or below. The mark takes the bit of a state.
    pub fn guard(&mut self, at: StepId, id: u32) {
        self.steps[at.0].guard = Some(id);
    }

    /// The elements at a step are hit `id`. Of one that counts `once`, nothing more is looked for with its mark.
    pub fn hit(&mut self, at: StepId, id: u32, once: bool) {
        self.steps[at.0].hits.push(Hit { id, once });
    }

    /// The number of states.
    pub fn count(&self) -> usize {
        let guards = self.steps.iter().filter(|step| step.guard.is_some());
        self.states().iter().flatten().flatten().count() + guards.count()
    }

    /// The states at a step and below it.
    pub fn below(&self, at: StepId) -> u64 {
        let bits = self.states();
        let mut all = 0;
        let mut from = vec![at.0];
        while let Some(index) = from.pop() {
            all |= mask(&bits[index]);
            from.extend(&self.steps[index].next);
        }
        all
    }

    /// `None` with no step, or with too many states. With `whole`, elements that are hit are wanted as a whole, and their
    /// attributes are not asked for.
    pub fn build(mut self, whole: bool) -> Option<Selector> {
        let bits = self.states();
        let count = bits.iter().flatten().flatten().count();
        if count == 0 || self.count() > SelectorBuilder::MAX_STATES {
            return None;
        }
        let marks = self.allot_marks(count);
        let done = self.done(&marks);
        let most = self.steps.iter().map(|it| it.hits.len()).sum();
        let mut selector = Selector {
            states: Box::default(),
            edges: Box::default(),
            hits: Box::default(),
            root: mask(&bits[0]),
            mask: (1 << count) - 1,
            recent: Box::new(std::array::from_fn(|_| Entered {
                hits: Vec::with_capacity(most),
                ..Entered::default()
            })),
            entered: 0,
            marks: Box::default(),
            whole,
        };
        let (mut states, mut edges, mut hits) = (Vec::new(), Vec::new(), Vec::new());
        for index in 0..self.steps.len() {
            for deep in [false, true] {
                let Some(number) = bits[index][usize::from(deep)] else {
                    continue;
                };
                let first = edges.len();
                let next = std::mem::take(&mut self.steps[index].next);
                for &to in &next {
                    let Some(step) = self.steps[to].step.as_ref() else {
                        continue;
                    };
                    if step.descendant != deep {
                        continue;
                    }
                    let first = hits.len();
                    hits.extend(self.steps[to].hits.iter().map(|hit| hit.id));
                    edges.push(Edge {
                        step: step.clone(),
                        id: None,
                        to: mask(&bits[to]),
                        hits: first..hits.len(),
                        done: done_with(&self.steps[to], &marks, done[to]),
                    });
                }
                self.steps[index].next = next;
                debug_assert_eq!(states.len(), number);
                let all = edges[first..].iter().map(|edge| edge.done);
                states.push(State {
                    edges: first..edges.len(),
                    deep,
                    done: together(all),
                });
            }
        }
        (selector.states, selector.edges, selector.hits) =
            (states.into(), edges.into(), hits.into());
        selector.marks = marks.into();
        Some(selector)
    }

    /// The numbers of the states below each step: of its children, and of those at any depth.
    fn states(&self) -> Vec<[Option<usize>; 2]> {
        let mut count = 0;
        let mut number = |has: bool| {
            has.then(|| {
                count += 1;
                count - 1
            })
        };
        self.steps
            .iter()
            .map(|draft| {
                [false, true].map(|deep| {
                    let is = |&index: &usize| {
                        let step = self.steps[index].step.as_ref();
                        step.is_some_and(|step| step.descendant == deep)
                    };
                    number(draft.next.iter().any(is))
                })
            })
            .collect()
    }

    /// By the number of a hit, its mark, as far as there are bits: those of guards first.
    fn allot_marks(&self, states: usize) -> Vec<u64> {
        let hits = || self.steps.iter().flat_map(|it| &it.hits);
        let most = hits().map(|hit| hit.id as usize + 1).max().unwrap_or(0);
        let mut marks = vec![0; most];
        let guards = self.steps.iter().filter_map(|step| step.guard);
        let once = hits().filter(|hit| hit.once).map(|hit| hit.id);
        for (bit, id) in (states..SelectorBuilder::MAX_STATES).zip(guards.chain(once)) {
            if let Some(mark) = marks.get_mut(id as usize) {
                *mark = 1 << bit;
            }
        }
        marks
    }

    /// The marks with which a step and all that follows it is done with.
    fn done(&self, marks: &[u64]) -> Vec<u64> {
        let mut done = vec![0; self.steps.len()];
        // A step comes before those that follow it.
        for (index, draft) in self.steps.iter().enumerate().rev() {
            let mark = |hit: &Hit| if hit.once { marks[hit.id as usize] } else { 0 };
            let own = draft.hits.iter().map(mark);
            let next = draft.next.iter().map(|&next| done[next]);
            done[index] = together(own.chain(next));
        }
        done
    }
}

/// The marks with which a step is not looked for.
fn done_with(draft: &Draft, marks: &[u64], done: u64) -> u64 {
    match draft.guard {
        Some(id) => marks.get(id as usize).copied().unwrap_or(0),
        None => done,
    }
}

/// All marks, or 0 if one has none.
fn together(marks: impl Iterator<Item = u64>) -> u64 {
    let add = |all: u64, mark| (mark != 0).then_some(all | mark);
    let mut marks = marks;
    marks.try_fold(0, add).unwrap_or(0)
}

fn mask(bits: &[Option<usize>; 2]) -> u64 {
    bits.iter().flatten().fold(0, |all, bit| all | 1 << bit)
}
