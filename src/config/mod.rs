//! Configuration: from a servo.yaml, the environment and `.env` to typed, validated values.
//!
//! Every value has up to three layers, and the highest that has one counts: the file, the environment (in which
//! what a `.env` file says comes last), the built-in default. Mappings that are given in a file and as JSON in a
//! variable are merged key by key; lists are replaced as a whole.
//!
//! A file becomes value trees ([`mod@file`]), these become typed values, with all problems reported at once. Nothing
//! here knows a connector: their sections are kept as trees, for the connectors' own factories.

pub mod file;
pub mod variables;

mod appdynamics;
mod backoff;
mod campaign;
mod checks;
mod common;
mod connection_file;
mod dotenv;
mod dump;
mod embedded;
mod environment;
mod opsani;
mod optimizer;
mod path_part;
mod routes;
mod served;
mod servo;
mod yaml_scalar;
mod yaml_tree;
mod yaml_writer;

pub use appdynamics::{AppDynamicsOptimizer, ResolvedAppDynamics};
pub use backoff::{BackoffSettings, CONNECT_BACKOFF, DEFAULT_BACKOFF};
pub use campaign::{CampaignConfig, CampaignMode, MeasureConfig, Objective, Prices, SearchAlgorithm};
pub use checks::{ChecksConfig, Delay, Wait};
pub use common::{CommonConfig, Proxies, SslVerify, Timeouts};
pub use connection_file::ConnectionFile;
pub use dump::{Detail, Dump, Secrets};
pub use embedded::EmbeddedOptimizer;
pub use environment::{DotenvFile, Environment};
pub use opsani::OpsaniOptimizer;
pub use optimizer::OptimizerConfig;
pub use routes::{KnownConnector, NamedType, named_types};
pub use served::{ServedApplication, ServedConfig};
pub use servo::{LoadOptions, LoadedFile, OptimizerRequirement, SectionConfig, ServoConfig, load};
