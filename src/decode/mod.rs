//! Value trees that remember where they came from, and a decoder that reports every problem at once.
//!
//! A configuration file, an environment variable and a body from the wire all become a [`Node`]: a value with
//! its [`Origin`]. A type that can be read from one implements [`Decode`]. Decoding never stops at the first
//! problem: an implementation reads all its fields, each failure is recorded with its key path, and only then is
//! the value given up. That is why this is not `serde`, which ends at the first error.
//!
//! This module knows no type of ours and does no I/O.

mod decoder;
mod fields;
mod node;
mod problem;
mod scalar;
mod schema;

pub use decoder::{Decode, Decoder, NoVariables};
pub(crate) use decoder::{TextForm, Variables};
pub(crate) use fields::{Fields, nearest};
pub(crate) use node::{Entry, Map, Value};
pub use node::{Node, Origin};
pub use problem::{KeyPath, Problem, Problems};
pub(crate) use scalar::{FilePath, HttpUrl, Secret, StrictInteger, secrets_are_exposed};
pub use scalar::{exposing_secrets, plain_float};
pub(crate) use schema::{DEFAULT_FROM, INHERITED, INTEGER_TEXT, NUMBER_TEXT, schema_generator, words};
