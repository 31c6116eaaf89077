//! The check flow: asks a whole servo whether it is ready, again and again until it is or the time is up.
//!
//! Logs what it finds and applies remedies. It does not dispatch events, which is the business of the closure that it
//! is given, and it prints nothing: a [`FlowObserver`] may.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::connector::{Check, CheckRequest, ConnectorChecks, ConnectorName, Remedy};
use crate::types::{self, Severity};

/// How long a remedy may take: one stuck call must not use up the time of the whole flow.
const REMEDY_LIMIT: Duration = Duration::from_secs(10);

/// The first wait of [`Delay::Expo`].
const FIRST_EXPO_WAIT: Duration = Duration::from_secs(8);

/// The name of the check that stands for a connector that could not check.
const HANDLER_CHECK: &str = "Run checks";

#[derive(Debug, Clone)]
pub(crate) struct FlowOptions {
    /// Which checks a pass is to run.
    pub request: CheckRequest,
    /// How long to repeat; `None` and no time are a single pass. A last pass begins at the end of it.
    pub wait: Option<types::Duration>,
    /// How long to wait between passes.
    pub delay: Delay,
    /// Whether to apply remedies of failing checks.
    pub remedy: bool,
    /// Whether to look at nothing more in a pass after a check that keeps the servo from being ready.
    pub check_halting: bool,
}

impl FlowOptions {
    /// For how long there is more than a single pass.
    fn limit(&self) -> Option<types::Duration> {
        self.wait.filter(|wait| *wait > types::Duration::ZERO)
    }
}

/// How long to wait between passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delay {
    /// 8 s, then twice as long each time.
    Expo,
    Fixed(types::Duration),
}

impl Delay {
    fn first(self) -> Duration {
        match self {
            Self::Expo => FIRST_EXPO_WAIT,
            Self::Fixed(wait) => wait.to_std(),
        }
    }

    fn after(self, wait: Duration) -> Duration {
        match self {
            Self::Expo => wait.saturating_mul(2),
            Self::Fixed(_) => wait,
        }
    }
}

/// A text that is no delay.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid delay '{text}': write expo, or a duration such as 10s")]
pub(crate) struct DelayError {
    text: String,
    source: types::DurationError,
}

impl FromStr for Delay {
    type Err = DelayError;

    fn from_str(text: &str) -> Result<Self, DelayError> {
        if text == "expo" {
            return Ok(Self::Expo);
        }
        types::Duration::parse(text).map(Self::Fixed).map_err(|source| DelayError { text: text.to_owned(), source })
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expo => f.write_str("expo"),
            Self::Fixed(wait) => wait.fmt(f),
        }
    }
}

/// Sees a flow while it runs, such as to draw its progress. Each method does nothing unless it is written.
pub(crate) trait FlowObserver: Send {
    /// A pass begins; the first is 1.
    fn pass_begun(&mut self, _number: usize) {}

    /// All checks of a pass have run; what is done about them comes next.
    fn answered(&mut self, _results: &[ConnectorChecks]) {}

    /// A check has run. All of a pass are reported at its end, in order.
    fn checked(&mut self, _connector: &ConnectorName, _check: &Check) {}

    /// The remedy of a failing check is about to be tried.
    fn remedying(&mut self, _connector: &ConnectorName, _check: &Check) {}

    /// The remedy of a failing check has been tried; an error goes on from "remedy attempt".
    fn remedied(&mut self, _connector: &ConnectorName, _check: &Check, _result: &Result<(), String>) {}

    fn pass_ended(&mut self, _results: &[ConnectorChecks]) {}

    /// The next pass begins after this time.
    fn waiting(&mut self, _time: Duration) {}
}

impl FlowObserver for () {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// No check keeps the servo from being ready.
    Ready,
    NotReady,
    /// Called off before that was known.
    Cancelled,
}

/// What each connector answered in a pass, in order. An `Err` is its failure to check, which counts as a failing
/// check of its own.
pub(crate) type CheckAnswers = Vec<(ConnectorName, Result<Vec<Check>, String>)>;

#[derive(Debug, Clone)]
pub(crate) struct FlowOutcome {
    /// Whether the servo is ready.
    pub readiness: Readiness,
    /// The results of the last pass.
    pub results: Vec<ConnectorChecks>,
}

