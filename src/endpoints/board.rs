//! How the servos of a run are: counted and noted as things happen, read when somebody asks.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Source;
use crate::runner::{Ending, Observer, RunEvent};
use crate::types::{Instruction, Operation, UnixTime};

/// The upper bounds of the durations that are told apart, in seconds.
pub(super) const BUCKETS: [f64; 12] = [0.1, 1.0, 5.0, 15.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0];

/// How many reasons of failures of a servo are told apart; connectors of other people may invent any number.
const MOST_REASONS: usize = 32;

const OTHER_REASON: &str = "other";

/// What stands for a failure without a reason.
const NO_REASON: &str = "none";

/// The longest reason that is kept, in characters.
const LONGEST_REASON: usize = 64;

/// All servos of a run.
pub(super) struct Board(Vec<Servo>);

/// A servo, and how it is.
pub(super) struct Servo {
    pub(super) source: Source,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) phase: Phase,
    /// Whether the last thing that was said to the optimizer was not answered.
    unanswered: bool,
    pub(super) last_contact: Option<UnixTime>,
    pub(super) received: BTreeMap<&'static str, u64>,
    pub(super) durations: BTreeMap<(&'static str, Ending), Durations>,
    /// By command, ending and reason.
    pub(super) failures: BTreeMap<(&'static str, Ending, String), u64>,
    /// Requests to the optimizer that were given up, by kind.
    pub(super) unanswered_by_kind: BTreeMap<&'static str, u64>,
}

/// How far a servo has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Phase {
    #[default]
    Preparing,
    Connecting,
    Connected,
    Stopping,
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Durations {
    /// How many were up to each of [`BUCKETS`], but above the one before.
    pub(super) buckets: [u64; BUCKETS.len()],
    pub(super) count: u64,
    pub(super) sum: f64,
}

impl Durations {
    fn add(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        if let Some(index) = BUCKETS.iter().position(|bound| seconds <= *bound) {
            self.buckets[index] += 1;
        }
        self.count += 1;
        self.sum += seconds;
    }
}

impl Board {
    pub(super) fn new(servos: Vec<Source>) -> Self {
        Self(servos.into_iter().map(|source| Servo { source, state: Mutex::default() }).collect())
    }

    pub(super) fn servos(&self) -> &[Servo] {
        &self.0
    }

    pub(super) fn prepared(&self) {
        for servo in &self.0 {
            servo.state().phase = Phase::Connecting;
        }
    }

    /// Whether any servo goes on.
    pub(super) fn health(&self) -> Result<String, String> {
        if self.0.iter().any(|servo| servo.state().phase != Phase::Ended) {
            return Ok("ok\n".to_owned());
        }
        Err("every servo has ended\n".to_owned())
    }

    /// Whether every servo is ready: a line for each.
    pub(super) fn readiness(&self) -> Result<String, String> {
        let mut is_ready = true;
        let mut lines = String::new();
        for servo in &self.0 {
            let hindrance = servo.hindrance();
            is_ready &= hindrance.is_none();
            // Writing to a string cannot fail.
            writeln!(lines, "{}: {}", servo.source.name, hindrance.as_deref().unwrap_or("ready")).ok();
        }
        if is_ready { Ok(lines) } else { Err(lines) }
    }
}

impl Servo {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Every step leaves the state whole, so a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the servo is not ready.
    pub(super) fn hindrance(&self) -> Option<String> {
        let retries = self.source.optimizer.as_ref().map(|optimizer| optimizer.retries()).unwrap_or_default();
        let state = self.state();
        let hindrance = match state.phase {
            Phase::Preparing => "not prepared yet: its checks have not passed",
            Phase::Connecting => "the optimizer has not answered yet",
            Phase::Connected if retries.in_a_row > 0 => {
                return Some(format!("the optimizer does not answer, after {} retries", retries.in_a_row));
            }
            Phase::Connected if state.unanswered => "the optimizer did not answer",
            Phase::Connected => return None,
            Phase::Stopping => "stopping",
            Phase::Ended => "has ended",
        };
        Some(hindrance.to_owned())
    }
}

impl Observer for Board {
    fn observe(&self, servo: &str, event: &RunEvent<'_>) {
        for servo in self.0.iter().filter(|known| known.source.name == servo) {
            servo.state().note(event);
        }
    }
}

impl State {
    fn note(&mut self, event: &RunEvent<'_>) {
        match event {
            RunEvent::Answered => {
                self.unanswered = false;
                self.last_contact = Some(UnixTime::now());
            }
            RunEvent::Unanswered(error) => {
                self.unanswered = true;
                *self.unanswered_by_kind.entry(error.word()).or_default() += 1;
            }
            RunEvent::Connected => self.phase = Phase::Connected,
            RunEvent::Received(instruction) => {
                let command = match instruction {
                    Instruction::Perform(task) => command(task.operation()),
                    Instruction::Malformed { operation, .. } => command(*operation),
                    Instruction::Sleep { .. } => "sleep",
                };
                *self.received.entry(command).or_default() += 1;
            }
            RunEvent::Finished { operation, ending, reason, took } => {
                let command = command(*operation);
                self.durations.entry((command, *ending)).or_default().add(*took);
                if !matches!(ending, Ending::Ok | Ending::Stopped) {
                    let reason = self.bounded(reason.unwrap_or(NO_REASON));
                    *self.failures.entry((command, *ending, reason)).or_default() += 1;
                }
            }
            RunEvent::Stopping => self.phase = Phase::Stopping,
            RunEvent::Ended => self.phase = Phase::Ended,
        }
    }

    /// The reason, or another word when there are too many different ones or it is too long.
    fn bounded(&self, reason: &str) -> String {
        let mut known: Vec<&str> = self.failures.keys().map(|(_, _, reason)| reason.as_str()).collect();
        known.sort_unstable();
        known.dedup();
        let has_room = known.len() < MOST_REASONS && reason.chars().count() <= LONGEST_REASON;
        if has_room || known.contains(&reason) { reason.to_owned() } else { OTHER_REASON.to_owned() }
    }
}

fn command(operation: Operation) -> &'static str {
    match operation {
        Operation::Description => "describe",
        Operation::Measurement => "measure",
        Operation::Adjustment => "adjust",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Exchange;
    use crate::optimizer::OptimizerError;

    fn board(names: &[&str]) -> Board {
        let source = |name: &&str| Source {
            name: (*name).to_owned(),
            exchange: Exchange::default(),
            optimizer: None,
            campaign: None,
        };
        Board::new(names.iter().map(source).collect())
    }

    #[test]
    fn a_servo_is_ready_from_the_answer_to_hello_while_it_is_answered() {
        let board = board(&["a"]);
        let check = |expected: Result<&str, &str>| {
            let text = |line: &str| format!("a: {line}\n");
            assert_eq!(board.readiness(), expected.map(text).map_err(text));
        };
        check(Err("not prepared yet: its checks have not passed"));
        board.prepared();
        check(Err("the optimizer has not answered yet"));
        board.observe("a", &RunEvent::Answered);
        board.observe("a", &RunEvent::Connected);
        check(Ok("ready"));
        board.observe("a", &RunEvent::Unanswered(&OptimizerError::UnexpectedServo));
        check(Err("the optimizer did not answer"));
        board.observe("a", &RunEvent::Answered);
        check(Ok("ready"));
        board.observe("a", &RunEvent::Stopping);
        check(Err("stopping"));
        assert_eq!(board.health(), Ok("ok\n".to_owned()));
        board.observe("a", &RunEvent::Ended);
        check(Err("has ended"));
        assert_eq!(board.health(), Err("every servo has ended\n".to_owned()));
    }

    #[test]
    fn all_servos_must_be_ready_but_one_that_goes_on_is_life() {
        let board = board(&["a", "b"]);
        board.prepared();
        board.observe("a", &RunEvent::Connected);
        board.observe("b", &RunEvent::Ended);
        assert_eq!(board.readiness(), Err("a: ready\nb: has ended\n".to_owned()));
        assert!(board.health().is_ok());
    }

    #[test]
    fn reasons_beyond_a_number_and_long_ones_are_one() {
        let board = board(&["a"]);
        let fail = |reason: &str| {
            let (operation, took) = (Operation::Adjustment, Duration::from_secs(1));
            let finished = RunEvent::Finished { operation, ending: Ending::Failed, reason: Some(reason), took };
            board.observe("a", &finished);
        };
        fail(&"x".repeat(1000));
        for number in 0..100 {
            fail(&format!("reason-{number}"));
        }
        let state = board.servos()[0].state();
        assert_eq!(state.failures.len(), MOST_REASONS);
        assert_eq!(state.failures[&("adjust", Ending::Failed, "other".to_owned())], 101 - 31);
    }

    #[test]
    fn durations_fall_into_the_first_bucket_that_is_large_enough() {
        let mut durations = Durations::default();
        for seconds in [0, 1, 2, 10_000] {
            durations.add(Duration::from_secs(seconds));
        }
        assert_eq!(durations.buckets[..4], [1, 1, 1, 0]);
        assert_eq!((durations.count, durations.buckets.iter().sum::<u64>()), (4, 3));
        assert!((durations.sum - 10_003.0).abs() < 1e-9);
    }
}
