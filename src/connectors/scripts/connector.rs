//! The connector: hooks that run the commands of their event.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use super::METADATA;
use super::config::ScriptsConfig;
use crate::connector::{
    Connector, ConnectorName, Event, EventContext, EventError, Hooks, Lifecycle, Metadata, Outcome, Phase,
};
use crate::subprocess::{self, Command, Limits, Line, Source, SubprocessError};
use crate::types::Duration;

pub(super) struct ScriptsConnector {
    name: ConnectorName,
    config: ScriptsConfig,
    /// Scripts belong to a servo that runs: a single event from the command line has none.
    started: AtomicBool,
}

impl ScriptsConnector {
    pub(super) fn new(name: ConnectorName, config: ScriptsConfig) -> Self {
        Self { name, config, started: AtomicBool::new(false) }
    }

    /// Whether there is a script of this event.
    fn has_scripts(&self, phase: Phase, event: Event) -> bool {
        self.config.scripts(phase).iter().any(|script| script.event == event)
    }

    /// Runs the commands of an event, one after the other. What becomes of a command is logged and decides nothing.
    async fn run(&self, cx: &EventContext, phase: Phase, event: Event) -> Result<(), EventError> {
        let scripts = self.config.scripts(phase).iter().filter(|script| script.event == event);
        for command in scripts.flat_map(|script| &script.commands) {
            run_command(cx, command, self.config.timeout(event)).await?;
        }
        Ok(())
    }
}

