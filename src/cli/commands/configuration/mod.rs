//! Commands about configuration files: writing one, validating it, showing it and its schema.

pub(crate) mod config;
pub(crate) mod generate;
pub(crate) mod init;
pub(crate) mod schema;
pub(crate) mod validate;
