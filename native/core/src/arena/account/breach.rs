//! Why a quota ended its work: recorded once, before the kill, and never guessed afterwards.

use crate::arena::account::usage::Usage;

/// The kind of memory, or the count, that went over its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    Heap,
    Binaries,
    Native,
    /// Tables of the processes that are counted.
    Ets,
    /// Messages waiting, by their number.
    Queue,
    /// Processes that count, by their number.
    Children,
    Result,
    /// Killed, with cause unknown: another tracer was attached to the process.
    Unknown,
}

/// The first breach of a quota and what was in use then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breach {
    pub category: Category,
    pub usage: Usage,
}

impl Usage {
    /// The kind with the most bytes: the category of a breach by the sum of all kinds.
    pub fn largest(&self) -> Category {
        [
            (self.ets, Category::Ets),
            (self.native, Category::Native),
            (self.binaries, Category::Binaries),
            (self.heap, Category::Heap),
        ]
        .into_iter()
        .max_by_key(|(bytes, _)| *bytes)
        .map_or(Category::Heap, |(_, category)| category)
    }
}
