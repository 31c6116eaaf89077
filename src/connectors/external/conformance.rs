//! Whether an executable keeps to the protocol, point by point: what `servo connector test` runs for its author.
//!
//! Every event that the executable announces is asked of it as a servo asks. Adjusting gives every setting the value
//! that it has already. A point that cannot be reached, as an earlier one failed, is skipped and says so.

mod events;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use super::config::ExternalConfig;
use super::connector::CONFIGURE_LIMIT;
use super::discovery::Found;
use super::handshake::{GreetingError, Handshake, greeting};
use super::protocol::{METHOD_NOT_FOUND, RemoteError};
use super::session::{Fault, Request, Session};
use crate::causes::chain;
use crate::connector::{ConnectorName, Section};
use crate::decode::{Decoder, NoVariables, Node, Origin};

/// How long an answer to a method that does not exist may take.
const UNKNOWN_LIMIT: Duration = Duration::from_secs(5);

/// A rule of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    pub id: &'static str,
    pub text: &'static str,
}

macro_rules! rules {
    ($($name:ident, $id:literal, $text:literal;)*) => {
        $(const $name: Rule = Rule { id: $id, text: $text };)*

        /// All rules, in the order in which they are judged.
        pub const RULES: &[Rule] = &[$($name),*];
    };
}

rules! {
    START, "start", "it is an executable that starts";
    INITIALIZE, "initialize", "it answers initialize within 10 s";
    PROTOCOL, "protocol", "it speaks version 1 of the protocol";
    METADATA, "metadata", "it says its version, and other facts as text";
    SCHEMA, "schema", "its schema is that of a mapping, in the part of JSON Schema that servo knows";
    SAMPLE, "sample", "its sample is a mapping";
    CAPABILITIES, "capabilities", "it can do something, and nothing that there is not";
    TIMEOUTS, "timeouts", "its timeouts are seconds by event";
    CONFIGURATION, "configuration", "the configuration keeps to its schema";
    CONFIGURE, "configure", "it takes its configuration";
    UNKNOWN_METHOD, "unknown-method", "it answers a method that it does not know by the error -32601";
    DESCRIBE, "describe", "it describes components and metrics";
    METRICS, "metrics", "it lists metrics";
    COMPONENTS, "components", "it lists components";
    CHECK, "check", "it runs checks, each with an id of its own";
    MEASURE, "measure", "it measures, and nothing but metrics that it has named";
    ADJUST, "adjust", "it adjusts: every setting to the value that it has";
    HOOKS, "hooks", "it answers the events before and after which it wants to be asked";
    CANCEL, "cancel", "it answers a cancelled request within 10 s, by the status cancelled";
    MESSAGES, "messages", "it writes messages of JSON-RPC to standard output, one a line, and nothing else";
    ANSWERS, "answers", "it answers the request that is open, and once";
    ALIVE, "alive", "it runs until it is asked to end";
    SECRETS, "secrets", "it writes no secret of its configuration to standard error";
    SHUTDOWN, "shutdown", "it answers shutdown and exits with status 0, each within 5 s";
    END_OF_INPUT, "end-of-input", "it exits within 5 s when its standard input ends";
}

/// How a rule was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Kept,
    /// It was not, and why.
    Broken(String),
    /// It was not looked at, and why.
    Skipped(String),
}

/// A rule with its verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Point {
    pub rule: Rule,
    pub verdict: Verdict,
}

/// Judges an executable with this configuration, or with its sample.
pub(crate) async fn judge(
    program: PathBuf,
    configuration: Option<Node>,
    cancellation: &CancellationToken,
) -> Vec<Point> {
    let found = Found::at(&program);
    let mut judge = Judge { found, points: Vec::new(), cancellation };
    judge.run(configuration).await;
    // What was not reached is skipped, in the order of the rules.
    let verdict =
        |rule: &Rule| judge.points.iter().find(|point| point.rule == *rule).map(|point| point.verdict.clone());
    let skipped = || Verdict::Skipped("an earlier point failed".to_owned());
    RULES.iter().map(|rule| Point { rule: *rule, verdict: verdict(rule).unwrap_or_else(skipped) }).collect()
}