/// Runs passes until no check keeps the servo from being ready, the time is up, or `cancellation` calls it off.
///
/// `pass` dispatches the request of the options once; it is to end soon when cancelled.
pub(crate) async fn run_flow<P>(
    options: &FlowOptions,
    cancellation: &CancellationToken,
    observer: &mut dyn FlowObserver,
    // No `AsyncFnMut`: its futures cannot be shown to be `Send`.
    mut pass: impl FnMut() -> P,
) -> FlowOutcome
where
    P: Future<Output = CheckAnswers>,
{
    let mut flow = Flow { options, cancellation, observer, passing: HashSet::new() };
    let started = Instant::now();
    if let Some(limit) = options.limit() {
        tracing::info!("Running checks for up to {limit} with a delay of {} between iterations", options.delay);
    }
    let mut wait = options.delay.first();
    let mut number = 1;
    loop {
        flow.observer.pass_begun(number);
        let answers = pass().await;
        let results: Vec<_> = answers.into_iter().map(connector_checks).collect();
        if number == 1 {
            warn_of_nothing_selected(&options.request, &results);
        }
        flow.observer.answered(&results);
        let readiness = flow.review(&results).await;
        flow.observer.pass_ended(&results);
        if readiness != Readiness::NotReady {
            return FlowOutcome { readiness, results };
        }
        match flow.pause(started, wait).await {
            Pause::Over => {}
            Pause::TimeIsUp => return FlowOutcome { readiness, results },
            Pause::Cancelled => return FlowOutcome { readiness: Readiness::Cancelled, results },
        }
        wait = options.delay.after(wait);
        number += 1;
    }
}

struct Flow<'a> {
    options: &'a FlowOptions,
    cancellation: &'a CancellationToken,
    observer: &'a mut dyn FlowObserver,
    /// What succeeded when it was last looked at: connector and id.
    passing: HashSet<(ConnectorName, String)>,
}

/// How the time between two passes ended.
enum Pause {
    Over,
    TimeIsUp,
    Cancelled,
}

impl Flow<'_> {
    /// Logs the results of a pass, applies remedies, and says whether the servo is ready.
    async fn review(&mut self, results: &[ConnectorChecks]) -> Readiness {
        'pass: for ConnectorChecks { connector, checks } in results {
            for check in checks {
                if self.cancellation.is_cancelled() {
                    break 'pass;
                }
                self.look_at(connector, check).await;
                if check.failed() && self.options.check_halting {
                    break 'pass;
                }
            }
        }
        if self.cancellation.is_cancelled() {
            Readiness::Cancelled
        } else if results.iter().all(ConnectorChecks::passed) {
            // Of all results, whether or not they were looked at: the tables show all of them too.
            tracing::info!("🔥 All checks passed.");
            Readiness::Ready
        } else {
            Readiness::NotReady
        }
    }

    async fn look_at(&mut self, connector: &ConnectorName, check: &Check) {
        self.observer.checked(connector, check);
        if check.success {
            return self.log_passed(connector, check);
        }
        self.log_failed(connector, check);
        if let Some(remedy) = check.remedy.as_ref().filter(|_| self.options.remedy) {
            self.apply(remedy.as_ref(), connector, check).await;
        }
    }

    fn log_passed(&mut self, connector: &ConnectorName, check: &Check) {
        if self.passing.insert((connector.clone(), check.id.clone())) {
            tracing::info!(success = true, component = %check.id, "✅ Check '{}' passed", check.name);
        }
    }

    fn log_failed(&mut self, connector: &ConnectorName, check: &Check) {
        self.passing.remove(&(connector.clone(), check.id.clone()));
        let passed = self.passing.len();
        let message = check.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
        if check.failed() {
            tracing::warn!(%connector, "❌ Check '{}' failed ({passed} passed){message}", check.name);
        } else {
            tracing::warn!(%connector, "❗ Check '{}' failed as a warning ({passed} passed){message}", check.name);
        }
        if let Some(hint) = &check.hint {
            tracing::info!(%connector, "Hint: {hint}");
        }
    }

    async fn apply(&mut self, remedy: &dyn Remedy, connector: &ConnectorName, check: &Check) {
        tracing::info!(%connector, "💡 Attempting to apply remedy...");
        self.observer.remedying(connector, check);
        let result = tokio::select! {
            () = self.cancellation.cancelled() => Err("was cancelled".to_owned()),
            result = tokio::time::timeout(REMEDY_LIMIT, remedy.apply()) => match result {
                Ok(result) => result.map_err(|problem| format!("failed: {problem}")),
                Err(_) => Err(format!("timed out after {}s", REMEDY_LIMIT.as_secs())),
            },
        };
        match &result {
            Ok(()) => tracing::info!(%connector, "💡 Remedy applied"),
            Err(problem) => tracing::warn!(%connector, "💡 Remedy attempt {problem}"),
        }
        self.observer.remedied(connector, check, &result);
    }

    /// Waits for the next pass, but not beyond the end of the flow.
    async fn pause(&mut self, started: Instant, wait: Duration) -> Pause {
        let Some(limit) = self.options.limit() else { return Pause::TimeIsUp };
        let left = limit.to_std().saturating_sub(started.elapsed());
        if left.is_zero() {
            tracing::error!("timed out waiting for checks to pass {limit}");
            return Pause::TimeIsUp;
        }
        let wait = wait.min(left);
        tracing::info!("waiting for {} seconds before rerunning failing checks", seconds_text(wait));
        self.observer.waiting(wait);
        tokio::select! {
            () = self.cancellation.cancelled() => Pause::Cancelled,
            () = tokio::time::sleep(wait) => Pause::Over,
        }
    }
}

