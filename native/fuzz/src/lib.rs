//! What the fuzz targets share: inputs, recorded events, and expat.

pub mod comparison;
pub mod events;
pub mod expat;
pub mod input;
pub mod progress;