/// The trial of one executable.
struct Judge<'a> {
    found: Found,
    points: Vec<Point>,
    cancellation: &'a CancellationToken,
}

/// Nothing more can be asked of the executable.
struct Over;

/// What a point needs: something to show for it, or what is wrong.
type Asked<T> = Result<T, String>;

impl Judge<'_> {
    async fn run(&mut self, configuration: Option<Node>) {
        // An interrupt drops the session, which kills what has been started.
        let cancellation = self.cancellation.clone();
        let trial = async {
            self.points.clear();
            self.trial(configuration).await;
        };
        tokio::select! {
            () = cancellation.cancelled() => {}
            () = trial => {}
        }
    }

    async fn trial(&mut self, configuration: Option<Node>) {
        let Some((handshake, config)) = self.meet(configuration).await else { return };
        let secrets = handshake.schema.secrets(config.exposed());
        // Without the secrets: what it writes is to be looked at as it is.
        let Ok(mut session) = Session::start(&self.found.program, &self.found.type_name, BTreeSet::new()) else {
            return;
        };
        let asked = self.ask_everything(&mut session, &handshake, &config).await;
        let leaked = secrets.iter().any(|secret| session.stderr().contains(secret.as_str()));
        self.point(SECRETS, if leaked { Err("one was found there".to_owned()) } else { Ok(()) });
        if asked.is_ok() {
            for rule in [MESSAGES, ANSWERS, ALIVE] {
                self.point(rule, Ok(()));
            }
            self.shut_down(&mut session).await;
        }
        session.end().await;
        self.end_of_input().await;
    }

    /// What the executable says of itself, and the configuration for it.
    async fn meet(&mut self, configuration: Option<Node>) -> Option<(Handshake, ExternalConfig)> {
        let mut session = match Session::start(&self.found.program, &self.found.type_name, BTreeSet::new()) {
            Ok(session) => session,
            Err(fault) => {
                self.point(START, Err(chain(&fault)));
                return None;
            }
        };
        self.point(START, Ok(()));
        let greeted = greeting(&mut session).await;
        session.end().await;
        let answer = match greeted {
            Ok(answer) => answer,
            Err(GreetingError::Fault(fault)) => {
                self.fault(INITIALIZE, &fault);
                return None;
            }
            Err(error) => {
                self.point(INITIALIZE, Err(chain(&error)));
                return None;
            }
        };
        self.point(INITIALIZE, Ok(()));
        let handshake = self.handshake(&answer)?;
        let config = self.configuration(&handshake, configuration)?;
        Some((handshake, config))
    }

    fn handshake(&mut self, answer: &Json) -> Option<Handshake> {
        let parts = [PROTOCOL, METADATA, SCHEMA, SAMPLE, CAPABILITIES, TIMEOUTS];
        match Handshake::read(answer, &self.found.type_name) {
            Ok(handshake) => {
                for rule in parts {
                    self.point(rule, Ok(()));
                }
                Some(handshake)
            }
            Err(wrong) => {
                // Parts are read in their order: those before the wrong one are right.
                for rule in parts {
                    if rule.id == wrong.part {
                        self.point(rule, Err(wrong.to_string()));
                        break;
                    }
                    self.point(rule, Ok(()));
                }
                None
            }
        }
    }

    fn configuration(&mut self, handshake: &Handshake, given: Option<Node>) -> Option<ExternalConfig> {
        let node = given.unwrap_or_else(|| Node::from_json(&handshake.sample(), &Origin::whole("sample")));
        let name = ConnectorName::new(self.found.type_name.as_str());
        let section = Section { name: &name, node: &node, prefix: "" };
        match Decoder::run(&NoVariables, |cx| ExternalConfig::parse(&handshake.schema, section, cx)) {
            Ok(config) => {
                self.point(CONFIGURATION, Ok(()));
                Some(config)
            }
            Err(problems) => {
                self.point(CONFIGURATION, Err(problems.to_string()));
                None
            }
        }
    }

    /// Asks for everything that the executable announces, in one session.
    async fn ask_everything(
        &mut self,
        session: &mut Session,
        handshake: &Handshake,
        config: &ExternalConfig,
    ) -> Result<(), Over> {
        if let Err(GreetingError::Fault(fault)) = greeting(session).await {
            self.fault(INITIALIZE, &fault);
            return Err(Over);
        }
        let params = json!({ "name": self.found.type_name, "config": config.exposed(), "optimizer": null });
        let answer = self.call(CONFIGURE, session, "configure", &params, CONFIGURE_LIMIT).await?;
        let refused = answer.map(drop).map_err(|error| error.message);
        let accepted = refused.is_ok();
        self.point(CONFIGURE, refused);
        if !accepted {
            return Err(Over);
        }
        self.unknown_method(session).await?;
        self.events(session, handshake).await
    }

    async fn unknown_method(&mut self, session: &mut Session) -> Result<(), Over> {
        let answer = self.call(UNKNOWN_METHOD, session, "nosuchmethod", &json!({}), UNKNOWN_LIMIT).await?;
        self.point(
            UNKNOWN_METHOD,
            match answer {
                Err(error) if error.code == METHOD_NOT_FOUND => Ok(()),
                Err(error) => Err(format!("the code is {}", error.code)),
                Ok(_) => Err("it answered by a result".to_owned()),
            },
        );
        Ok(())
    }

    async fn shut_down(&mut self, session: &mut Session) {
        match session.shut_down().await {
            Ok(Some(status)) if status.is_success() => self.point(SHUTDOWN, Ok(())),
            Ok(Some(status)) => self.point(SHUTDOWN, Err(format!("it exited with {status}"))),
            Ok(None) => self.point(SHUTDOWN, Err("it did not exit within 5 s of its answer".to_owned())),
            Err(fault) => self.fault(SHUTDOWN, &fault),
        }
    }

    async fn end_of_input(&mut self) {
        let Ok(mut session) = Session::start(&self.found.program, &self.found.type_name, BTreeSet::new()) else {
            return;
        };
        // One that has been greeted is up, and reads.
        if greeting(&mut session).await.is_ok() {
            let exits = session.hang_up().await;
            self.point(END_OF_INPUT, if exits { Ok(()) } else { Err("it did not exit".to_owned()) });
        }
        session.end().await;
    }

    /// Asks, and makes a fault the point of the rule that it breaks. Without an answer the rule at hand is broken too,
    /// or nobody knows.
    async fn call(
        &mut self,
        rule: Rule,
        session: &mut Session,
        method: &str,
        params: &Json,
        limit: Duration,
    ) -> Result<Result<Json, RemoteError>, Over> {
        self.call_until(rule, session, Request { method, params, limit, cancellation: &CancellationToken::new() }).await
    }

    async fn call_until(
        &mut self,
        rule: Rule,
        session: &mut Session,
        request: Request<'_>,
    ) -> Result<Result<Json, RemoteError>, Over> {
        match session.call(request, |_, _| {}).await {
            Ok(answer) => Ok(answer),
            Err(fault) => {
                self.fault(rule, &fault);
                Err(Over)
            }
        }
    }

    /// A fault in the middle of what a rule asks for.
    fn fault(&mut self, rule: Rule, fault: &Fault) {
        let broken = match fault {
            Fault::Start(..) => START,
            Fault::Malformed { .. } | Fault::TooLong => MESSAGES,
            Fault::Unasked { .. } => ANSWERS,
            Fault::Exited { .. } => ALIVE,
            Fault::TimedOut { .. } | Fault::NotCancelled { .. } => rule,
        };
        self.point(broken, Err(chain(fault)));
    }

    fn point(&mut self, rule: Rule, kept: Asked<()>) {
        let verdict = kept.map_or_else(Verdict::Broken, |()| Verdict::Kept);
        self.verdict(rule, verdict);
    }

    /// The first verdict that is not good stays.
    fn verdict(&mut self, rule: Rule, verdict: Verdict) {
        match self.points.iter_mut().find(|point| point.rule == rule) {
            Some(point) if point.verdict == Verdict::Kept => point.verdict = verdict,
            Some(_) => {}
            None => self.points.push(Point { rule, verdict }),
        }
    }
}
