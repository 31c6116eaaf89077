//! The embedded optimizer: finds the best feasible settings in few noisy trials, without a server.
//!
//! [`LocalOptimizer`] is the implementor of the seam in this process. What it decides comes from a [`Campaign`], which is
//! pure and follows from the journal; a [`Driver`] turns that into commands and takes their results, here and for the
//! server alike; the algorithm is in [`search`].

mod campaign;
mod cost;
mod driver;
mod error;
mod journal;
mod local;
mod phases;
mod problem;
mod record;
pub(crate) mod search;
mod statistics;
mod tell;
mod tunable;
mod values;

pub(crate) use campaign::{Campaign, Next};
pub(crate) use driver::{Driver, Snapshot};
pub(crate) use error::CampaignError;
pub(crate) use journal::read as read_journal;
pub(crate) use local::LocalOptimizer;
pub(crate) use phases::{Purpose, Stop, Verdict};
pub(crate) use record::{End, Entry, Left, Outcome, Trial, Winner};
pub(crate) use search::Prediction;
pub(crate) use statistics::Difference;
pub(crate) use tunable::{Settings, Tunable};
