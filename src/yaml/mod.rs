//! YAML: documents to value trees that know their places, and values to text that reads back equal.
//!
//! Scalars are those of YAML 1.1, as existing configuration files rely on. Nothing here does any input or output.

mod reader;
mod scalar;
mod writer;

pub(crate) use reader::documents;
pub use writer::to_yaml;