/// What a connector answered. One that could not check has a failing check that says so.
fn connector_checks((connector, answer): (ConnectorName, Result<Vec<Check>, String>)) -> ConnectorChecks {
    let checks = answer.unwrap_or_else(|problem| {
        let mut check = Check::named(HANDLER_CHECK, Severity::Critical);
        check.message = Some(problem);
        vec![check]
    });
    ConnectorChecks { connector, checks }
}

/// Warns when the filter selected nothing. A prerequisite, which is always critical, is only run for a check that
/// was selected, even if that never had its turn.
fn warn_of_nothing_selected(request: &CheckRequest, results: &[ConnectorChecks]) {
    let mut checks = results.iter().flat_map(|result| &result.checks);
    if !checks.any(|check| request.filter.matches(check) || check.severity == Severity::Critical) {
        tracing::warn!("no checks were selected: compare the name, id and tag filters with the checks that exist");
    }
}

/// Whole seconds, but for times below one.
fn seconds_text(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let shown = if seconds < 1.0 { seconds } else { seconds.round() };
    shown.to_string()
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::sync::{Arc, Mutex};

    use async_trait::async_trait;
    use tracing::field::{Field, Visit};
    use tracing_subscriber::layer::{Context, Layer};

    use super::*;
    use crate::checks::CheckFilter;
    use crate::checks::table;
    use crate::connector::{Checkable, EventContext};

    fn minutes(count: i64) -> types::Duration {
        types::Duration::from_secs(count * 60)
    }

    fn options(wait: Option<types::Duration>) -> FlowOptions {
        let request = CheckRequest { filter: CheckFilter::default(), halt_on: Some(Severity::Critical) };
        FlowOptions { request, wait, delay: Delay::Expo, remedy: true, check_halting: false }
    }

    fn check(name: &str, severity: Severity, success: bool) -> Check {
        Check { success, ..Check::named(name, severity) }
    }

    fn good(name: &str) -> Check {
        check(name, Severity::Common, true)
    }

    fn bad(name: &str) -> Check {
        check(name, Severity::Common, false)
    }

    fn answer(connector: &str, checks: &[Check]) -> (ConnectorName, Result<Vec<Check>, String>) {
        (ConnectorName::new(connector), Ok(checks.to_vec()))
    }

    async fn run(options: &FlowOptions, mut pass: impl FnMut() -> CheckAnswers) -> FlowOutcome {
        run_flow(options, &CancellationToken::new(), &mut (), || ready(pass())).await
    }

    #[test]
    fn a_delay_is_expo_or_a_duration() {
        for (text, delay) in [("expo", Delay::Expo), ("1m30s", Delay::Fixed(types::Duration::from_secs(90)))] {
            assert_eq!(text.parse(), Ok(delay));
            assert_eq!(delay.to_string(), text);
        }
        let error = "soon".parse::<Delay>().unwrap_err();
        assert_eq!(error.to_string(), "invalid delay 'soon': write expo, or a duration such as 10s");
    }

    /// When passes of a servo that never gets ready begin, in seconds, and when the flow ends.
    async fn schedule(options: &FlowOptions, pass_time: Duration) -> (Vec<f64>, f64) {
        let started = Instant::now();
        let mut begun = Vec::new();
        let outcome = run_flow(options, &CancellationToken::new(), &mut (), || {
            begun.push(started.elapsed().as_secs_f64());
            async {
                tokio::time::sleep(pass_time).await;
                vec![answer("one", &[bad("a")])]
            }
        })
        .await;
        assert_eq!(outcome.readiness, Readiness::NotReady);
        (begun, started.elapsed().as_secs_f64())
    }

    #[tokio::test(start_paused = true)]
    async fn waits_double_and_the_last_one_is_cut_at_the_deadline() {
        let (begun, ended) = schedule(&options(Some(minutes(30))), Duration::ZERO).await;
        assert_eq!(begun, [0.0, 8.0, 24.0, 56.0, 120.0, 248.0, 504.0, 1016.0, 1800.0]);
        assert!((ended - 1800.0).abs() < f64::EPSILON, "{ended}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_of_a_pass_counts() {
        let (begun, ended) = schedule(&options(Some(minutes(1))), Duration::from_secs(5)).await;
        assert_eq!(begun, [0.0, 13.0, 34.0, 60.0]);
        assert!((ended - 65.0).abs() < f64::EPSILON, "{ended}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_fixed_delay_stays_as_long() {
        let fixed = FlowOptions { delay: Delay::Fixed(types::Duration::from_secs(25)), ..options(Some(minutes(1))) };
        assert_eq!(schedule(&fixed, Duration::ZERO).await.0, [0.0, 25.0, 50.0, 60.0]);
    }

    #[tokio::test(start_paused = true)]
    async fn without_time_there_is_one_pass_and_no_wait() {
        for wait in [None, Some(types::Duration::ZERO), Some(minutes(-1))] {
            assert_eq!(schedule(&options(wait), Duration::ZERO).await, (vec![0.0], 0.0), "{wait:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_pass_begins_after_the_deadline() {
        for wait in [1, 7, 8, 9, 23, 24, 100] {
            for pass_time in [0, 1, 8, 90] {
                for delay in [Delay::Expo, Delay::Fixed(types::Duration::from_secs(7))] {
                    let limit = types::Duration::from_secs(wait);
                    let options = FlowOptions { delay, ..options(Some(limit)) };
                    let (begun, ended) = schedule(&options, Duration::from_secs(pass_time)).await;
                    let last = begun.last().copied().unwrap_or_default();
                    assert!(last <= limit.as_secs_f64(), "{wait} {pass_time} {delay}: {begun:?}");
                    assert!(ended >= limit.as_secs_f64(), "{wait} {pass_time} {delay}: gave up at {ended}");
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_endless_wait_is_no_overflow() {
        let forever = types::Duration::from_micros(i128::MAX);
        let mut passes = 0;
        let outcome = run(&options(Some(forever)), || {
            passes += 1;
            vec![answer("one", &[if passes == 3 { good("a") } else { bad("a") }])]
        })
        .await;
        assert_eq!((outcome.readiness, passes), (Readiness::Ready, 3));
    }

    #[tokio::test]
    async fn tables_and_readiness_agree_on_every_combination() {
        let severities = [Severity::Warning, Severity::Common, Severity::Critical];
        let states: Vec<_> = severities.iter().flat_map(|severity| [(*severity, false), (*severity, true)]).collect();
        let count = states.len();
        for combination in 0..count.pow(4) {
            let nth = |place: u32| {
                let (severity, success) = states[combination / count.pow(place) % count];
                check(&format!("check {place}"), severity, success)
            };
            let answers = vec![answer("one", &[nth(0), nth(1)]), answer("two", &[nth(2)]), answer("three", &[nth(3)])];
            for check_halting in [false, true] {
                let options = FlowOptions { check_halting, ..options(None) };
                let outcome = run(&options, || answers.clone()).await;
                let ready = outcome.readiness == Readiness::Ready;
                assert_eq!(ready, !table::plain(&outcome.results).contains("X FAILED"), "{:?}", outcome.results);
                assert_eq!(ready, !table::verbose(&outcome.results).contains("X FAILED"), "{:?}", outcome.results);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connector_that_cannot_check_is_asked_again() {
        let mut passes = 0;
        let outcome = run(&options(Some(minutes(1))), || {
            passes += 1;
            let broken = (ConnectorName::new("two"), Err("no kubeconfig".to_owned()));
            vec![answer("one", &[good("a")]), if passes < 3 { broken } else { answer("two", &[good("b")]) }]
        })
        .await;
        assert_eq!((outcome.readiness, passes), (Readiness::Ready, 3));

        let outcome = run(&options(None), || vec![(ConnectorName::new("two"), Err("no kubeconfig".to_owned()))]).await;
        assert_eq!(outcome.readiness, Readiness::NotReady);
        assert!(table::plain(&outcome.results).contains("no kubeconfig"));
    }

    /// Succeeds, fails, or takes forever; counts its uses.
    struct Attempt(Option<Result<(), String>>, Arc<Mutex<usize>>);

    #[async_trait]
    impl Remedy for Attempt {
        async fn apply(&self) -> Result<(), String> {
            *self.1.lock().unwrap() += 1;
            match &self.0 {
                Some(result) => result.clone(),
                None => std::future::pending().await,
            }
        }
    }

    #[derive(Default)]
    struct Seen(Vec<String>);

    impl FlowObserver for Seen {
        fn pass_begun(&mut self, number: usize) {
            self.0.push(format!("pass {number}"));
        }

        fn checked(&mut self, connector: &ConnectorName, check: &Check) {
            self.0.push(format!("{connector}/{} {}", check.name, check.status()));
        }

        fn remedied(&mut self, _connector: &ConnectorName, check: &Check, result: &Result<(), String>) {
            self.0.push(format!("remedy of {} {}", check.name, result.as_ref().err().map_or("done", String::as_str)));
        }

        fn pass_ended(&mut self, results: &[ConnectorChecks]) {
            self.0.push(format!("{} connectors", results.len()));
        }

        fn waiting(&mut self, time: Duration) {
            self.0.push(format!("waiting {}", time.as_secs()));
        }
    }

    async fn seen(options: &FlowOptions, answers: CheckAnswers) -> String {
        let mut seen = Seen::default();
        run_flow(options, &CancellationToken::new(), &mut seen, || ready(answers.clone())).await;
        seen.0.join(", ")
    }

    fn remediable(name: &str, result: Option<Result<(), String>>) -> (Check, Arc<Mutex<usize>>) {
        let uses = Arc::new(Mutex::new(0));
        let remedy: Arc<dyn Remedy> = Arc::new(Attempt(result, Arc::clone(&uses)));
        (Check { remedy: Some(remedy), ..bad(name) }, uses)
    }

    #[tokio::test(start_paused = true)]
    async fn remedies_run_one_after_the_other_and_never_end_the_flow() {
        let (stuck, _) = remediable("a", None);
        let (broken, _) = remediable("b", Some(Err("no right to".to_owned())));
        let (works, _) = remediable("c", Some(Ok(())));
        let started = Instant::now();
        assert_eq!(
            seen(&options(None), vec![answer("one", &[stuck, broken]), answer("two", &[works])]).await,
            "pass 1, one/a X FAILED, remedy of a timed out after 10s, one/b X FAILED, \
             remedy of b failed: no right to, two/c X FAILED, remedy of c done, 2 connectors"
        );
        assert_eq!(started.elapsed(), REMEDY_LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn remedies_are_only_applied_when_wanted_and_needed() {
        let (failing, uses) = remediable("a", Some(Ok(())));
        let unwanted = FlowOptions { remedy: false, ..options(None) };
        seen(&unwanted, vec![answer("one", std::slice::from_ref(&failing))]).await;
        seen(&options(None), vec![answer("one", &[Check { success: true, ..failing.clone() }])]).await;
        assert_eq!(*uses.lock().unwrap(), 0);
        let warning = Check { severity: Severity::Warning, ..failing };
        seen(&options(None), vec![answer("one", &[warning])]).await;
        assert_eq!(*uses.lock().unwrap(), 1);
    }

    #[tokio::test]
    async fn check_halting_ends_a_pass_at_the_first_check_in_the_way() {
        let warning = check("b", Severity::Warning, false);
        let answers = vec![answer("one", &[good("a"), warning, bad("c"), bad("d")]), answer("two", &[good("e")])];
        let halting = FlowOptions { check_halting: true, ..options(None) };
        assert_eq!(
            seen(&halting, answers).await,
            "pass 1, one/a √ PASSED, one/b ! WARNING, one/c X FAILED, 2 connectors"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_observer_sees_every_pass_and_wait() {
        let short = options(Some(types::Duration::from_secs(10)));
        assert_eq!(
            seen(&short, vec![answer("one", &[bad("a")])]).await,
            "pass 1, one/a X FAILED, 1 connectors, waiting 8, pass 2, one/a X FAILED, 1 connectors, waiting 2, \
             pass 3, one/a X FAILED, 1 connectors"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn cancellation_ends_a_wait_a_remedy_and_a_pass() {
        let (stuck, _) = remediable("a", None);
        for (checks, cancel_after) in [(vec![bad("a")], 3), (vec![stuck], 4), (vec![good("a")], 0)] {
            let cancellation = CancellationToken::new();
            let started = Instant::now();
            let options = options(Some(minutes(30)));
            let mut nobody = ();
            let flow = run_flow(&options, &cancellation, &mut nobody, || async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                vec![answer("one", &checks)]
            });
            let cancel = async {
                tokio::time::sleep(Duration::from_secs(cancel_after)).await;
                cancellation.cancel();
            };
            let (outcome, ()) = tokio::join!(flow, cancel);
            assert_eq!(outcome.readiness, Readiness::Cancelled);
            assert_eq!(started.elapsed().as_secs(), cancel_after.max(1));
        }
    }

    #[test]
    fn a_flow_can_run_on_another_thread() {
        fn assert_send(_: impl Send) {}
        async fn checked(connector: &dyn Checkable, cx: &EventContext) -> FlowOutcome {
            let options = options(None);
            run_flow(&options, cx.cancellation(), &mut (), || async {
                let answer = connector.check(cx, &options.request).await.map_err(|error| error.chain());
                vec![(cx.connector().clone(), answer)]
            })
            .await
        }
        let _ = |connector: &dyn Checkable, cx: &EventContext| assert_send(checked(connector, cx));
    }

    /// Keeps the text of what is logged, with its level.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<String>>>);

    impl<S: tracing::Subscriber> Layer<S> for Log {
        fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
            struct Message(String);
            impl Visit for Message {
                fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
                    if field.name() == "message" {
                        self.0 = format!("{value:?}");
                    }
                }
            }
            let mut message = Message(String::new());
            event.record(&mut message);
            self.0.lock().unwrap().push(format!("{} {}", event.metadata().level(), message.0));
        }
    }

    async fn log(options: &FlowOptions, pass: impl FnMut() -> CheckAnswers) -> Vec<String> {
        let log = Log::default();
        let guard = crate::logging::listen(log.clone());
        run(options, pass).await;
        drop(guard);
        std::mem::take(&mut log.0.lock().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_passing_check_is_logged_once_per_connector_until_it_fails() {
        let mut passes = 0;
        let lines = log(&options(Some(minutes(2))), || {
            passes += 1;
            let hint = Some("look".to_owned());
            let message = Some("no answer".to_owned());
            let second = if passes == 2 { Check { message, hint, ..bad("a") } } else { good("a") };
            let last = check("w", if passes < 3 { Severity::Critical } else { Severity::Warning }, false);
            vec![answer("one", &[good("a")]), answer("two", &[second, last])]
        })
        .await;
        let expected = [
            "INFO Running checks for up to 2m with a delay of expo between iterations",
            "INFO ✅ Check 'a' passed",
            "INFO ✅ Check 'a' passed",
            "WARN ❌ Check 'w' failed (2 passed)",
            "INFO waiting for 8 seconds before rerunning failing checks",
            "WARN ❌ Check 'a' failed (1 passed): no answer",
            "INFO Hint: look",
            "WARN ❌ Check 'w' failed (1 passed)",
            "INFO waiting for 16 seconds before rerunning failing checks",
            "INFO ✅ Check 'a' passed",
            "WARN ❗ Check 'w' failed as a warning (2 passed)",
            "INFO 🔥 All checks passed.",
        ];
        assert_eq!(lines, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn running_out_of_time_is_logged() {
        let lines = log(&options(Some(types::Duration::from_secs(1))), || vec![answer("one", &[bad("a")])]).await;
        assert_eq!(lines.last().map(String::as_str), Some("ERROR timed out waiting for checks to pass 1s"));
    }

    #[tokio::test]
    async fn a_filter_that_selects_nothing_is_warned_about() {
        let filter = CheckFilter::only_id("wanted");
        let wanted = Check { id: "wanted".to_owned(), ..good("a") };
        let prerequisite = check("c", Severity::Critical, false);
        for (filter, checks, warned) in [
            (filter.clone(), vec![good("own")], true),
            (filter.clone(), vec![wanted, good("own")], false),
            (filter, vec![prerequisite, good("own")], false),
            (CheckFilter::default(), vec![good("own")], false),
            (CheckFilter::default(), vec![], true),
        ] {
            let mut options = options(None);
            options.request.filter = filter;
            let lines = log(&options, || vec![answer("one", &checks)]).await;
            assert_eq!(lines.iter().any(|line| line.starts_with("WARN no checks")), warned, "{checks:?} {lines:?}");
        }
    }
}
