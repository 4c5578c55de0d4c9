//! Entities being expanded.

use super::halt::{Halt, malformed, shown};
use super::position::Position;
use super::scanner::Scanner;
use super::sink::Sink;
use crate::quota::Account;
use crate::sync::Arc;

#[derive(Debug)]
pub(crate) struct Entities {
    /// Where the outermost reference being expanded is.
    pub position: Position,
}

impl Entities {
    pub fn new(_account: &Arc<Account>) -> Entities {
        Entities {
            position: Position::START,
        }
    }

    pub fn is_empty(&self) -> bool {
        true
    }

    /// Elements that were open before the innermost entity.
    pub fn floor(&self) -> usize {
        0
    }
}

impl<S: Sink> Scanner<'_, S> {
    pub fn enter_in_content(&mut self, name: &[u8], _end: usize) -> Result<(), Halt> {
        malformed(
            self.at,
            format!("the entity {} is not declared", shown(name)),
        )
    }

    pub fn enter_in_value(&mut self, name: &[u8], at: usize, _end: usize) -> Result<(), Halt> {
        malformed(at, format!("the entity {} is not declared", shown(name)))
    }
}
