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
mod keys;
mod node;
mod problem;
mod scalar;
mod schema;
mod shorten;
mod show;

pub use decoder::{Decode, Decoder, NoVariables};
pub(crate) use decoder::{TextForm, Variables};
pub(crate) use fields::{Fields, nearest};
pub(crate) use keys::{
    Flat, Form, IfSet, Keys, OptionalPath, PathIfSet, Plain, Properties, Written, bounded, default_of, keys, words,
};
pub(crate) use node::{Entry, Map, Value};
pub use node::{Node, Origin};
pub use problem::{KeyPath, Problem, Problems};
pub use scalar::plain_float;
pub(crate) use scalar::{FilePath, HttpUrl, Secret, StrictInteger};
pub(crate) use schema::{DEFAULT_FROM, INHERITED, INTEGER_TEXT, NUMBER_TEXT, schema_generator, words};
pub(crate) use shorten::{shown, shown_with};
pub(crate) use show::show_serialized;
pub use show::{Detail, Dump, Secrets, Show};
