//! A servo with the Kubernetes connector alone, assembled from a configuration and driven by events.

use std::path::Path;

use serde_json::{Value, json};
use servox::internals::assembly;
use servox::internals::checks::{Check, CheckRequest};
use servox::internals::config::file::parse_documents;
use servox::internals::config::{Environment, OptimizerRequirement};
use servox::internals::connector::{AdjustRequest, DescribeRequest, EventError, MeasureRequest, ProgressSender};
use servox::internals::decode::{Decode, Decoder, NoVariables, Node, Origin};
use servox::internals::servo::{Dispatch, Servo};
use servox::internals::types::{Adjustment, Control, Description, Scalar, Severity};
use tokio_util::sync::CancellationToken;

/// A servo that is attached.
pub(crate) struct KubernetesServo(Servo);

impl KubernetesServo {
    /// Assembles a servo from a section `kubernetes`, which gets this kubeconfig file, and attaches it.
    pub(crate) async fn attach(kubeconfig: &Path, section: &Value, env: &[(&str, &str)]) -> Result<Self, String> {
        Self::attach_beside(&json!({}), kubeconfig, section, env).await
    }

    /// The same, with the sections of other connectors.
    pub(crate) async fn attach_beside(
        others: &Value,
        kubeconfig: &Path,
        section: &Value,
        env: &[(&str, &str)],
    ) -> Result<Self, String> {
        let mut sections = others.clone();
        sections["kubernetes"] = section.clone();
        sections["kubernetes"]["kubeconfig"] = json!(kubeconfig);
        // JSON is YAML.
        let file = parse_documents(&sections.to_string(), "servo.yaml");
        let environment = Environment::from_pairs(env.iter().copied());
        let file = file.map_err(|problems| problems.to_string())?;
        let registry = servox::internals::connectors::CONNECTORS;
        let loaded = assembly::load(file, registry, &environment, OptimizerRequirement::Optional);
        let prepared = loaded.map_err(|problems| problems.to_string())?.servos.pop().ok_or("no servo")?;
        let mut servo = prepared.build(&environment).map_err(|error| error.to_string())?;
        servo.attach(&Dispatch::default()).await.map_err(|error| error.chain())?;
        Ok(Self(servo))
    }

    pub(crate) fn servo(&self) -> &Servo {
        &self.0
    }

    /// As JSON for the optimizer.
    pub(crate) async fn describe(&self) -> Result<Value, EventError> {
        let parts = self.0.describe(&DescribeRequest::default(), &Dispatch::default()).await?;
        Ok(wire(parts.into_iter().map(|(_, part)| part)))
    }

    /// Adjusts; the description as JSON for the optimizer.
    pub(crate) async fn adjust(&self, adjustments: &[(&str, Value)], control: &Value) -> Result<Value, EventError> {
        self.adjust_with(adjustments, control, &Dispatch::default()).await
    }

    /// Adjusts until it is cancelled.
    pub(crate) async fn adjust_until(
        &self,
        adjustments: &[(&str, Value)],
        cancellation: &CancellationToken,
    ) -> Result<Value, EventError> {
        let dispatch = Dispatch::new(ProgressSender::default(), cancellation.clone());
        self.adjust_with(adjustments, &json!({}), &dispatch).await
    }

    async fn adjust_with(
        &self,
        adjustments: &[(&str, Value)],
        control: &Value,
        dispatch: &Dispatch,
    ) -> Result<Value, EventError> {
        let adjustments = adjustments.iter().map(|(selector, value)| {
            let (component, setting) = selector.rsplit_once('.').unwrap_or(("", selector));
            Adjustment::new(component, setting, decoded::<Scalar>(value))
        });
        let request = AdjustRequest { adjustments: adjustments.collect(), control: decoded::<Control>(control) };
        let parts = self.0.adjust(&request, dispatch).await?;
        Ok(wire(parts.into_iter().map(|(_, part)| part)))
    }

    /// What happens before and after a measurement.
    pub(crate) async fn before_measure(&self) -> Result<(), EventError> {
        self.0.measure(&MeasureRequest::default(), &Dispatch::default()).await.map(drop)
    }

    /// All checks, until a critical one fails.
    pub(crate) async fn check(&self) -> Result<Vec<Check>, EventError> {
        let request = CheckRequest { halt_on: Some(Severity::Critical), ..CheckRequest::default() };
        let answers = self.0.check(&request, &Dispatch::default()).await?;
        let checks: Result<Vec<_>, _> = answers.into_iter().map(|(_, checks)| checks).collect();
        Ok(checks?.into_iter().flatten().collect())
    }
}

fn decoded<T: Decode>(value: &Value) -> T {
    let node = Node::from_json(value, &Origin::whole("test"));
    Decoder::run(&NoVariables, |cx| T::decode(&node, cx)).expect("a valid value")
}

fn wire(parts: impl Iterator<Item = Description>) -> Value {
    servox::internals::wire::description::encode(&Description::merged(parts))
}

/// What the optimizer is told of an error, as `(status, reason)`.
pub(crate) fn status(error: &EventError) -> (&'static str, Option<&str>) {
    (servox::internals::runner::status_word(error.kind()).as_str(), error.reason())
}
