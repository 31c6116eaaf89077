//! The embedded optimizer: finds the best feasible settings in few noisy trials, without a server.
//!
//! [`LocalOptimizer`] is the implementor of the seam in this process. What it decides comes from a [`Campaign`], which is
//! pure and follows from the journal; a [`Conversation`] turns that into commands, here and for the server alike; the
//! algorithm is in [`search`].

mod campaign;
mod conversation;
mod cost;
mod error;
mod journal;
mod local;
mod problem;
mod record;
pub mod search;
mod statistics;
mod tell;
mod tunable;
mod values;

pub use campaign::{Campaign, Next, ReplayError};
pub use conversation::{Conversation, Report, Snapshot};
pub use error::CampaignError;
pub use journal::{Journal, JournalError, read as read_journal};
pub use local::LocalOptimizer;
pub use record::{End, Entry, Forecast, Header, Left, Outcome, Plan, Prediction, Purpose, Stop, Trial, Winner};
pub use statistics::Difference;
pub use tunable::{Domain, Settings, Tunable, TunableError};
pub use values::of as metric_values;
