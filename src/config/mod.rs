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

mod appdynamics;
mod backoff;
mod campaign;
mod checks;
mod common;
mod connection_file;
mod dotenv;
mod embedded;
mod environment;
mod opsani;
mod optimizer;
mod path_part;
mod routes;
mod served_applications;
mod servo;

pub(crate) use appdynamics::{AppDynamicsOptimizer, ResolvedAppDynamics};

pub use crate::decode::{Detail, Dump, Secrets};
pub(crate) use campaign::{CampaignConfig, Objective, Prices};
pub use campaign::{CampaignMode, SearchAlgorithm};
pub(crate) use checks::ChecksConfig;
pub(crate) use common::{CommonConfig, Proxies, SslVerify};
pub use connection_file::ConnectionFile;
pub(crate) use embedded::EmbeddedOptimizer;
pub(crate) use environment::DotenvFile;
pub use environment::Environment;
pub(crate) use opsani::OpsaniOptimizer;
pub use optimizer::OptimizerConfig;
pub(crate) use routes::{KnownConnector, named_types};
pub(crate) use served_applications::{ServedApplication, ServedConfig};
pub use servo::OptimizerRequirement;
pub(crate) use servo::{LoadOptions, SectionConfig, ServoConfig, load};
