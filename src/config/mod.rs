//! Configuration: from a servo.yaml, the environment and `.env` to typed, validated values.
//!
//! Every value has up to three layers, and the highest that has one counts: the file, the environment (in which
//! what a `.env` file says comes last), the built-in default. Mappings that are given in a file and as JSON in a
//! variable are merged key by key; lists are replaced as a whole.
//!
//! A file becomes value trees ([`file`]), these become typed values, with all problems reported at once. Nothing
//! here knows a connector: their sections are kept as trees, for the connectors' own factories.

pub mod file;
pub mod variables;

mod dotenv;
mod environment;
mod yaml_scalar;
mod yaml_tree;
mod yaml_writer;

pub use environment::{DotenvFile, Environment};
