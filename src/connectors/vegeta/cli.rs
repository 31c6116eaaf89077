//! `servo vegeta attack`: an attack with what is configured, outside of any measurement.

use std::sync::Arc;

use clap::builder::EnumValueParser;
use clap::{Arg, ArgMatches, Command, ValueEnum};

use super::attack::Attack;
use super::config::VegetaConfig;
use super::report::Report;
use super::summary;
use crate::connector::{CommandContext, CommandOutput, Event, EventContext, EventContextText, EventError, Phase};
use crate::progress::{DurationProgress, describe_first};
use crate::types::Duration;

/// As long as the attack of the checks.
const DEFAULT_DURATION: &str = "5s";
/// Often enough for somebody who watches.
const INTERVAL: Duration = Duration::from_secs(1);

/// How the last report is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table of metrics
    Text,
    /// The report as it is published
    Json,
    /// The percentiles that vegeta reports, as plotters of HDR histograms read them
    Hdr,
}

/// The command with its sub-command.
pub(super) fn command() -> Command {
    let duration = Arg::new("duration")
        .long("duration")
        .value_name("DURATION")
        .default_value(DEFAULT_DURATION)
        .value_parser(positive)
        .help("How long to attack, such as 30s or 5m");
    let format = Arg::new("format")
        .long("format")
        .value_name("FORMAT")
        .default_value("text")
        .value_parser(EnumValueParser::<Format>::new())
        .help("How to show the report at the end");
    let attack = Command::new("attack")
        .about("Attack the configured targets at the configured rate, and report how they answer")
        .args([duration, format]);
    Command::new("vegeta").about("Put a load on the application").subcommand(attack)
}

fn positive(text: &str) -> Result<Duration, String> {
    match Duration::parse(text) {
        Ok(duration) if duration > Duration::ZERO => Ok(duration),
        Ok(_) => Err("a duration must be longer than zero".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

pub(super) async fn run(
    config: &VegetaConfig,
    matches: &ArgMatches,
    cx: &CommandContext,
) -> Result<CommandOutput, String> {
    let Some(("attack", matches)) = matches.subcommand() else {
        return Err("vegeta has the command attack".to_owned());
    };
    let option = |name| matches.get_one::<Duration>(name).copied();
    let duration = option("duration").ok_or("the duration is missing")?;
    let format = matches.get_one::<Format>("format").copied().unwrap_or(Format::Text);
    let report = attack(config, duration, cx).await?;
    let json = report.published();
    let text = match format {
        Format::Text => summary::text(&report),
        Format::Json => format!("{json:#}"),
        Format::Hdr => summary::percentiles(&report),
    };
    Ok(CommandOutput { text, json })
}

/// Attacks, tells how it goes, and returns the last report.
async fn attack(config: &VegetaConfig, duration: Duration, cx: &CommandContext) -> Result<Report, String> {
    let event = EventContext::new(
        cx.connector.clone(),
        EventContextText(Phase::On, Event::Measure),
        Arc::clone(&cx.services),
        cx.progress.clone(),
        cx.cancellation.clone(),
    );
    let (target, progress) = (config.shown_target(), DurationProgress::start(duration.to_std()));
    let mut last = None;
    let on_report = |report: Report| {
        let percent = progress.percent();
        let summary = report.summary(&target, config.rate.as_str());
        event.progress(percent, &describe_first(percent, progress.elapsed(), summary));
        last = Some(report);
        Ok(())
    };
    let ended = Attack { config, duration, interval: INTERVAL }.run(&event, on_report).await;
    match (ended, last) {
        (Ok(()), Some(report)) => Ok(report),
        (Ok(()), None) => Err("vegeta reported no requests".to_owned()),
        (Err(error), _) => Err(EventError::from(error).chain()),
    }
}
