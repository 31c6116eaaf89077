//! Why something failed, and how that is told: a cause names the logs that belong in its message, and becomes an error
//! with them.

use std::borrow::Cow;

use super::logs::{LogKey, Logs};
use super::restarts::Restarted;
use crate::connector::{ErrorKind, EventError};
use crate::k8s::{Condition, WorkloadKind};
use crate::types::Adjustment;

/// The most pods that a message names: those of one workload fail alike.
const MOST_PODS: usize = 10;

const UNSCHEDULABLE: &str = "unschedulable";
pub(crate) const UNSTABLE: &str = "unstable";
const START_FAILED: &str = "start-failed";
const IMAGE_PULL_FAILED: &str = "image-pull-failed";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject<'a> {
    /// A workload that is optimized by itself.
    Workload {
        kind: WorkloadKind,
        name: &'a str,
    },
    TuningPod {
        name: &'a str,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A condition of the workload says that it will not become ready, such as for a quota or a deadline.
    Condition(Condition),
    /// A condition of the workload has a status that the API does not know.
    UnexpectedCondition(Condition),
    /// It has no condition at all: its controller or a node has not begun with it.
    NotRunning,
    /// No node has room for these pods.
    Unschedulable(Vec<PodProblem>),
    /// The image of a container cannot be had.
    ImagePull(Vec<PodContainer>),
    Restarted(Vec<Restarted>),
    /// These pods are not ready.
    Unready(Vec<PodProblem>),
    /// None of the above; with what is missing.
    Unknown(String),
}

/// A condition of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PodProblem {
    pub pod: String,
    pub reason: Option<String>,
    pub message: Option<String>,
    /// Its containers that are not ready, when that is why.
    pub containers: Vec<String>,
}

/// A container of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PodContainer {
    pub pod: String,
    pub container: String,
}

impl Cause {
    /// The logs that belong in its message.
    pub(crate) fn wanted_logs(&self) -> Vec<LogKey> {
        match self {
            Self::Restarted(containers) => {
                let shown = containers.iter().take(MOST_PODS);
                keys(shown.map(|restarted| (restarted.pod.as_str(), restarted.container.as_str())))
            }
            Self::Unready(pods) => keys(pods.iter().take(MOST_PODS).flat_map(|problem| {
                problem.containers.iter().map(|container| (problem.pod.as_str(), container.as_str()))
            })),
            _ => Vec::new(),
        }
    }

    /// The failure that is reported. `adjustments` are those that were asked of the subject; `logs` are `None` when
    /// messages carry none.
    pub(crate) fn into_error(
        self,
        subject: Subject<'_>,
        adjustments: &[Adjustment],
        logs: Option<&Logs>,
    ) -> EventError {
        let message = self.message(subject, adjustments, logs);
        match self {
            Self::Unschedulable(_) => EventError::rejected(message, UNSCHEDULABLE),
            Self::Restarted(_) => EventError::rejected(message, UNSTABLE),
            Self::Condition(_) | Self::Unready(_) => EventError::rejected(message, START_FAILED),
            Self::ImagePull(_) => EventError::adjustment_failed(message).with_reason(IMAGE_PULL_FAILED),
            Self::UnexpectedCondition(_) | Self::NotRunning | Self::Unknown(_) => match subject {
                Subject::Workload { .. } => EventError::adjustment_failed(message),
                Subject::TuningPod { .. } => EventError::failed(message),
            },
        }
    }

    fn message(&self, subject: Subject<'_>, adjustments: &[Adjustment], logs: Option<&Logs>) -> String {
        match self {
            Self::Condition(condition) => subject.says(&condition_message(condition)),
            Self::UnexpectedCondition(Condition { type_, status, .. }) => {
                subject.says(&format!("encountered unexpected Condition status '{status}' of {type_}"))
            }
            Self::NotRunning => format!("{} is not running: {}", subject.kind(), subject.name()),
            Self::Unschedulable(pods) => unschedulable_message(subject, pods, adjustments),
            Self::ImagePull(containers) => image_pull_message(subject, containers),
            Self::Restarted(containers) => restart_message(subject, containers, logs),
            Self::Unready(pods) => unready_message(subject, pods, logs),
            Self::Unknown(missing) => {
                format!("Unknown {} status for '{}': {missing}", subject.kind(), subject.name())
            }
        }
    }
}

fn keys<'a>(containers: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<LogKey> {
    let both = |(pod, container): (&str, &str)| {
        [true, false].map(|previous| LogKey { pod: pod.to_owned(), container: container.to_owned(), previous })
    };
    containers.flat_map(both).collect()
}

impl Subject<'_> {
    fn kind(self) -> &'static str {
        match self {
            Self::Workload { kind, .. } => kind.as_str(),
            Self::TuningPod { .. } => "Pod",
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Workload { name, .. } | Self::TuningPod { name } => name,
        }
    }

    /// A text that does not name it.
    fn says(self, text: &str) -> String {
        format!("{} {}: {text}", self.kind(), self.name())
    }

    /// The failure of a subject that is not there any more.
    pub(crate) fn gone(self) -> EventError {
        EventError::adjustment_failed(format!("No such {}: {}", self.kind(), self.name()))
    }
}

