//! A servo: a set of connectors that serve one optimizer.
//!
//! It owns the connectors in dispatch order: those of the configuration, then the servo's own checks, then those that
//! connectors added when they were attached. It knows the contract, never a particular connector, and it decides nothing:
//! commands come from the [runner](crate::runner) or the command line.

mod dispatch;
mod own_checks;

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::watch;

pub(crate) use dispatch::Answers;
pub use dispatch::Dispatch;
pub(crate) use own_checks::METADATA;

use crate::config::{Detail, Dump, Secrets, ServoConfig};
use crate::connector::{Adjust, Connector, ConnectorName, Event, EventContext, EventError, Outcome, Services};
use crate::optimizer::Optimizer;
use crate::optimizer::embedded::{Campaign, Snapshot};

/// One servo of an assembly.
pub struct Servo {
    name: String,
    config: ServoConfig,
    sections: Vec<(String, serde_json::Value)>,
    optimizer: Option<Arc<dyn Optimizer>>,
    campaign: Option<watch::Receiver<Snapshot>>,
    services: Arc<Services>,
    connectors: Vec<Arc<dyn Connector>>,
}

/// What a servo is made of.
pub(crate) struct Parts {
    pub name: String,
    pub config: ServoConfig,
    /// The connectors' sections, every key with its value, secrets redacted.
    pub sections: Vec<(String, serde_json::Value)>,
    /// Its optimizer; none for ad hoc use.
    pub optimizer: Option<Arc<dyn Optimizer>>,
    /// The campaign of an optimizer in this process.
    pub campaign: Option<watch::Receiver<Snapshot>>,
    pub services: Arc<Services>,
    /// The connectors of the configuration, in dispatch order.
    pub connectors: Vec<Box<dyn Connector>>,
}

impl Servo {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { name, config, sections, optimizer, campaign, services, connectors } = parts;
        let mut connectors: Vec<Arc<dyn Connector>> = connectors.into_iter().map(Arc::from).collect();
        if let Some(optimizer) = &optimizer {
            let own = own_checks::OwnChecks::new(ConnectorName::new(name.as_str()), Arc::clone(optimizer));
            connectors.push(Arc::new(own));
        }
        Self { name, config, sections, optimizer, campaign, services, connectors }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn config(&self) -> &ServoConfig {
        &self.config
    }

    /// The connectors' sections, every key with its value, secrets redacted.
    pub fn sections(&self) -> &[(String, serde_json::Value)] {
        &self.sections
    }

    /// The configuration as it is shown: values that differ from the default, secrets redacted.
    pub fn redacted_config(&self) -> serde_json::Value {
        let dump = Dump { secrets: Secrets::Redacted, detail: Detail::Set };
        self.config.to_json(dump, self.sections.iter().cloned())
    }

    pub fn optimizer(&self) -> Option<&Arc<dyn Optimizer>> {
        self.optimizer.as_ref()
    }

    /// The campaign of an optimizer in this process.
    pub(crate) fn campaign(&self) -> Option<&watch::Receiver<Snapshot>> {
        self.campaign.as_ref()
    }

    /// Whether an optimization in this process is over and could not leave the application with the settings that it
    /// should have.
    pub(crate) fn has_wrong_settings(&self) -> bool {
        self.campaign.as_ref().is_some_and(|campaign| {
            let snapshot = campaign.borrow();
            snapshot.campaign.as_ref().and_then(Campaign::left).is_some_and(|left| left.problem.is_some())
        })
    }

    pub fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// All connectors in dispatch order.
    pub fn connectors(&self) -> &[Arc<dyn Connector>] {
        &self.connectors
    }

    /// Whether what its connectors have adjusted stays when they are shut down.
    pub fn leaves_settings(&self) -> bool {
        let mut adjusting = self.connectors.iter().filter_map(|connector| connector.as_adjust());
        adjusting.any(Adjust::outlives_the_run)
    }