async fn run_command(cx: &EventContext, command: &str, timeout: Duration) -> Result<(), EventError> {
    tracing::info!(command, "running a script");
    let limits = Limits { timeout: Some(timeout.to_std()), cancellation: cx.cancellation() };
    match subprocess::run(Command::shell(command), limits, |line| log_output(&line)).await {
        Ok(finished) => {
            let (status, duration) = (finished.status(), Duration::from_std(finished.duration));
            if status.is_success() {
                tracing::info!(success = true, command, %duration, "script succeeded");
            } else {
                tracing::error!(command, %status, %duration, "script failed");
            }
        }
        Err(SubprocessError::Cancelled) => return Err(cx.cancelled().await),
        Err(error) => tracing::error!(command, error = &error as &(dyn Error + 'static), "script failed"),
    }
    Ok(())
}

fn log_output(line: &Line) {
    match line.source {
        Source::Stdout => tracing::debug!(stdout = line.text, "script wrote a line"),
        Source::Stderr => tracing::debug!(stderr = line.text, "script wrote a line"),
    }
}

impl Connector for ScriptsConnector {
    fn name(&self) -> &ConnectorName {
        &self.name
    }

    fn metadata(&self) -> &Metadata {
        &METADATA
    }

    fn as_lifecycle(&self) -> Option<&dyn Lifecycle> {
        Some(self)
    }

    fn as_hooks(&self) -> Option<&dyn Hooks> {
        Some(self)
    }
}

#[async_trait]
impl Lifecycle for ScriptsConnector {
    async fn startup(&self, _cx: &EventContext) -> Result<(), EventError> {
        if Phase::ALL.into_iter().any(|phase| self.has_scripts(phase, Event::Startup)) {
            tracing::warn!("scripts of startup are never run: this event makes the others ready");
        }
        self.started.store(true, Ordering::Relaxed);
        Ok(())
    }
}

#[async_trait]
impl Hooks for ScriptsConnector {
    fn hooks(&self) -> Vec<(Phase, Event)> {
        if !self.started.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let events = Event::ALL.into_iter().filter(|event| *event != Event::Startup);
        let hooks = events.flat_map(|event| Phase::ALL.map(|phase| (phase, event)));
        hooks.filter(|(phase, event)| self.has_scripts(*phase, *event)).collect()
    }

    async fn before(&self, cx: &EventContext, event: Event) -> Result<(), EventError> {
        self.run(cx, Phase::Before, event).await
    }

    async fn on(&self, cx: &EventContext, event: Event) -> Result<(), EventError> {
        self.run(cx, Phase::On, event).await
    }

    async fn after(&self, cx: &EventContext, event: Event, _outcome: &Outcome<'_>) -> Result<(), EventError> {
        self.run(cx, Phase::After, event).await
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::{Debug, Write};
    use std::path::Path;
    use std::sync::{Arc, Mutex};
    use std::time::Duration as Span;

    use rustix::process::{Pid, test_kill_process};
    use serde_json::json;
    use tokio_util::sync::CancellationToken;
    use tracing::field::{Field, Visit};
    use tracing_subscriber::layer::{Context, Layer};

    use super::*;
    use crate::connector::{ErrorKind, EventContextText, ProgressSender, Section};
    use crate::decode::{Decoder, NoVariables, Node, Origin};

    fn connector(section: &serde_json::Value) -> ScriptsConnector {
        let node = Node::from_json(section, &Origin::whole("test"));
        let name = ConnectorName::new("scripts");
        let section = Section { name: &name, node: &node, prefix: "SERVO_SCRIPTS_" };
        let config = Decoder::run(&NoVariables, |cx| section.keys::<ScriptsConfig>(cx)).expect("a valid section");
        ScriptsConnector::new(name.clone(), config)
    }

    fn context(phase: Phase, event: Event, cancellation: &CancellationToken) -> EventContext {
        let text = EventContextText(phase, event);
        let progress = ProgressSender::default();
        EventContext::new(ConnectorName::new("scripts"), text, Arc::default(), progress, cancellation.clone())
    }

    async fn start(connector: &ScriptsConnector) {
        let cx = context(Phase::On, Event::Startup, &CancellationToken::new());
        connector.startup(&cx).await.expect("nothing can fail");
    }

    /// Runs a phase of `measure` as a servo does.
    async fn measure(
        connector: &ScriptsConnector,
        phase: Phase,
        cancellation: &CancellationToken,
    ) -> Result<(), EventError> {
        let cx = context(phase, Event::Measure, cancellation);
        match phase {
            Phase::Before => connector.before(&cx, Event::Measure).await,
            Phase::On => connector.on(&cx, Event::Measure).await,
            Phase::After => connector.after(&cx, Event::Measure, &Outcome::Measurements(&[])).await,
        }
    }

    fn lines(file: &Path) -> Vec<String> {
        std::fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn hooks_are_those_of_the_scripts_once_the_servo_has_started() {
        let scripts = connector(&json!({
            "before": { "measure": ["a"], "before:measure": ["b"], "startup": ["c"] },
            "on": { "detach": ["d"], "startup": ["e"], "promote": ["f"] },
            "after": { "describe": ["g"] },
        }));
        let other = connector(&json!({ "on": { "check": ["a"] } }));
        assert_eq!(scripts.hooks(), []);
        start(&scripts).await;
        start(&scripts).await;
        let expected = [
            (Phase::On, Event::Detach),
            (Phase::Before, Event::Measure),
            (Phase::After, Event::Describe),
            (Phase::On, Event::Promote),
        ];
        assert_eq!(scripts.hooks(), expected);
        assert_eq!(other.hooks(), []);
    }

    #[tokio::test]
    async fn a_command_that_takes_too_long_is_ended_and_the_next_one_runs() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("file");
        let commands = json!(["sleep 600", format!("echo b >> {}", file.display())]);
        let scripts = connector(&json!({ "before": { "measure": commands }, "timeout": "100ms" }));
        let begun = std::time::SystemTime::now();
        measure(&scripts, Phase::Before, &CancellationToken::new()).await.expect("failures decide nothing");
        assert_eq!(lines(&file), ["b"]);
        assert!(begun.elapsed().expect("a clock").as_secs() < 60);
    }

    #[test]
    fn a_stop_is_not_held_up_by_its_scripts() {
        let scripts = connector(&json!({})).config;
        assert_eq!(scripts.timeout(Event::Shutdown), Duration::from_secs(10));
        assert_eq!(scripts.timeout(Event::Measure), Duration::from_secs(3600));
    }

    #[tokio::test]
    async fn the_commands_of_an_event_run_in_order_and_failures_decide_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("file");
        let write = |text: &str| format!("echo {text} >> {}", file.display());
        let scripts = connector(&json!({
            "before": {
                "measure": [format!("sleep 0.1; {}", write("1")), "exit 3", "no-such-program-anywhere", write("2")],
                "adjust": [write("of another event")],
                "on:measure": [write("3")],
            },
            "on": { "measure": [write("4")] },
            "after": { "measure": [format!("x=5\n{}", write("$x"))] },
        }));
        let never = CancellationToken::new();
        for phase in Phase::ALL {
            measure(&scripts, phase, &never).await.expect("scripts fail no event");
        }
        assert_eq!(lines(&file), ["1", "2", "3", "4", "5"]);
    }

    #[tokio::test]
    async fn cancellation_ends_all_processes_of_a_command_and_skips_the_rest() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("file");
        let scripts = connector(&json!({ "before": { "measure": [
            format!("sleep 1000 & echo $! > {}; sleep 1000", file.display()),
            format!("echo unreached > {}", file.display()),
        ] } }));
        let cancellation = CancellationToken::new();
        let begun = async {
            while lines(&file).is_empty() {
                tokio::time::sleep(Span::from_millis(5)).await;
            }
            cancellation.cancel();
        };
        let both = async { tokio::join!(measure(&scripts, Phase::Before, &cancellation), begun) };
        let (result, ()) = tokio::time::timeout(Span::from_secs(5), both).await.expect("ends within the bound");
        assert_eq!(result.expect_err("cancelled").kind(), ErrorKind::Cancelled);
        let background = lines(&file)[0].parse().ok().and_then(Pid::from_raw).expect("a process number");
        let stat = std::fs::read_to_string(format!("/proc/{background}/stat")).unwrap_or_default();
        assert!(test_kill_process(background).is_err() || stat.contains(") Z "), "{stat}");
    }

    /// Keeps level and fields of what is logged.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<String>>>);

    struct Fields(String);

    impl Visit for Fields {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            // The time that a command takes differs.
            if field.name() != "duration" {
                write!(self.0, " {}={value:?}", field.name()).expect("a text takes everything");
            }
        }
    }

    impl<S: tracing::Subscriber> Layer<S> for Log {
        fn on_event(&self, event: &tracing::Event<'_>, _cx: Context<'_, S>) {
            if event.metadata().target().starts_with(module_path!().trim_end_matches("::tests")) {
                let mut fields = Fields(event.metadata().level().to_string());
                event.record(&mut fields);
                self.0.lock().expect("nobody panics").push(fields.0);
            }
        }
    }

    #[tokio::test]
    async fn output_is_logged_at_debug_level_between_beginning_and_end() {
        let log = Log::default();
        let guard = crate::logging::listen(log.clone());
        let scripts = connector(&json!({ "on": { "measure": ["echo one", "echo two >&2; exit 7"] } }));
        measure(&scripts, Phase::On, &CancellationToken::new()).await.expect("scripts fail no event");
        drop(guard);
        let expected = [
            r#"INFO message=running a script command="echo one""#,
            r#"DEBUG message=script wrote a line stdout="one""#,
            r#"INFO message=script succeeded success=true command="echo one""#,
            r#"INFO message=running a script command="echo two >&2; exit 7""#,
            r#"DEBUG message=script wrote a line stderr="two""#,
            r#"ERROR message=script failed command="echo two >&2; exit 7" status=7"#,
        ];
        assert_eq!(*log.0.lock().expect("nobody panics"), expected);
    }
}
