//! How much of everything a document may have.
//!
//! The defaults come from 28,148 real files and from what libxml2, expat, the JDK, Woodstox and .NET allow.

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// The value of a limit that is not one.
pub const UNLIMITED: u64 = u64::MAX;

/// Offsets within a token are 32 bits wide: no limit in bytes counts for more than this.
pub(crate) const MAX_BYTES: u64 = 1 << 30;

/// A name is compared with those of sixteen attributes, stored and emitted within one call of the parser, which must be
/// short: names of 1 MiB took 3 to 14 ms. A larger `max_name_bytes` counts as this.
pub const MAX_NAME_BYTES: u64 = 256 * KIB;

/// The list of a tag's attributes moves when it grows, and so does the table in which their names are found: 160,000
/// attributes took 1.3 ms. A larger `max_attributes` counts as this.
pub const MAX_ATTRIBUTES: u64 = 16 * 1024;

/// The same of the declarations in scope: 65,536 of them took 2.5 ms. A larger `max_namespaces` counts as this.
pub const MAX_NAMESPACES: u64 = 16 * 1024;

/// The stack of open elements moves when it grows: that of five million took 10 ms. A larger `max_depth` counts as
/// this.
pub const MAX_DEPTH: u64 = 64 * 1024;

/// A declaration is read within one call of the parser, and may be all of the document type declaration: 2.7 MB took 8.8 ms. A
/// larger `max_dtd_bytes` counts as this.
pub const MAX_DTD_BYTES: u64 = 96 * KIB;

/// Every reference looks for itself among the entities that are open. A larger `max_entity_depth` counts as this.
pub const MAX_ENTITY_DEPTH: u64 = 1_280;

/// Limits of one document. Byte limits count bytes of UTF-8 in every encoding, except `max_bytes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Elements open at once.
    pub max_depth: u64,
    /// Attributes of one element, declarations of namespaces and defaults included.
    pub max_attributes: u64,
    /// Bytes of one name: element, attribute, entity, target of a processing instruction. Prefixes and URIs
    /// of all namespaces in scope together may have `max_namespaces` times as many.
    pub max_name_bytes: u64,
    /// Bytes of one attribute's value, its references expanded.
    pub max_attribute_bytes: u64,
    /// Bytes of one tag, comment, processing instruction or declaration, as written; also of all
    /// values of one tag, their references expanded.
    pub max_token_bytes: u64,
    /// Bytes of one text when texts are joined.
    pub max_text_bytes: u64,
    /// Namespace declarations in scope at once.
    pub max_namespaces: u64,
    /// Bytes of the document type declaration.
    pub max_dtd_bytes: u64,
    /// Entities declared.
    pub max_entities: u64,
    /// References to declared entities, nested ones included.
    pub max_entity_expansions: u64,
    /// Entities open within each other.
    pub max_entity_depth: u64,
    /// Bytes that entities and defaulted attributes may add to a document of any size.
    pub max_entity_bytes: u64,
    /// How many times the input they may add beyond that.
    pub max_amplification: u64,
    /// How often something may be recovered: characters that stand as themselves, and everything else.
    pub max_recoveries: u64,
    /// Bytes of the whole input, as it came.
    pub max_bytes: u64,
    /// Elements of the whole document.
    pub max_elements: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_depth: 256,
            max_attributes: 256,
            max_name_bytes: KIB,
            max_attribute_bytes: 4 * MIB,
            max_token_bytes: 8 * MIB,
            max_text_bytes: 4 * MIB,
            max_namespaces: 128,
            max_dtd_bytes: 64 * KIB,
            max_entities: 2_500,
            max_entity_expansions: 500_000,
            max_entity_depth: 20,
            max_entity_bytes: MIB,
            max_amplification: 100,
            max_recoveries: 100_000,
            max_bytes: UNLIMITED,
            max_elements: UNLIMITED,
        }
    }
}

impl Limits {
    /// For documents from strangers: the byte limits divided by eight. Belongs with
    /// [`crate::xml::DoctypePolicy::Reject`].
    pub fn strict() -> Limits {
        Limits::default().scaled(|bytes| bytes / 8, |count| count)
    }

    /// For documents from a known source: every limit multiplied by 64, as far as a call may be long.
    pub fn trusted() -> Limits {
        Limits::default()
            .scaled(|bytes| bytes.saturating_mul(64), |count| count * 64)
            .clamped()
    }

    fn scaled(self, bytes: impl Fn(u64) -> u64, count: impl Fn(u64) -> u64) -> Limits {
        let unless_unlimited = |limit: u64, scale: &dyn Fn(u64) -> u64| match limit {
            UNLIMITED => UNLIMITED,
            limit => scale(limit),
        };
        Limits {
            max_depth: count(self.max_depth),
            max_attributes: count(self.max_attributes),
            max_name_bytes: bytes(self.max_name_bytes),
            max_attribute_bytes: bytes(self.max_attribute_bytes),
            max_token_bytes: bytes(self.max_token_bytes),
            max_text_bytes: bytes(self.max_text_bytes),
            max_namespaces: count(self.max_namespaces),
            max_dtd_bytes: bytes(self.max_dtd_bytes),
            max_entities: count(self.max_entities),
            max_entity_expansions: count(self.max_entity_expansions),
            max_entity_depth: count(self.max_entity_depth),
            max_entity_bytes: bytes(self.max_entity_bytes),
            max_amplification: count(self.max_amplification),
            max_recoveries: count(self.max_recoveries),
            max_bytes: unless_unlimited(self.max_bytes, &bytes),
            max_elements: unless_unlimited(self.max_elements, &count),
        }
    }

    /// Bytes of prefixes and URIs in scope at once.
    pub(crate) fn namespace_bytes(&self) -> u64 {
        self.max_namespaces
            .saturating_mul(self.max_name_bytes)
            .min(MAX_BYTES)
    }

    /// The same limits, none of them wider than the parser's own offsets.
    pub(crate) fn clamped(mut self) -> Limits {
        self.max_name_bytes = self.max_name_bytes.min(MAX_NAME_BYTES);
        self.max_dtd_bytes = self.max_dtd_bytes.min(MAX_DTD_BYTES);
        self.max_entity_depth = self.max_entity_depth.min(MAX_ENTITY_DEPTH);
        self.max_depth = self.max_depth.min(MAX_DEPTH);
        self.max_attributes = self.max_attributes.min(MAX_ATTRIBUTES);
        self.max_namespaces = self.max_namespaces.min(MAX_NAMESPACES);
        for limit in [
            &mut self.max_attribute_bytes,
            &mut self.max_token_bytes,
            &mut self.max_text_bytes,
        ] {
            *limit = (*limit).min(MAX_BYTES);
        }
        self
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn strict_divides_bytes_and_trusted_multiplies_everything() {
        let (strict, default, trusted) = (Limits::strict(), Limits::default(), Limits::trusted());
        assert_eq!(strict.max_token_bytes, MIB);
        assert_eq!(strict.max_depth, default.max_depth);
        assert_eq!(trusted.max_depth, 64 * 256);
        assert_eq!(trusted.max_token_bytes, 512 * MIB);
        assert_eq!(trusted.max_bytes, UNLIMITED);
        assert_eq!(strict.max_elements, UNLIMITED);
    }

    #[test]
    fn clamping_leaves_the_presets_alone() {
        for limits in [Limits::strict(), Limits::default(), Limits::trusted()] {
            assert_eq!(limits.clone().clamped(), limits);
        }
    }
}
