//! servo: the agent that closes the loop between a running application and an optimizer.

pub mod checks;
pub mod config;
pub mod connector;
pub mod connectors;
pub mod decode;
pub mod exchange;
pub mod http;
pub mod logging;
pub mod network;
pub mod progress;
pub mod retry;
pub mod subprocess;
pub mod table;
pub mod telemetry;
pub mod types;
