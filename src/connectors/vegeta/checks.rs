//! Checks: an attack of five seconds for real, and what became of it.

use tokio::sync::OnceCell;

use super::attack::{Attack, AttackError};
use super::config::VegetaConfig;
use super::program::{Program, REMEDY};
use crate::checks::{Check, CheckFailure, CheckOutcome, CheckRequest, CheckSuite};
use crate::connector::{EventContext, EventError};
use crate::types::{Duration, Severity};

const DURATION: Duration = Duration::from_secs(5);
const INTERVAL: Duration = Duration::from_secs(1);
/// Percent of requests that may not fail.
const HIGHEST_ERROR_RATE: f64 = 5.0;

/// What became of the attack.
struct Trial {
    ended: Result<(), AttackError>,
    /// What was run, when it was found.
    program: Option<String>,
    reports: usize,
    error_rate: Option<f64>,
}

/// Runs the selected checks. The attack is made for the first of them that runs.
pub(super) async fn check(
    config: &VegetaConfig,
    cx: &EventContext,
    request: &CheckRequest,
) -> Result<Vec<Check>, EventError> {
    let cell = OnceCell::new();
    let trial = || cell.get_or_init(|| Trial::run(config, cx));
    let mut suite = CheckSuite::new();
    suite
        .check("check_execution", "Vegeta execution", Severity::Critical, async { trial().await.execution() })
        .awaited_on_cancel();
    suite
        .check("check_report_aggregation", "Report aggregation", Severity::Common, async {
            trial().await.aggregation()
        })
        .awaited_on_cancel();
    suite
        .check("check_error_rates", "Error rate < 5.0%", Severity::Common, async { trial().await.error_rates() })
        .awaited_on_cancel();
    suite.run(cx, request).await
}

impl Trial {
    async fn run(config: &VegetaConfig, cx: &EventContext) -> Self {
        let program = match Program::find(cx) {
            Ok(program) => Some(program.describe(cx).await),
            Err(_) => None,
        };
        let (mut reports, mut error_rate) = (0, None);
        let attack = Attack { config, duration: DURATION, interval: INTERVAL };
        let on_report = |report: super::Report| {
            reports += 1;
            error_rate = Some(report.error_rate);
            Ok(())
        };
        let ended = attack.run(cx, on_report).await;
        Self { ended, program, reports, error_rate }
    }

    fn execution(&self) -> CheckOutcome {
        let program = self.program.as_deref().unwrap_or_default();
        match &self.ended {
            // Whether anybody answers is the business of the other checks.
            Ok(()) | Err(AttackError::NoReport { .. }) => Ok(Some(format!("Vegeta exit code: 0 ({program})"))),
            Err(AttackError::NoProgram(missing)) => Err(CheckFailure::from(missing).with_hint(REMEDY)),
            Err(error) => {
                let mut failure = CheckFailure::from(error);
                if let Some(code) = error.exit_code() {
                    failure.message = format!("Vegeta exit code: {code} ({program}): {}", failure.message);
                }
                Err(failure)
            }
        }
    }

    fn aggregation(&self) -> CheckOutcome {
        let message = format!("Collected {} reports", self.reports);
        if self.reports > 0 { Ok(Some(message)) } else { Err(CheckFailure::new(message)) }
    }

    fn error_rates(&self) -> CheckOutcome {
        let Some(error_rate) = self.error_rate else {
            return Err(CheckFailure::new("Vegeta reported no requests, and so no error rate"));
        };
        let message = format!("Vegeta reported an error rate of {error_rate:.2}%");
        if error_rate < HIGHEST_ERROR_RATE { Ok(Some(message)) } else { Err(CheckFailure::new(message)) }
    }
}