    /// The connector of this name.
    pub fn connector(&self, name: &str) -> Option<&Arc<dyn Connector>> {
        self.connectors.iter().find(|connector| connector.name().as_str() == name)
    }

    /// Tells all connectors that the servo is assembled, and adopts those that they add. To be called once, before any
    /// other event.
    ///
    /// # Errors
    /// That of a connector or a hook.
    pub async fn attach(&mut self, dispatch: &Dispatch) -> Result<(), EventError> {
        let mut added = self.attach_to(dispatch).await?;
        while !added.is_empty() {
            let mut names = Vec::new();
            for connector in added {
                let name = connector.name().clone();
                if self.connector(name.as_str()).is_some() {
                    return Err(EventError::failed(format!(
                        "a connector named '{name}' cannot be added: there is one"
                    )));
                }
                self.connectors.push(connector);
                names.push(name);
            }
            added = self.attach_to(&dispatch.clone().only(names)).await?;
        }
        Ok(())
    }

    async fn attach_to(&self, dispatch: &Dispatch) -> Result<Vec<Arc<dyn Connector>>, EventError> {
        let call = async |connector: &dyn Connector, cx: &EventContext| match connector.as_lifecycle() {
            Some(lifecycle) => Some(lifecycle.attach(cx).await),
            None => None,
        };
        let added = self.dispatch(Event::Attach, dispatch, call, |_| Outcome::Nothing).await?;
        Ok(added.into_iter().flat_map(|(_, children)| children).map(Arc::from).collect())
    }

    /// Tells all connectors that the servo begins to run. Hooks of other phases do not see it.
    ///
    /// # Errors
    /// That of a connector.
    pub async fn startup(&self, dispatch: &Dispatch) -> Result<(), EventError> {
        let targets: Vec<_> = self.connectors.iter().collect();
        let call = async |connector: &dyn Connector, cx: &EventContext| match connector.as_lifecycle() {
            Some(lifecycle) => Some(lifecycle.startup(cx).await),
            None => None,
        };
        self.on(Event::Startup, &targets, dispatch, call).await.map(drop)
    }

    /// Tells each connector that the servo stops, then that it leaves. Failures are logged: every connector is told.
    pub async fn shutdown(&self, dispatch: &Dispatch) {
        join_all(self.connectors.iter().map(|connector| self.dismiss(connector, dispatch))).await;
    }

    async fn dismiss(&self, connector: &Arc<dyn Connector>, dispatch: &Dispatch) {
        let name = connector.name();
        let alone = dispatch.clone().only(vec![name.clone()]);
        let shutdown = async |connector: &dyn Connector, cx: &EventContext| match connector.as_lifecycle() {
            Some(lifecycle) => Some(lifecycle.shutdown(cx).await),
            None => None,
        };
        if let Err(error) = self.on(Event::Shutdown, &[connector], &alone, shutdown).await {
            tracing::error!(connector = %name, error = error.chain(), "failed to shut down a connector");
        }
        self.detach_from(connector, &alone).await;
    }

    /// Tells each connector of a servo that never ran that it leaves. Failures are logged: every connector is told.
    pub async fn detach(&self, dispatch: &Dispatch) {
        join_all(self.connectors.iter().map(async |connector| {
            let alone = dispatch.clone().only(vec![connector.name().clone()]);
            self.detach_from(connector, &alone).await;
        }))
        .await;
    }

    async fn detach_from(&self, connector: &Arc<dyn Connector>, alone: &Dispatch) {
        let detach = async |connector: &dyn Connector, cx: &EventContext| match connector.as_lifecycle() {
            Some(lifecycle) => Some(lifecycle.detach(cx).await),
            None => None,
        };
        if let Err(error) = self.dispatch(Event::Detach, alone, detach, |_| Outcome::Nothing).await {
            tracing::error!(connector = %connector.name(), error = error.chain(), "failed to detach a connector");
        }
    }
}

