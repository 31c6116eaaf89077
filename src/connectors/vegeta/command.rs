//! The command line of an attack: two programs joined by a pipe, without a shell.

use std::path::Path;

use super::config::{TargetFormat, Targets, VegetaConfig};
use super::target;
use crate::subprocess::{Command, Pipeline};
use crate::types::Duration;

/// An attack without a duration, which would never end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an attack needs a duration: by hand `--duration 1m`, from an optimizer `control.duration`")]
pub struct NoDuration;

/// What is run for an attack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttackCommand {
    /// The arguments of the program that sends requests and writes a record of each.
    pub attack: Vec<String>,
    pub input: Vec<u8>,
    /// The arguments of the program that reads the records and writes reports.
    pub report: Vec<String>,
}

impl AttackCommand {
    /// The command of an attack of this duration, reporting at this interval.
    ///
    /// # Errors
    /// The duration is zero.
    pub fn new(config: &VegetaConfig, duration: Duration, interval: Duration) -> Result<Self, NoDuration> {
        if duration.is_zero() {
            return Err(NoDuration);
        }
        Ok(Self {
            attack: attack_arguments(config, duration),
            input: input(config),
            report: report_arguments(interval),
        })
    }

    /// The command with this program.
    pub(super) fn pipeline(self, program: &Path) -> Pipeline {
        let attack = Command::new(program).arguments(self.attack).input(self.input);
        attack.pipe(Command::new(program).arguments(self.report))
    }
}

fn attack_arguments(config: &VegetaConfig, duration: Duration) -> Vec<String> {
    let targets = match &config.targets {
        Targets::Text(_) => "stdin".to_owned(),
        Targets::File(file) => file.as_path().display().to_string(),
    };
    // Vegeta's own word for no limit.
    let max_workers = match config.max_workers {
        None | Some(0) => u64::MAX.to_string(),
        Some(limit) => limit.to_string(),
    };
    let valued = [
        ("-rate", config.rate.as_str().to_owned()),
        ("-duration", duration.plain()),
        ("-targets", targets),
        ("-format", config.format.as_str().to_owned()),
        ("-connections", config.connections.to_string()),
        ("-workers", config.workers.to_string()),
        ("-max-workers", max_workers),
        ("-max-body", config.max_body.to_string()),
    ];
    // A value in a word of its own would end the options: vegeta takes these only as one word.
    let switches = [
        format!("-http2={}", config.http2),
        format!("-keepalive={}", config.keepalive),
        format!("-insecure={}", config.insecure),
    ];
    let valued = valued.into_iter().flat_map(|(name, value)| [name.to_owned(), value]);
    std::iter::once("attack".to_owned()).chain(valued).chain(switches).collect()
}

fn report_arguments(interval: Duration) -> Vec<String> {
    ["report", "-type", "json", "-every", &interval.plain()].map(str::to_owned).to_vec()
}

/// The targets, ended by a line break. Vegeta reads a JSON target from a single line, however it was written.
fn input(config: &VegetaConfig) -> Vec<u8> {
    let text = match (&config.targets, config.format) {
        (Targets::File(_), _) => return Vec::new(),
        (Targets::Text(text), TargetFormat::Http) => text.clone(),
        (Targets::Text(text), TargetFormat::Json) => {
            // A valid section holds nothing else than JSON here.
            let documents = target::json_documents(text).unwrap_or_default();
            documents.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        }
    };
    format!("{text}\n").into_bytes()
}
