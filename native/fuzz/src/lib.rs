//! Code that the fuzz targets share: inputs, recorded events, expat, fields, and writing.

pub mod comparison;
pub mod events;
pub mod expat;
pub mod fields;
pub mod input;
pub mod progress;
pub mod written;
