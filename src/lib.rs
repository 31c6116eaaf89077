//! servo: the agent that closes the loop between a running application and an optimizer.
//!
//! It describes the application, measures it under load, adjusts its resources, checks that it is still healthy, and
//! reports. A *servo* is a set of *connectors* that serve one *optimizer*; a process may run several.
//!
//! # Map
//!
//! Imports go down only:
//!
//! ```text
//! main ─► cli ─► assembly ─► servo ─► connector (contract) ◄─ connectors/* (rooms)
//!           └──► runner ──────┘                                   │
//!                  └─► optimizer     subprocess · progress · checks · fast_fail · exchange
//!                         └────────► config · wire ─► types ─► decode ◄──┘
//! ```
//!
//! - [`decode`]: value trees with origins, and a decoder that reports every problem at once.
//! - [`yaml`]: YAML to value trees, and values to YAML.
//! - [`types`]: the words of the domain, and the messages between an agent and its optimizer.
//! - [`wire`]: those messages as JSON, in both directions.
//! - [`config`]: a servo.yaml, the environment and `.env` as typed values.
//! - [`connector`]: what a connector is: capabilities, events, errors, factories.
//! - [`connectors`]: the registry, and a room for each connector.
//! - [`optimizer`]: the seam; behind it the client of a remote optimizer, and the optimizer in this process.
//! - [`servo`]: owns connectors and dispatches events to them.
//! - [`runner`]: hello, commands until told to stop, goodbye.
//! - [`endpoints`]: what a run shows of itself over HTTP, when it is asked to.
//! - [`assembly`]: from configuration and registry to servos.
//! - [`cli`]: from arguments to a command and an exit code.
//! - [`checks`], [`exchange`], [`progress`], [`subprocess`], [`retry`], [`http`], [`network`], [`table`],
//!   [`telemetry`], [`logging`]: what several of these stand on.
//!
//! # Invariants
//!
//! - `types` and `decode` do no I/O; `connector` knows no connector; `servo` knows the contract and never a room; a room
//!   knows no other room, no servo, no runner. `tests/it/architecture` enforces this.
//! - What a command starts ends before its completion is posted: handlers are cancelled and awaited, child processes
//!   have groups of their own and are always reaped.
//! - Secrets are of type [`decode::Secret`]; nothing prints them.
//! - The order of connectors is data: that of the configuration, else that of the registry.

mod assembly;
mod causes;
mod checks;
mod cli;
mod config;
mod connector;
mod connectors;
mod decode;
mod endpoints;
mod exchange;
mod fast_fail;
mod http;
#[doc(hidden)]
pub mod internals;
mod k8s;
mod logging;
mod network;
mod optimizer;
mod printable;
mod progress;
mod retry;
mod runner;
mod servo;
mod subprocess;
mod table;
mod telemetry;
mod types;
mod wire;
mod yaml;

/// Runs the program with the connectors that are built in.
pub fn main() -> std::process::ExitCode {
    cli::main(connectors::CONNECTORS)
}
