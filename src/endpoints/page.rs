//! The metrics as text: the [Prometheus text format](https://prometheus.io/docs/instrumenting/exposition_formats/) 0.0.4.
//!
//! Written by hand: the client library writes `OpenMetrics` alone, whose counters have other names in their type lines,
//! so that `promtool check metrics` and older readers do not know their types.

use std::fmt::Write as _;

use super::board::{BUCKETS, Board, Durations, Phase, Servo};
use super::process::Process;
use super::stream::Figures;
use crate::optimizer::embedded::{Outcome, Snapshot, Trial};
use crate::telemetry::SERVOX_VERSION;
use crate::types::UnixTime;

pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Every family of metrics: name, type, help.
pub const FAMILIES: &[(&str, &str, &str)] = &[
    ("servo_build_info", "gauge", "The version of the program; always 1."),
    ("servo_running", "gauge", "1 while a servo goes on, 0 once it has ended."),
    ("servo_ready", "gauge", "1 while a servo is ready, as /readyz says."),
    ("servo_commands_total", "counter", "Commands that the optimizer has sent."),
    ("servo_command_duration_seconds", "histogram", "Time from the arrival of a command to its end."),
    ("servo_command_failures_total", "counter", "Commands that did not succeed, by reason."),
    ("servo_optimizer_retries_total", "counter", "Requests to the optimizer that were sent again."),
    ("servo_optimizer_failures_total", "counter", "Requests to the optimizer that were given up, by reason."),
    (
        "servo_optimizer_last_contact_timestamp_seconds",
        "gauge",
        "When the optimizer last answered as it should, since the epoch; 0 before that.",
    ),
    ("servo_trials_total", "counter", "Trials of the embedded optimizer that are over, by result."),
    ("servo_trials_budget", "gauge", "How many trials the embedded optimizer may make."),
    ("servo_best_objective", "gauge", "The best value of the objective so far that keeps all conditions."),
    ("servo_optimization_finished", "gauge", "1 once the embedded optimizer has come to its result."),
    ("servo_stream_readers", "gauge", "Readers of /stream."),
    ("servo_stream_lost_events_total", "counter", "Events that readers of /stream have lost by being too slow."),
    ("process_cpu_seconds_total", "counter", "Processor time that the process has used."),
    ("process_resident_memory_bytes", "gauge", "Resident memory of the process."),
    ("process_virtual_memory_bytes", "gauge", "Virtual memory of the process."),
    ("process_start_time_seconds", "gauge", "When the process began, since the epoch."),
    ("process_open_fds", "gauge", "Open file descriptors of the process."),
];

