//! The implementor of the seam in this process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;

use super::conversation::{Conversation, Report, Snapshot};
use super::error::CampaignError;
use super::values;
use crate::config::EmbeddedOptimizer;
use crate::optimizer::{
    self, Answer, Command, CommandResult, Completion, Instruction, Optimizer, OptimizerError, Task, wire,
};

/// An optimizer in this process. Its journal is opened by the first hello, so that commands which only look at a
/// configuration leave it alone.
pub(crate) struct LocalOptimizer {
    config: Arc<EmbeddedOptimizer>,
    conversation: Arc<Mutex<Option<Conversation>>>,
    watched: watch::Sender<Snapshot>,
}

impl LocalOptimizer {
    /// An optimizer that has touched nothing yet.
    pub(crate) fn new(config: EmbeddedOptimizer) -> Self {
        let watched = watch::Sender::new(Snapshot::default());
        Self { config: Arc::new(config), conversation: Arc::default(), watched }
    }

    /// Has the conversation on a thread where disks and models may take their time.
    async fn converse<T: Send + 'static>(
        &self,
        say: impl FnOnce(&mut Conversation) -> Result<T, CampaignError> + Send + 'static,
    ) -> Result<T, OptimizerError> {
        let (config, conversation) = (Arc::clone(&self.config), Arc::clone(&self.conversation));
        let said = tokio::task::spawn_blocking(move || {
            // Every step of a conversation leaves it whole, so that a panic elsewhere has left nothing half done.
            let mut place = conversation.lock().unwrap_or_else(PoisonError::into_inner);
            let conversation = match &mut *place {
                Some(conversation) => conversation,
                None => place.insert(Conversation::open(config.id(), config.campaign(), config.journal())?),
            };
            Ok((say(conversation), conversation.snapshot()))
        });
        let said = said.await.map_err(|_| OptimizerError::Interrupted)?;
        let (said, snapshot) = said.map_err(|error| OptimizerError::Campaign(Box::new(error)))?;
        self.watched.send_replace(snapshot);
        said.map_err(|error| OptimizerError::Campaign(Box::new(error)))
    }

    fn description(&self) -> String {
        format!("Embedded optimizer, journal '{}'", self.config.journal().display())
    }
}

#[async_trait]
impl Optimizer for LocalOptimizer {
    async fn hello(&self, _telemetry: &BTreeMap<String, String>) -> Result<(), OptimizerError> {
        self.converse(|conversation| {
            conversation.hello();
            Ok(())
        })
        .await
    }

    async fn next_command(&self) -> Result<Command, OptimizerError> {
        let command = self.converse(Conversation::next_command).await?;
        let unintelligible =
            |problem| OptimizerError::Unintelligible { url: self.description(), event: "WHATS_NEXT", problem };
        wire::parse_command(&command).map_err(unintelligible)
    }

    async fn report(&self, _report: &optimizer::Report) -> Result<Answer, OptimizerError> {
        Ok(Answer::Ok)
    }

    async fn complete(&self, completion: &Completion) -> Result<Answer, OptimizerError> {
        let report = report(&completion.result);
        let is_expected = self.converse(move |conversation| conversation.complete(report)).await?;
        let reason = || Some("no such command was given".to_owned());
        Ok(if is_expected { Answer::Ok } else { Answer::UnexpectedEvent { reason: reason() } })
    }

    async fn parting(&self) -> Result<Option<Task>, OptimizerError> {
        let Some(command) = self.converse(|conversation| Ok(conversation.parting())).await? else { return Ok(None) };
        match wire::parse_command(&command).map(|command| command.instruction) {
            Ok(Instruction::Perform(task)) => Ok(Some(*task)),
            _ => Ok(None),
        }
    }

    async fn goodbye(&self, _reason: &str) -> Result<(), OptimizerError> {
        Ok(())
    }

    async fn reachable(&self) -> Result<String, String> {
        Ok(self.description())
    }

    fn campaign(&self) -> Option<watch::Receiver<Snapshot>> {
        Some(self.watched.subscribe())
    }
}

fn report(result: &CommandResult) -> Report {
    match result {
        CommandResult::Described(description) => Report::Described(description.to_wire()),
        CommandResult::Measured(measurement) => Report::Measured(values::of(measurement)),
        CommandResult::Adjusted(_) => Report::Adjusted,
        CommandResult::Failed { operation, status } => Report::Failed {
            operation: *operation,
            word: status.word.as_str().to_owned(),
            reason: status.reason.clone(),
            message: status.message.clone(),
        },
    }
}
