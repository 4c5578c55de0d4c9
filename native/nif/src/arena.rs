//! Memory that is charged to the account of the process that asks for it.

pub mod charged_binary;
mod system;