/// The same failure when it happens in the settlement: what could not start was not stable.
#[must_use]
pub(crate) fn in_settlement(error: EventError) -> EventError {
    let has_not_started = error.kind() == ErrorKind::Rejected && error.reason() == Some(START_FAILED);
    if has_not_started { error.with_reason(UNSTABLE) } else { error }
}

fn condition_message(condition: &Condition) -> String {
    let what = if condition.type_ == "Progressing" { "ProgressionFailure" } else { condition.type_.as_str() };
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    format!("{what}: message='{}', reason='{}'", text(&condition.message), text(&condition.reason))
}

fn unschedulable_message(subject: Subject<'_>, pods: &[PodProblem], adjustments: &[Adjustment]) -> String {
    let of_pod = |problem: &PodProblem| {
        let why = problem.message.as_deref().unwrap_or("no node fits");
        let list: Vec<String> = adjustments
            .iter()
            .filter(|adjustment| why.contains(&adjustment.setting_name))
            .map(ToString::to_string)
            .collect();
        let what: Cow<'_, str> = match list.as_slice() {
            [] => "It".into(),
            list => format!("Requested adjustment(s) ({})", list.join(", ")).into(),
        };
        format!("{what} cannot be scheduled due to \"{why}\"")
    };
    match subject {
        Subject::TuningPod { .. } => subject.says(&pods.iter().map(of_pod).collect::<Vec<_>>().join(", ")),
        Subject::Workload { .. } => {
            let texts = pods.iter().map(|problem| format!("{} - {}", problem.pod, of_pod(problem)));
            let (count, kind, name) = (pods.len(), subject.kind(), subject.name());
            format!("{count} pod(s) could not be scheduled for {kind} {name}: {}", joined(texts, ", "))
        }
    }
}

fn image_pull_message(subject: Subject<'_>, containers: &[PodContainer]) -> String {
    let detected = "Container image pull failure detected";
    if let Subject::TuningPod { .. } = subject {
        let names = containers.iter().map(|container| container.container.clone());
        return subject.says(&format!("{detected} in container {}", joined(names, ", ")));
    }
    let mut pods: Vec<&str> = containers.iter().map(|container| container.pod.as_str()).collect();
    pods.dedup();
    let names = joined(pods.iter().map(ToString::to_string), ", ");
    subject.says(&format!("{detected} on {} pods: {names}", pods.len()))
}

fn restart_message(subject: Subject<'_>, containers: &[Restarted], logs: Option<&Logs>) -> String {
    let of_container = |restarted: &Restarted| {
        let Restarted { pod, container, count } = restarted;
        let logs = logs.map(|logs| logs.text(pod, container));
        (pod.clone(), format!("{container} x{count}"), logs)
    };
    let texts = containers.iter().map(of_container);
    match subject {
        Subject::TuningPod { name } => {
            let texts = texts.map(|(_, text, logs)| text + logs.as_deref().unwrap_or(" container logs DISABLED"));
            let texts = joined(texts, ", \n");
            format!("Tuning optimization {name} crash restart detected on container(s): {texts}")
        }
        Subject::Workload { .. } => {
            let texts = texts.map(|(pod, text, logs)| format!("{pod} - {text}{}", logs.unwrap_or_default()));
            let texts = joined(texts, ", ");
            format!("{} {} pod(s) crash restart detected: {texts}", subject.kind(), subject.name())
        }
    }
}

fn unready_message(subject: Subject<'_>, pods: &[PodProblem], logs: Option<&Logs>) -> String {
    let of_pod = |problem: &PodProblem| {
        let reason = problem.reason.as_deref().unwrap_or("unknown");
        let message = problem.message.as_deref().unwrap_or("its condition says no more");
        let of_container = |container: &String| logs.map(|logs| logs.text(&problem.pod, container)).unwrap_or_default();
        let logs: String = problem.containers.iter().map(of_container).collect();
        format!("(reason {reason}) {message}{logs}")
    };
    match subject {
        Subject::TuningPod { .. } => subject.says(&pods.iter().map(of_pod).collect::<Vec<_>>().join(", ")),
        Subject::Workload { .. } => {
            let texts = pods.iter().map(|problem| format!("{} - {}", problem.pod, of_pod(problem)));
            let (count, kind) = (pods.len(), subject.kind().to_lowercase());
            format!("Found {count} unready pod(s) for {kind} {}: {}", subject.name(), joined(texts, ", "))
        }
    }
}

/// As many texts as a message has room for.
fn joined(texts: impl ExactSizeIterator<Item = String>, separator: &str) -> String {
    let more = texts.len().saturating_sub(MOST_PODS);
    let shown = texts.take(MOST_PODS).collect::<Vec<_>>().join(separator);
    if more == 0 { shown } else { format!("{shown}{separator}and {more} more") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_stay_ready_is_unstable() {
        for (reason, expected) in [("start-failed", "unstable"), ("unschedulable", "unschedulable")] {
            assert_eq!(in_settlement(EventError::rejected("m", reason)).reason(), Some(expected));
        }
        assert_eq!(in_settlement(EventError::failed("m")).reason(), None);
    }

    #[test]
    fn what_is_gone_is_named() {
        let gone = Subject::Workload { kind: WorkloadKind::Deployment, name: "web" }.gone();
        assert_eq!((gone.kind(), gone.to_string().as_str()), (ErrorKind::AdjustmentFailed, "No such Deployment: web"));
    }
}
