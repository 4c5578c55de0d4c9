//! The limits of the fast path.

use crate::xml::api::limits::Limits;

/// With more attributes, duplicates are found by hashing.
const MAX_ATTRIBUTES: u64 = 16;

/// A longer tag is left to the scanner: here, a tag that the sink answered with `Retry` is read again from its start.
const MAX_TAG: u64 = 16 * 1024;

/// The limits of a plain tag.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FastLimits {
    pub tag_bytes: usize,
    pub name_bytes: usize,
    pub value_bytes: usize,
    pub attributes: usize,
    pub all_attributes: usize,
}

impl FastLimits {
    pub fn new(limits: &Limits) -> FastLimits {
        FastLimits {
            tag_bytes: limits.max_token_bytes.min(MAX_TAG) as usize,
            name_bytes: limits.max_name_bytes as usize,
            value_bytes: limits.max_attribute_bytes as usize,
            attributes: limits.max_attributes.min(MAX_ATTRIBUTES) as usize,
            all_attributes: limits.max_attributes as usize,
        }
    }
}
