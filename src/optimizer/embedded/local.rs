//! The implementor of the seam in this process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;

use super::driver::{Driver, Snapshot};
use super::error::CampaignError;
use crate::config::EmbeddedOptimizer;
use crate::optimizer::{Optimizer, OptimizerError};
use crate::types::{Answer, Command, Completion, Progress, Task};

/// An optimizer in this process. Its journal is opened by the first hello, so that commands which only read a
/// configuration leave it alone.
pub(crate) struct LocalOptimizer {
    config: Arc<EmbeddedOptimizer>,
    driver: Arc<Mutex<Option<Driver>>>,
    watched: watch::Sender<Snapshot>,
}

impl LocalOptimizer {
    /// An optimizer that has touched nothing yet.
    pub(crate) fn new(config: EmbeddedOptimizer) -> Self {
        let watched = watch::Sender::new(Snapshot::default());
        Self { config: Arc::new(config), driver: Arc::default(), watched }
    }

    /// The state of the campaign, from now on.
    pub(crate) fn watch(&self) -> watch::Receiver<Snapshot> {
        self.watched.subscribe()
    }

    /// Takes a step on a thread where disks and models may block.
    async fn drive<T: Send + 'static>(
        &self,
        step: impl FnOnce(&mut Driver) -> Result<T, CampaignError> + Send + 'static,
    ) -> Result<T, OptimizerError> {
        let (config, driver) = (Arc::clone(&self.config), Arc::clone(&self.driver));
        let taken = tokio::task::spawn_blocking(move || {
            // Every step leaves the driver whole, so that a panic elsewhere has left nothing half done.
            let mut slot = driver.lock().unwrap_or_else(PoisonError::into_inner);
            let driver = match &mut *slot {
                Some(driver) => driver,
                None => slot.insert(Driver::open(&config.id(), config.campaign(), config.journal())?),
            };
            Ok((step(driver), driver.snapshot()))
        });
        let (result, snapshot) = taken.await.map_err(|_| OptimizerError::Interrupted)?.map_err(halted)?;
        self.watched.send_replace(snapshot);
        result.map_err(halted)
    }

    fn description(&self) -> String {
        format!("Embedded optimizer, journal '{}'", self.config.journal().display())
    }
}

#[async_trait]
impl Optimizer for LocalOptimizer {
    async fn hello(&self, _telemetry: &BTreeMap<String, String>) -> Result<(), OptimizerError> {
        self.drive(|driver| {
            driver.hello();
            Ok(())
        })
        .await
    }

    async fn next_command(&self) -> Result<Command, OptimizerError> {
        self.drive(Driver::next_command).await
    }

    async fn report(&self, _progress: &Progress) -> Result<Answer, OptimizerError> {
        Ok(Answer::Ok)
    }

    async fn complete(&self, completion: &Completion) -> Result<Answer, OptimizerError> {
        let result = completion.result.clone();
        let is_expected = self.drive(move |driver| driver.complete(result)).await?;
        let reason = || Some("no such command was given".to_owned());
        Ok(if is_expected { Answer::Ok } else { Answer::UnexpectedEvent { reason: reason() } })
    }

    async fn restore_command(&self) -> Result<Option<Task>, OptimizerError> {
        self.drive(|driver| Ok(driver.restore_command())).await
    }

    async fn goodbye(&self, _reason: &str) -> Result<(), OptimizerError> {
        Ok(())
    }

    async fn reachable(&self) -> Result<String, String> {
        Ok(self.description())
    }
}

fn halted(error: CampaignError) -> OptimizerError {
    OptimizerError::Halted { is_of_configuration: error.is_of_configuration(), source: Box::new(error) }
}
