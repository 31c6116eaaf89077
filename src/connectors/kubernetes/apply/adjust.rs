//! Adjusting: everything is read and planned before anything is written; then all workloads are changed and watched at
//! once, and what fails is treated as its `on_failure` says.

use futures_util::future::join_all;

use super::attempt::Attempt;
use super::on_failure;
use super::workload_state::{Intent, WorkloadState};
use crate::connector::{AdjustRequest, EventContext, EventError};
use crate::connectors::kubernetes::watch::rollout;
use crate::connectors::kubernetes::watch::verification::AppliedValues;
use crate::types::{Adjustment, Component, Duration};

/// Applies adjustments to workloads that were read, and returns the components as they are then. What is in force
/// afterwards is left in `applied`.
///
/// # Errors
/// The classified failure of the first workload that fails, others mentioned; what `on_failure` says has been done.
pub(crate) async fn adjust(
    cx: &EventContext,
    states: Vec<WorkloadState<'_>>,
    request: &AdjustRequest,
    applied: &AppliedValues,
) -> Result<Vec<Component>, EventError> {
    let intents = plan(&states, &request.adjustments)?;
    let mut attempts: Vec<Attempt<'_>> = Vec::new();
    for state in states {
        let asked = state.asked(&request.adjustments)?;
        let before = applied.take(&state.workload_ref);
        attempts.push(Attempt::new(state, asked, before));
    }

    let limit =
        attempts.iter().map(|attempt| attempt.workload_ref().config.shared.timeout).max().unwrap_or(Duration::ZERO);
    let written = join_all(attempts.iter_mut().zip(intents).map(|(attempt, intent)| attempt.apply(cx, intent)));
    let results = rollout::awaiting(cx, limit, "adjustments to be applied...", written).await;
    let results = verified(cx, &attempts, results).await;
    on_failure::conclude(&attempts, results).await?;

    let settlements: Vec<_> = attempts.iter().map(|attempt| attempt.settlement(request)).collect();
    let longest = settlements.iter().copied().max().unwrap_or(Duration::ZERO);
    if longest > Duration::ZERO {
        let settled = join_all(attempts.iter().zip(settlements).map(|(attempt, time)| attempt.settle(cx, time)));
        let results = rollout::settling(cx, longest, settled).await;
        let results = verified(cx, &attempts, results).await;
        on_failure::conclude(&attempts, results).await?;
    }

    let finished = join_all(attempts.iter().map(|attempt| attempt.finish(cx))).await;
    on_failure::conclude(&attempts, finished).await?;

    let mut components = Vec::new();
    for attempt in &mut attempts {
        components.extend(attempt.describe(cx).await?);
        applied.set(attempt.workload_ref(), attempt.applied());
    }
    Ok(components)
}

/// The results of a step, where each workload that does not have what was asked for has failed.
async fn verified(
    cx: &EventContext,
    attempts: &[Attempt<'_>],
    results: Vec<Result<(), EventError>>,
) -> Vec<Result<(), EventError>> {
    join_all(attempts.iter().zip(results).map(|(attempt, result)| attempt.verified(cx, result))).await
}

/// Plans for all workloads; every problem is reported, and nothing has been written then.
fn plan(states: &[WorkloadState<'_>], adjustments: &[Adjustment]) -> Result<Vec<Intent>, EventError> {
    let mut intents = Vec::new();
    let mut problems: Vec<EventError> = Vec::new();
    for state in states {
        match state.plan(adjustments) {
            Ok(intent) => intents.push(intent),
            Err(error) => problems.push(error),
        }
    }
    let Some(first) = problems.first() else { return Ok(intents) };
    let texts: Vec<String> = problems.iter().map(EventError::chain).collect();
    let failed = EventError::adjustment_failed(texts.join("; "));
    Err(match first.reason() {
        Some(reason) => failed.with_reason(reason),
        None => failed,
    })
}