pub(super) fn render(board: &Board, figures: Figures) -> String {
    let mut page = Page::default();
    let process = Process::now();
    for (name, kind, help) in FAMILIES {
        // Writing to a string cannot fail.
        write!(page.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n").ok();
        let of_process = |value: fn(Process) -> f64| process.map(value);
        let value = match *name {
            "servo_build_info" => {
                page.sample(name, &[("version", env!("CARGO_PKG_VERSION")), ("compatible", SERVOX_VERSION)], 1.0);
                continue;
            }
            "servo_stream_readers" => Some(float(figures.readers)),
            "servo_stream_lost_events_total" => Some(float(figures.lost)),
            "process_cpu_seconds_total" => of_process(|process| process.cpu_seconds),
            "process_resident_memory_bytes" => of_process(|process| process.resident_bytes),
            "process_virtual_memory_bytes" => of_process(|process| process.virtual_bytes),
            "process_start_time_seconds" => of_process(|process| process.start_time),
            "process_open_fds" => of_process(|process| process.open_fds),
            of_servos => {
                board.servos().iter().for_each(|servo| page.servo(of_servos, servo));
                continue;
            }
        };
        if let Some(value) = value {
            page.sample(name, &[], value);
        }
    }
    page.0
}

#[derive(Default)]
struct Page(String);

impl Page {
    /// The samples of a family of one servo.
    fn servo(&mut self, name: &str, servo: &Servo) {
        let own = ("servo", servo.source.name.as_str());
        let optimizer = servo.source.optimizer.as_deref();
        match name {
            "servo_ready" => self.sample(name, &[own], flag(servo.hindrance().is_none())),
            "servo_optimizer_retries_total" => {
                let retries = optimizer.map(|optimizer| optimizer.retries().total).unwrap_or_default();
                self.sample(name, &[own], float(retries));
            }
            "servo_trials_total" | "servo_trials_budget" | "servo_best_objective" | "servo_optimization_finished" => {
                if let Some(snapshot) = &servo.source.campaign {
                    self.campaign(name, own, &snapshot.borrow());
                }
            }
            _ => self.counted(name, own, servo),
        }
    }

    /// What is counted as it happens.
    fn counted(&mut self, name: &str, own: (&str, &str), servo: &Servo) {
        let state = servo.state();
        match name {
            "servo_running" => self.sample(name, &[own], flag(state.phase != Phase::Ended)),
            "servo_commands_total" => {
                for command in ["describe", "measure", "adjust", "sleep"] {
                    let count = state.received.get(command).copied().unwrap_or_default();
                    self.sample(name, &[own, ("command", command)], float(count));
                }
            }
            "servo_command_duration_seconds" => {
                for ((command, ending), durations) in &state.durations {
                    self.histogram(name, &[own, ("command", command), ("status", ending.as_str())], durations);
                }
            }
            "servo_command_failures_total" => {
                for ((command, ending, reason), count) in &state.failures {
                    let labels = [own, ("command", *command), ("status", ending.as_str()), ("reason", reason)];
                    self.sample(name, &labels, float(*count));
                }
            }
            "servo_optimizer_failures_total" => {
                for (reason, count) in &state.unanswered_by_kind {
                    self.sample(name, &[own, ("reason", reason)], float(*count));
                }
            }
            "servo_optimizer_last_contact_timestamp_seconds" => {
                let time = state.last_contact.map_or(0.0, UnixTime::as_seconds_f64);
                self.sample(name, &[own], time);
            }
            _ => {}
        }
    }

    /// What the embedded optimizer has found out.
    fn campaign(&mut self, name: &str, own: (&str, &str), snapshot: &Snapshot) {
        let Some(campaign) = &snapshot.campaign else { return };
        match name {
            "servo_trials_total" => {
                let result = |trial: &Trial| match &trial.outcome {
                    Outcome::Infeasible { .. } => "failed",
                    Outcome::Void { .. } => "void",
                    Outcome::Measured { .. } if campaign.keeps_objectives(trial) => "kept",
                    Outcome::Measured { .. } => "violated",
                };
                for wanted in ["kept", "violated", "failed", "void"] {
                    let count = campaign.trials().iter().filter(|trial| result(trial) == wanted).count();
                    self.sample(name, &[own, ("result", wanted)], float(u64::try_from(count).unwrap_or(u64::MAX)));
                }
            }
            "servo_trials_budget" => {
                self.sample(name, &[own], float(u64::try_from(campaign.budget()).unwrap_or(u64::MAX)));
            }
            "servo_best_objective" => {
                if let Some(best) = campaign.best().and_then(|best| campaign.objective(best)) {
                    self.sample(name, &[own], best);
                }
            }
            _ => self.sample(name, &[own], flag(campaign.end().is_some())),
        }
    }

    fn histogram(&mut self, name: &str, labels: &[(&str, &str)], durations: &Durations) {
        let bucket = format!("{name}_bucket");
        let mut count = 0;
        for (bound, more) in BUCKETS.iter().zip(durations.buckets) {
            count += more;
            let bound = bound.to_string();
            self.sample(&bucket, &[labels, &[("le", &bound)]].concat(), float(count));
        }
        self.sample(&bucket, &[labels, &[("le", "+Inf")]].concat(), float(durations.count));
        self.sample(&format!("{name}_sum"), labels, durations.sum);
        self.sample(&format!("{name}_count"), labels, float(durations.count));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            write!(self.0, "{before}{label}=\"{}\"", escape(text)).ok();
        }
        let after = if labels.is_empty() { "" } else { "}" };
        writeln!(self.0, "{after} {value}").ok();
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn flag(is_true: bool) -> f64 {
    f64::from(u8::from(is_true))
}

#[expect(clippy::cast_precision_loss, reason = "the format knows nothing but doubles")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_buckets_add_up() {
        let mut page = Page::default();
        page.sample("a", &[("servo", "x\\y\"z\n")], 1.5);
        let mut durations = Durations { count: 3, sum: 9000.5, ..Durations::default() };
        (durations.buckets[0], durations.buckets[11]) = (1, 1);
        page.histogram("b", &[("c", "d")], &durations);
        let lines: Vec<&str> = page.0.lines().collect();
        assert_eq!(lines[0], r#"a{servo="x\\y\"z\n"} 1.5"#);
        assert_eq!(lines[1], r#"b_bucket{c="d",le="0.1"} 1"#);
        assert_eq!(lines[12], r#"b_bucket{c="d",le="7200"} 2"#);
        assert_eq!(lines[13..], [r#"b_bucket{c="d",le="+Inf"} 3"#, r#"b_sum{c="d"} 9000.5"#, r#"b_count{c="d"} 3"#]);
    }
}
