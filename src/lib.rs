//! servo: the agent that closes the loop between a running application and an optimizer.

pub mod decode;
pub mod exchange;
pub mod http;
pub mod logging;
pub mod table;
pub mod telemetry;
pub mod types;
