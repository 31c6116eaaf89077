//! A few questions to a Prometheus server, for those who prepare one: what does it scrape, what is a value now.

use super::api::{ApiRequest, Client, QueryResult, Targets};
use super::config::{MetricConfig, PrometheusConfig};
use crate::causes::chain;
use crate::network::Network;

/// A client of a server for a few questions.
pub(crate) struct Probe(Client);

/// A question without an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ProbeError(String);

impl ProbeError {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }
}

impl Probe {
    /// A client of the server of a section, whose metrics do not count; nothing is sent yet.
    ///
    /// # Errors
    /// The surroundings cannot be used.
    pub(crate) fn new(config: &PrometheusConfig, network: &Network) -> Result<Self, ProbeError> {
        Client::new(config, network).map(Self).map_err(|error| ProbeError(chain(&error)))
    }

    /// How many targets the server scrapes.
    ///
    /// # Errors
    /// The server does not answer, or refuses.
    pub(crate) async fn active_targets(&self) -> Result<usize, ProbeError> {
        let found = self.0.get::<Targets>(&ApiRequest::targets()).await;
        found.map(|Targets(targets)| targets.len()).map_err(|error| ProbeError(chain(&error)))
    }

    /// The present values of a metric, one for each of its series.
    ///
    /// # Errors
    /// The server does not answer, or refuses, or the query gives something else than a vector.
    pub(crate) async fn values(&self, metric: &MetricConfig) -> Result<Vec<f64>, ProbeError> {
        let failed = |error: &dyn std::error::Error| ProbeError(chain(error));
        let request = ApiRequest::instant(metric).map_err(|error| failed(&error))?;
        let found = match self.0.get::<QueryResult>(&request).await.map_err(|error| failed(&error))? {
            QueryResult::Vector(series) => {
                return Ok(series.iter().flat_map(|series| &series.points).map(|point| point.value).collect());
            }
            QueryResult::Matrix(_) => "matrix",
            QueryResult::Scalar(_) => "scalar",
            QueryResult::Text => "string",
        };
        Err(ProbeError(format!("expected a vector result but found {found}")))
    }
}
