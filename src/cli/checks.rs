//! Whether servos are ready: runs the check flow on all of them at once, and prints the tables that were asked for.

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::context::span;
use super::exit::CliError;
use super::output::Output;
use crate::checks::{
    CheckAnswers, CheckFilter, CheckRequest, ConnectorChecks, Delay, FlowObserver, FlowOptions, Readiness, run_flow,
    table,
};
use crate::config::ChecksConfig;
use crate::connector::{ConnectorName, ProgressSender};
use crate::servo::{Dispatch, Servo};

/// Whether all servos are ready, as the `checks` section of each says.
///
/// # Errors
/// A section names a connector that does not exist or has no checks.
pub(crate) async fn all_ready(
    servos: &[Servo],
    output: &Output,
    cancellation: &CancellationToken,
) -> Result<bool, CliError> {
    let flows = servos.iter().map(|servo| is_ready(servo, output, cancellation).instrument(span(servo, servos)));
    let ready: Vec<bool> = join_all(flows).await.into_iter().collect::<Result<_, _>>()?;
    Ok(ready.into_iter().all(|ready| ready))
}

async fn is_ready(servo: &Servo, output: &Output, cancellation: &CancellationToken) -> Result<bool, CliError> {
    let config = &servo.config().checks;
    let options = flow_options(config)?;
    let dispatch = dispatch(servo, config, cancellation)?;
    let mut tables = Tables { config, output };
    let outcome = run_flow(&options, cancellation, &mut tables, || pass(servo, &options.request, &dispatch)).await;
    Ok(outcome.readiness == Readiness::Ready)
}

/// One round of checks. A hook that fails before any connector is asked is a failing check of the servo.
async fn pass(servo: &Servo, request: &CheckRequest, dispatch: &Dispatch) -> CheckAnswers {
    match servo.check(request, dispatch).await {
        Ok(answers) => {
            answers.into_iter().map(|(name, checks)| (name, checks.map_err(|error| error.chain()))).collect()
        }
        Err(error) => vec![(ConnectorName::new(servo.name()), Err(error.chain()))],
    }
}

fn flow_options(config: &ChecksConfig) -> Result<FlowOptions, CliError> {
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

/// To the connectors that the section names, and to the servo itself, whose check never rests.
fn dispatch(servo: &Servo, config: &ChecksConfig, cancellation: &CancellationToken) -> Result<Dispatch, CliError> {
    let dispatch = Dispatch::new(ProgressSender::default(), cancellation.clone());
    let Some(names) = &config.connectors else { return Ok(dispatch) };
    for name in names {
        let connector = servo
            .connector(name)
            .ok_or_else(|| CliError::Failed(format!("checks.connectors: no connector found named '{name}'")))?;
        if connector.as_check().is_none() {
            return Err(CliError::Failed(format!("checks.connectors: connector '{name}' has no checks")));
        }
    }
    let own = std::iter::once(servo.name());
    Ok(dispatch.only(names.iter().map(String::as_str).chain(own).map(ConnectorName::new).collect()))
}

/// Prints a table after each pass, where the log does not tell it all.
struct Tables<'a> {
    config: &'a ChecksConfig,
    output: &'a Output,
}

impl FlowObserver for Tables<'_> {
    fn pass_ended(&mut self, results: &[ConnectorChecks]) {
        let ChecksConfig { progressive, quiet, verbose, .. } = self.config;
        if *progressive || *quiet {
            return;
        }
        let table = if *verbose { table::verbose(results) } else { table::plain(results) };
        // The flow goes on whether or not anybody reads its tables.
        self.output.line(table).ok();
    }
}
