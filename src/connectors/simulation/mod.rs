//! Connector `simulation`: a service that exists only as a formula, to try an optimizer on.
//!
//! It has the settings `cpu`, `mem`, `replicas` and `workers`, and answers as a queue of that size does; the formulas and
//! their sources are in [`model`]. Readings are those of the formula with noise of a seeded generator; a service whose
//! memory is too small is killed, and its adjustment rejected as `unstable`, as the `kubernetes` connector reports it.
//! Time runs faster than real, so that an optimization of hours is over in seconds. Nothing here touches a network, a
//! process or a file.
//!
//! The defaults are the problem of the demonstration: at 240 requests/s and with at most 600 ms for 99% of them, 4 cores
//! in all are enough and 3.5 are clearly too few, so that noisy readings can tell the optimum from what is cheaper. They
//! were chosen for that, after a load and a limit at which they could not.

mod config;
mod connector;
pub(crate) mod model;

use std::borrow::Cow;

use serde_json::json;

pub(crate) use config::SimulationConfig;

use super::built_in::BuiltIn;
use crate::connector::{License, Maturity, Metadata};
use connector::SimulationConnector;

pub(super) static FACTORY: BuiltIn<SimulationConfig> = BuiltIn {
    metadata: &METADATA,
    parse: |section, cx| section.keys(cx),
    build: |name, config, _| Ok(Box::new(SimulationConnector::new(name, config))),
    sample: || json!({ "description": "A service to try an optimizer on", "speed": 1.0 }),
    commands: None,
    is_by_name_only: true,
};

static METADATA: Metadata = Metadata {
    default_name: Cow::Borrowed("simulation"),
    class_name: Cow::Borrowed("SimulationConnector"),
    full_name: Cow::Borrowed("Simulation Connector"),
    version: Cow::Borrowed("0.1.0"),
    description: Some(Cow::Borrowed("A simulated service to try an optimizer on")),
    homepage: None,
    license: Some(License::Apache2),
    maturity: Some(Maturity::Stable),
};
