//! Limits the bytes that entities and default values add to a document (amplification).

use crate::xml::api::error::ExceededLimit;
use crate::xml::api::limits::Limits;

/// The bytes that were added to one document, and their limits.
///
/// Expanding fails when the bytes that came from entities, parameter entities and defaulted
/// attributes exceed both `max_entity_bytes` and `max_amplification` times the input consumed up to
/// the reference: small documents may use what they declare freely, large ones in proportion.
#[derive(Clone, Debug)]
pub struct Amplification {
    max_entity_bytes: u64,
    max_amplification: u64,
    max_entity_expansions: u64,
    bytes: u64,
    count: u64,
}

impl Amplification {
    /// For a document in which nothing was expanded yet.
    pub fn new(limits: &Limits) -> Amplification {
        Amplification {
            max_entity_bytes: limits.max_entity_bytes,
            max_amplification: limits.max_amplification,
            max_entity_expansions: limits.max_entity_expansions,
            bytes: 0,
            count: 0,
        }
    }

    /// References so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Notes one reference to an entity whose replacement text has `bytes`, after `consumed` bytes of input.
    #[inline]
    pub fn expand(&mut self, bytes: u64, consumed: u64) -> Result<(), ExceededLimit> {
        self.count += 1;
        if self.count > self.max_entity_expansions {
            return Err(ExceededLimit {
                name: "max_entity_expansions",
                value: self.max_entity_expansions,
                seen: self.count,
            });
        }
        self.add(bytes, consumed)
    }

    /// Notes `bytes` that no reference stands for: those of a defaulted attribute.
    #[inline]
    pub fn add(&mut self, bytes: u64, consumed: u64) -> Result<(), ExceededLimit> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes <= self.max_entity_bytes {
            return Ok(());
        }
        let allowed = self.max_amplification.saturating_mul(consumed);
        if self.bytes <= allowed {
            return Ok(());
        }
        Err(ExceededLimit {
            name: "max_amplification",
            value: self.max_amplification,
            seen: self.bytes / consumed.max(1),
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn amplification(max_entity_expansions: u64) -> Amplification {
        Amplification::new(&Limits {
            max_entity_bytes: 1000,
            max_amplification: 10,
            max_entity_expansions,
            ..Limits::default()
        })
    }

    #[test]
    fn both_bounds_must_be_exceeded() {
        let mut amplification = amplification(100);
        assert_eq!(amplification.expand(1000, 1), Ok(()));
        assert_eq!(amplification.expand(1, 101), Ok(()));
        let hit = amplification.add(10, 101);
        assert_eq!(
            hit,
            Err(ExceededLimit {
                name: "max_amplification",
                value: 10,
                seen: 10
            })
        );
    }

    #[test]
    fn references_are_counted_even_when_they_stand_for_nothing() {
        let mut amplification = amplification(2);
        assert_eq!(amplification.expand(0, 1), Ok(()));
        assert_eq!(amplification.add(0, 1), Ok(()));
        assert_eq!(amplification.expand(0, 1), Ok(()));
        let hit = ExceededLimit {
            name: "max_entity_expansions",
            value: 2,
            seen: 3,
        };
        assert_eq!(amplification.expand(0, 1), Err(hit));
    }
}
