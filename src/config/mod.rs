//! Configuration: from a servo.yaml, the environment and `.env` to typed, validated values.
//!
//! Every value has up to three layers, and the highest that has one counts: the file, the environment (in which
//! what a `.env` file says comes last), the built-in default. Mappings that are given in a file and as JSON in a
//! variable are merged key by key; lists are replaced as a whole.
//!
//! A file becomes value trees ([`mod@file`]), these become typed values, with all problems reported at once. Nothing
//! here knows a connector: their sections are kept as trees, for the connectors' own factories.

pub(crate) mod file;
pub(crate) mod variables;

mod backoff;
mod checks;
mod common;
mod dotenv;
mod environment;
mod optimizer;
mod routes;
mod servo;

pub use crate::decode::{Detail, Dump, Secrets};
pub(crate) use checks::ChecksConfig;
pub(crate) use common::{CommonConfig, Proxies, SslVerify};
pub(crate) use environment::DotenvFile;
pub use environment::Environment;
pub(crate) use optimizer::{
    AppDynamicsOptimizer, CampaignConfig, EmbeddedOptimizer, Objective, OpsaniOptimizer, Prices, ResolvedAppDynamics,
    ServedApplication, ServedConfig,
};
pub use optimizer::{CampaignMode, ConnectionFile, OptimizerConfig, SearchAlgorithm};
pub(crate) use routes::{KnownConnector, named_types};
pub use servo::OptimizerRequirement;
pub(crate) use servo::{LoadOptions, SectionConfig, ServoConfig, load};
