//! Whether servos are ready: the plan of a check flow, the flow itself, and the tables that it prints.

use std::time::Duration;

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::context::span;
use super::exit::CliError;
use super::render::output::Output;
use crate::checks::{
    CheckAnswers, CheckFilter, CheckRequest, ConnectorChecks, Delay, FlowObserver, FlowOptions, FlowOutcome, Readiness,
    run_flow, table,
};
use crate::config::ChecksConfig;
use crate::connector::{ConnectorName, ErrorKind, EventError, ProgressSender};
use crate::servo::{Dispatch, Servo};

/// How long the pass that begins at the end of a wait may take, where the end is meant.
const LAST_PASS: Duration = Duration::from_millis(600);

/// How long checks that have been called off may take to clean up then.
const CLEAN_UP: Duration = Duration::from_millis(200);

/// What to find out about a servo.
pub(crate) struct Plan {
    pub(crate) flow: FlowOptions,
    /// The connectors to ask; `None` is all.
    pub(crate) targets: Option<Vec<ConnectorName>>,
    /// Whether the flow ends with its wait, whatever a check is doing then; otherwise the last pass has its time.
    pub(crate) punctual: bool,
}

/// Whether all servos are ready, as the `checks` section of each says.
///
/// # Errors
/// A section names a connector that does not exist or has no checks.
pub(crate) async fn all_ready(
    servos: &[Servo],
    output: &Output,
    cancellation: &CancellationToken,
) -> Result<bool, CliError> {
    let flows = servos.iter().map(async |servo| {
        let config = &servo.config().checks;
        let plan = Plan { flow: flow_options(config)?, targets: targets(servo, config)?, punctual: false };
        let silent = config.progressive || config.quiet;
        let mut tables =
            Tables { output: (!silent).then_some(output), heading: heading(servo, servos), verbose: config.verbose };
        let outcome = examine(servo, &plan, &mut tables, cancellation).instrument(span(servo, servos)).await;
        Ok(outcome.readiness == Readiness::Ready)
    });
    let ready: Vec<bool> = join_all(flows).await.into_iter().collect::<Result<_, CliError>>()?;
    Ok(ready.into_iter().all(|ready| ready))
}

/// Runs the flow on a servo.
pub(crate) async fn examine(
    servo: &Servo,
    plan: &Plan,
    observer: &mut dyn FlowObserver,
    cancellation: &CancellationToken,
) -> FlowOutcome {
    let end = cancellation.child_token();
    let mut dispatch = Dispatch::new(ProgressSender::default(), end.clone());
    if let Some(targets) = &plan.targets {
        dispatch = dispatch.only(targets.clone());
    }
    let flow = run_flow(&plan.flow, &end, observer, || pass(servo, &plan.flow.request, &dispatch));
    let Some(limit) = plan.flow.wait.filter(|wait| plan.punctual && !wait.is_zero()) else { return flow.await };
    tokio::pin!(flow);
    tokio::select! {
        outcome = &mut flow => return outcome,
        () = tokio::time::sleep(limit.to_std() + LAST_PASS) => end.cancel(),
    }
    tracing::error!("timed out waiting for checks to pass {limit}: those that were still running are given up");
    let results = tokio::time::timeout(CLEAN_UP, flow).await.map(|outcome| outcome.results).unwrap_or_default();
    FlowOutcome { readiness: Readiness::NotReady, results }
}

/// One round of checks. A hook that fails before any connector is asked is a failing check of the servo.
async fn pass(servo: &Servo, request: &CheckRequest, dispatch: &Dispatch) -> CheckAnswers {
    match servo.check(request, dispatch).await {
        Ok(answers) => {
            answers.into_iter().map(|(name, checks)| (name, checks.map_err(|error| problem(&error)))).collect()
        }
        Err(error) => vec![(ConnectorName::new(servo.name()), Err(problem(&error)))],
    }
}

fn problem(error: &EventError) -> String {
    match error.kind() {
        ErrorKind::Cancelled => "did not come to an end in time".to_owned(),
        _ => error.chain(),
    }
}

/// The flow that a `checks` section describes.
///
/// # Errors
/// A filter is not valid.
pub(crate) fn flow_options(config: &ChecksConfig) -> Result<FlowOptions, CliError> {
    let list = |texts: &Option<Vec<String>>| texts.clone().unwrap_or_default();
    let filter = CheckFilter::parse(&list(&config.name), &list(&config.id), &list(&config.tag))
        .map_err(|error| CliError::Usage(format!("checks: {error}")))?;
    Ok(FlowOptions {
        request: CheckRequest { filter, halt_on: Some(config.halt_on) },
        wait: config.wait.time(),
        delay: config.delay.time().map_or(Delay::Expo, Delay::Fixed),
        remedy: config.remedy,
        check_halting: config.check_halting,
    })
}

/// The connectors that the section names, and the servo itself, whose check never rests.
///
/// # Errors
/// A name that no connector has, or one that has no checks.
pub(crate) fn targets(servo: &Servo, config: &ChecksConfig) -> Result<Option<Vec<ConnectorName>>, CliError> {
    let Some(names) = &config.connectors else { return Ok(None) };
    for name in names {
        let connector = servo
            .connector(name)
            .ok_or_else(|| CliError::Failed(format!("checks.connectors: no connector found named '{name}'")))?;
        if connector.as_check().is_none() {
            return Err(CliError::Failed(format!("checks.connectors: connector '{name}' has no checks")));
        }
    }
    let own = std::iter::once(servo.name());
    Ok(Some(names.iter().map(String::as_str).chain(own).map(ConnectorName::new).collect()))
}

/// The line above the tables of a servo, left out when there is only one.
pub(crate) fn heading<'a>(servo: &'a Servo, servos: &[Servo]) -> Option<&'a str> {
    (servos.len() > 1).then(|| servo.name())
}

/// Prints a table after each pass, where the log does not tell it all.
pub(crate) struct Tables<'a> {
    pub(crate) output: Option<&'a Output>,
    /// What stands above each table.
    pub(crate) heading: Option<&'a str>,
    /// With a line for each check.
    pub(crate) verbose: bool,
}

impl FlowObserver for Tables<'_> {
    fn pass_ended(&mut self, results: &[ConnectorChecks]) {
        let Some(output) = self.output else { return };
        // The flow goes on whether or not anybody reads its tables.
        output.line(table_of(results, self.heading, self.verbose)).ok();
    }
}

/// The table of a pass, below the heading.
pub(crate) fn table_of(results: &[ConnectorChecks], heading: Option<&str>, verbose: bool) -> String {
    let table = if verbose { table::verbose(results) } else { table::plain(results) };
    heading.map(|heading| format!("{heading}\n{table}")).unwrap_or(table)
}
