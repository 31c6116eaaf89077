//! A running agent with the optimizer that gives it commands.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::support::agent::Agent;
use crate::support::cluster::BOUND;
use crate::support::http_server::{HttpServer, Reply, Request};
use crate::workload::Section;

/// The agent under an optimizer that gives the commands of a test, one after the other.
pub(super) struct Session {
    server: HttpServer,
    commands: Arc<Mutex<VecDeque<Value>>>,
    /// When an adjustment was given last, and when one was answered.
    turns: Arc<Mutex<(Option<Instant>, Option<Instant>)>>,
    pub(super) agent: Agent,
}

impl Session {
    pub(super) async fn start(section: &Section) -> Self {
        Self::start_with(section, &[]).await
    }

    /// Starts the agent with these environment variables.
    pub(super) async fn start_with(section: &Section, env: &[(&str, &str)]) -> Self {
        Self::start_configured(&section.text(), env).await
    }

    /// Starts the agent with the sections of its connectors, as YAML, and these environment variables.
    pub(super) async fn start_configured(sections: &str, env: &[(&str, &str)]) -> Self {
        let commands = Arc::<Mutex<VecDeque<Value>>>::default();
        let turns = Arc::<Mutex<(Option<Instant>, Option<Instant>)>>::default();
        let (given, noted) = (Arc::clone(&commands), Arc::clone(&turns));
        let server = HttpServer::start(move |request| {
            if is_completion(request, "ADJUSTMENT") {
                noted.lock().unwrap().1 = Some(Instant::now());
            }
            if request.event() != "WHATS_NEXT" {
                return Reply::ok();
            }
            let idle = || json!({"cmd": "SLEEP", "param": {"duration": 0.1, "data": {"reason": "idle"}}});
            let command = given.lock().unwrap().pop_front().unwrap_or_else(idle);
            if command["cmd"] == "ADJUST" {
                *noted.lock().unwrap() = (Some(Instant::now()), None);
            }
            Reply::Json(200, command)
        })
        .await;
        let agent = Agent::start(&with_optimizer(&server, sections), &["run"], env);
        Self { server, commands, turns, agent }
    }

    /// From the moment when the last adjustment was given to the one when it was answered.
    pub(super) fn last_adjustment(&self) -> Duration {
        let (given, answered) = *self.turns.lock().unwrap();
        answered.unwrap() - given.unwrap()
    }

    /// Gives an adjustment of components, such as `{"main": {"cpu": 0.1}}`, without awaiting what becomes of it.
    pub(super) fn begin_adjustment(&self, components: &Value) {
        let mut wanted = json!({});
        for (component, settings) in components.as_object().unwrap() {
            for (setting, value) in settings.as_object().unwrap() {
                wanted[component]["settings"][setting] = json!({"value": value});
            }
        }
        let state = json!({"application": {"components": wanted}});
        self.commands.lock().unwrap().push_back(json!({"cmd": "ADJUST", "param": {"state": state, "control": {}}}));
    }

    /// What the agent answers to an adjustment.
    pub(super) async fn adjust(&self, components: &Value) -> Value {
        let before = self.completions("ADJUSTMENT").len();
        self.begin_adjustment(components);
        self.completion("ADJUSTMENT", before).await
    }

    /// The components that the agent describes.
    pub(super) async fn describe(&self) -> Value {
        let before = self.completions("DESCRIPTION").len();
        self.commands.lock().unwrap().push_back(json!({"cmd": "DESCRIBE", "param": {}}));
        let description = self.completion("DESCRIPTION", before).await;
        assert_eq!(description["status"], "ok", "{description:#}");
        description["descriptor"]["application"]["components"].clone()
    }

    /// The metrics that a measurement has; the agent has BOUND more than that takes.
    pub(super) async fn measure(&self, seconds: u64) -> Value {
        let before = self.completions("MEASUREMENT").len();
        let control = json!({"duration": seconds});
        let command = json!({"cmd": "MEASURE", "param": {"metrics": {}, "control": control}});
        self.commands.lock().unwrap().push_back(command);
        let answer = self.completion_within("MEASUREMENT", before, BOUND + Duration::from_secs(seconds)).await;
        assert!(answer.get("status").is_none(), "{answer:#}");
        answer["metrics"].clone()
    }

    /// Waits for what is answered after this many answers to an event.
    pub(super) async fn completion(&self, event: &str, before: usize) -> Value {
        self.completion_within(event, before, BOUND).await
    }

    async fn completion_within(&self, event: &str, before: usize, bound: Duration) -> Value {
        let end = Instant::now() + bound;
        loop {
            if let Some(completion) = self.completions(event).into_iter().nth(before) {
                return completion;
            }
            assert!(Instant::now() < end, "{event} was not answered:\n{}", self.agent.log());
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub(super) fn is_answered(&self, event: &str) -> bool {
        !self.completions(event).is_empty()
    }

    /// Answers to commands, without the reports of their progress.
    fn completions(&self, event: &str) -> Vec<Value> {
        self.server.requests().iter().filter(|request| is_completion(request, event)).map(Request::param).collect()
    }

    /// Ends the agent as a cluster does.
    pub(super) async fn stop(mut self) {
        self.agent.signal(Signal::TERM);
        let status = self.agent.exit().await;
        assert_eq!(status.code(), Some(0), "{}", self.agent.log());
    }

    /// Ends the agent without a chance to clean up.
    pub(super) async fn kill(mut self) {
        self.agent.signal(Signal::KILL);
        self.agent.exit().await;
    }
}

fn is_completion(request: &Request, event: &str) -> bool {
    // What was measured has no status.
    let param = request.param();
    request.event() == event && (param.get("status").is_some() || param.get("metrics").is_some())
}

/// The configuration of a servo with this connector.
pub(super) fn configuration(optimizer: &HttpServer, section: &Section) -> String {
    with_optimizer(optimizer, &section.text())
}

/// The configuration of a servo with the sections of its connectors, as YAML.
pub(super) fn with_optimizer(optimizer: &HttpServer, sections: &str) -> String {
    let id = "{id: dev.opsani.com/app, token: s3cr3t, base_url:";
    format!("optimizer: {id} '{}'}}\n{sections}", optimizer.url())
}