/// A servo of these connectors, without an optimizer.
#[cfg(test)]
fn test_servo(connectors: Vec<Box<dyn Connector>>) -> Servo {
    use crate::config::{Environment, LoadOptions, OptimizerRequirement, file};

    let environment = Environment::from_pairs([("", ""); 0]);
    let options = LoadOptions {
        known: &[],
        offered: &[],
        environment: &environment,
        optimizer: OptimizerRequirement::Optional,
        check_section: &|_, _| {},
    };
    let loaded = crate::config::load(file::parse_documents("{}", "test").unwrap(), &options).unwrap();
    let (name, config) = ("servo".to_owned(), loaded.servos.into_iter().next().unwrap());
    let (optimizer, campaign, services) = (None, None, Arc::default());
    Servo::new(Parts { name, config, sections: Vec::new(), optimizer, campaign, services, connectors })
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::connector::{Describe, DescribeRequest, ErrorKind, Hooks, Lifecycle, Metadata, Phase, ProgressSender};
    use crate::types::Description;

    /// Adds a connector when it is attached, cancels its own event in a hook, and fails when it is asked after that.
    struct Toy {
        name: ConnectorName,
        child: Option<&'static str>,
        cancellation: CancellationToken,
    }

    impl Toy {
        fn boxed(name: &str, child: Option<&'static str>, cancellation: &CancellationToken) -> Box<dyn Connector> {
            Box::new(Self { name: ConnectorName::new(name), child, cancellation: cancellation.clone() })
        }
    }

    impl Connector for Toy {
        fn name(&self) -> &ConnectorName {
            &self.name
        }

        fn metadata(&self) -> &Metadata {
            &METADATA
        }

        fn as_describe(&self) -> Option<&dyn Describe> {
            Some(self)
        }

        fn as_lifecycle(&self) -> Option<&dyn Lifecycle> {
            Some(self)
        }

        fn as_hooks(&self) -> Option<&dyn Hooks> {
            Some(self)
        }
    }

    #[async_trait]
    impl Lifecycle for Toy {
        async fn attach(&self, _cx: &EventContext) -> Result<Vec<Box<dyn Connector>>, EventError> {
            Ok(self.child.map(|child| Self::boxed(child, None, &self.cancellation)).into_iter().collect())
        }
    }

    #[async_trait]
    impl Describe for Toy {
        async fn describe(&self, _cx: &EventContext, _request: &DescribeRequest) -> Result<Description, EventError> {
            Err(EventError::failed("asked for nothing"))
        }
    }

    #[async_trait]
    impl Hooks for Toy {
        fn hooks(&self) -> Vec<(Phase, Event)> {
            vec![(Phase::Before, Event::Describe)]
        }

        async fn before(&self, _cx: &EventContext, _event: Event) -> Result<(), EventError> {
            self.cancellation.cancel();
            Ok(())
        }
    }

    #[tokio::test]
    async fn an_added_connector_must_have_a_name_of_its_own() {
        let token = CancellationToken::new();
        let mut servo = test_servo(vec![Toy::boxed("a", Some("b"), &token), Toy::boxed("c", Some("a"), &token)]);
        let error = servo.attach(&Dispatch::default()).await.expect_err("'a' is there already");
        assert!(error.to_string().contains("'a'"), "{error}");
    }

    #[tokio::test]
    async fn connectors_that_are_added_are_attached_and_come_last() {
        let token = CancellationToken::new();
        let mut servo = test_servo(vec![Toy::boxed("a", Some("c"), &token), Toy::boxed("b", None, &token)]);
        servo.attach(&Dispatch::default()).await.unwrap();
        let names: Vec<_> = servo.connectors().iter().map(|connector| connector.name().as_str()).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }

    #[tokio::test]
    async fn an_event_that_is_cancelled_while_hooks_run_does_not_begin() {
        let token = CancellationToken::new();
        let servo = test_servo(vec![Toy::boxed("a", None, &token)]);
        let dispatch = Dispatch::new(ProgressSender::default(), token);
        let error = servo.describe(&DescribeRequest::default(), &dispatch).await.expect_err("cancelled");
        assert_eq!(error.kind(), ErrorKind::Cancelled);
    }
}
