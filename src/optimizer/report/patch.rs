//! The winner of a campaign as files that change a workload of Kubernetes, which somebody else applies.
//!
//! A component is `WORKLOAD/CONTAINER`, as the kubernetes connector names it; without a container's name both are called
//! the same. Its settings are `cpu` in cores, `mem` or `memory` in GiB, `replicas`, and variables of the environment. As
//! that connector does, requests and limits get the same value.

use serde_json::{Map, Value, json};

use super::{Report, text};
use crate::config::file::to_yaml;

/// The suffix of the component of a tuning pod.
const TUNING: &str = "-tuning";

/// What a patch is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Deployment,
    StatefulSet,
}

impl Kind {
    /// The word in a manifest.
    fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
        }
    }
}

/// What a report does not know of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub kind: Kind,
    /// Where they are; that of the context or of the base when none is given.
    pub namespace: Option<String>,
}

/// Why there is no patch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatchError {
    #[error("the optimization is not over, so that there is no winner yet")]
    NotOver,
    #[error("nothing was found that keeps all objectives, so that there is nothing to recommend")]
    Nothing,
    #[error("nothing was found that is better than the baseline settings, so that there is nothing to change")]
    Baseline,
    /// A value cannot be written.
    #[error("setting '{setting}' has the value {value}, which is no quantity")]
    Value { setting: String, value: Value },
}

/// The change of one workload.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Patch {
    /// The name of the workload.
    pub workload: String,
    pub kind: Kind,
    pub body: Value,
}

impl Patch {
    /// As YAML that `kubectl patch --patch-file` and kustomize take.
    pub(crate) fn to_yaml(&self) -> String {
        to_yaml(&self.body)
    }
}

/// What a winner that was not confirmed has to be told with.
pub(crate) fn warning(report: &Report) -> Option<&'static str> {
    let unproven = report.result.as_ref().is_some_and(|result| !result.confirmed && !result.is_baseline);
    unproven.then_some("what was found is NOT confirmed")
}

/// The patches of the winner, one for each workload, in the order of the settings.
///
/// # Errors
/// There is no winner, it is what was before, or a value makes no sense.
pub(crate) fn patches(report: &Report, target: &Target) -> Result<Vec<Patch>, PatchError> {
    let result = match &report.result {
        Some(result) if result.is_baseline => return Err(PatchError::Baseline),
        Some(result) => result,
        None if report.is_over_without_result() => return Err(PatchError::Nothing),
        None => return Err(PatchError::NotOver),
    };
    let mut workloads: Vec<Workload> = Vec::new();
    for (name, value) in &result.settings {
        let (component, setting) = name.split_once('.').unwrap_or((name.as_str(), ""));
        let (workload, container) = place(component, &report.pinned);
        let index = workloads.iter().position(|known| known.name == workload).unwrap_or_else(|| {
            workloads.push(Workload { name: workload.to_owned(), ..Workload::default() });
            workloads.len() - 1
        });
        let wrong = || PatchError::Value { setting: name.clone(), value: value.clone() };
        workloads[index].set(container, setting, value).ok_or_else(wrong)?;
    }
    Ok(workloads.into_iter().map(|workload| workload.patch(target)).collect())
}

/// The workload and the container of a component. What a tuning pod showed is for the workload beside it, which is pinned
/// meanwhile: that of its name without the suffix, or the only one when its alias is no path.
fn place<'a>(component: &'a str, pinned: &'a [String]) -> (&'a str, &'a str) {
    let beside = component.strip_suffix(TUNING).and_then(|short| pinned.iter().find(|known| *known == short));
    let mut paths = pinned.iter().filter(|known| !component.contains('/') && known.contains('/'));
    let only = paths.next().filter(|_| paths.next().is_none());
    let component = beside.or(only).map_or(component, String::as_str);
    component.split_once('/').unwrap_or((component, component))
}

/// A kustomization on top of another one, with these patches in it.
pub(crate) fn kustomization(patches: &[Patch], base: &str) -> String {
    let patches: Vec<Value> = patches
        .iter()
        .map(|patch| {
            let target = json!({ "kind": patch.kind.as_str(), "name": patch.workload });
            json!({ "target": target, "patch": patch.to_yaml() })
        })
        .collect();
    to_yaml(&json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [base],
        "patches": patches,
    }))
}

/// What is known of a workload.
#[derive(Debug, Default)]
struct Workload {
    name: String,
    replicas: Option<u64>,
    containers: Vec<Container>,
}

#[derive(Debug, Default)]
struct Container {
    name: String,
    resources: Map<String, Value>,
    environment: Vec<Value>,
}

impl Workload {
    /// Takes a value; `None` when it makes no sense.
    fn set(&mut self, container: &str, setting: &str, value: &Value) -> Option<()> {
        if setting == "replicas" {
            self.replicas = Some(whole(number(value)?)?);
            return Some(());
        }
        let index = self.containers.iter().position(|known| known.name == container).unwrap_or_else(|| {
            self.containers.push(Container { name: container.to_owned(), ..Container::default() });
            self.containers.len() - 1
        });
        let container = &mut self.containers[index];
        match setting {
            "cpu" => drop(container.resources.insert("cpu".to_owned(), json!(cores(value)?))),
            "mem" | "memory" => drop(container.resources.insert("memory".to_owned(), json!(memory(value)?))),
            name => container.environment.push(json!({ "name": name, "value": text::value(value) })),
        }
        Some(())
    }

    fn patch(self, target: &Target) -> Patch {
        let mut metadata = json!({ "name": self.name });
        if let Some(namespace) = &target.namespace {
            metadata["namespace"] = json!(namespace);
        }
        let mut spec = Map::new();
        if let Some(replicas) = self.replicas {
            spec.insert("replicas".to_owned(), json!(replicas));
        }
        let containers: Vec<Value> = self.containers.into_iter().map(Container::patch).collect();
        if !containers.is_empty() {
            spec.insert("template".to_owned(), json!({ "spec": { "containers": containers } }));
        }
        let kind = target.kind.as_str();
        let body = json!({ "apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec });
        Patch { workload: self.name, kind: target.kind, body }
    }
}

impl Container {
    fn patch(self) -> Value {
        let mut body = Map::from_iter([("name".to_owned(), json!(self.name))]);
        if !self.resources.is_empty() {
            body.insert("resources".to_owned(), json!({ "requests": self.resources, "limits": self.resources }));
        }
        if !self.environment.is_empty() {
            body.insert("env".to_owned(), json!(self.environment));
        }
        Value::Object(body)
    }
}

fn number(value: &Value) -> Option<f64> {
    let number = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
    (number.is_finite() && number >= 0.0).then_some(number)
}

/// Cores as a quantity: whole ones, else thousandths.
fn cores(value: &Value) -> Option<String> {
    let millis = whole((number(value)? * 1000.0).round())?;
    Some(if millis % 1000 == 0 { (millis / 1000).to_string() } else { format!("{millis}m") })
}

/// GiB as a quantity, in the largest unit that needs no fraction.
fn memory(value: &Value) -> Option<String> {
    let bytes = whole((number(value)? * 1024.0_f64.powi(3)).round())?;
    let units = [(1_u64 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki")];
    let unit = units.into_iter().find(|(size, _)| bytes.is_multiple_of(*size));
    Some(unit.map_or_else(|| bytes.to_string(), |(size, unit)| format!("{}{unit}", bytes / size)))
}

/// A number without a fraction, as far as those are exact.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within the bounds that are checked")]
fn whole(number: f64) -> Option<u64> {
    (number.fract() == 0.0 && (0.0..9e15).contains(&number)).then_some(number as u64)
}
