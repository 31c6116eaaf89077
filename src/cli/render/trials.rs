//! An optimization while it runs: a line for every trial that is over, and on a terminal what happens now.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use super::campaign::{best_line, present_line, trial_line, why_line};
use super::wrap::fitted;
use crate::cli::context::Context;
use crate::cli::exit::CliError;
use crate::optimizer::embedded::{Campaign, Snapshot};
use crate::types::{self, Operation};

const BAR: &str = "[{bar:20}] {pos}/{len} trials, {elapsed}{msg}";

/// What is seen of an optimization. The lines that change are taken away with this value.
pub(crate) struct TrialsView<'a> {
    cx: &'a Context,
    /// Whether trials are printed as lines.
    lines: bool,
    present: ProgressBar,
    why: ProgressBar,
    best: ProgressBar,
    progress: ProgressBar,
    /// How many trials need no line any more.
    shown: usize,
    /// How many trials there were when it began.
    resumed: usize,
    pace: Pace,
}

/// How a view begins.
pub(crate) struct Beginning {
    /// Whether trials are printed as lines.
    pub(crate) lines: bool,
    /// The trials of the journal, which were shown when they were made.
    pub(crate) resumed: usize,
    pub(crate) budget: usize,
    /// How long a measurement takes, where that is known before the first one.
    pub(crate) measurement: Option<Duration>,
}

impl<'a> TrialsView<'a> {
    pub(crate) fn draw(beginning: &Beginning, cx: &'a Context) -> Self {
        let text = ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
        let line = || cx.screen.add(ProgressBar::new_spinner().with_style(text.clone()));
        let (present, why, best) = (line(), line(), line());
        let budget = u64::try_from(beginning.budget).unwrap_or(0);
        let progress = cx.screen.add(ProgressBar::new(budget).with_style(bar.progress_chars("=> ")));
        let resumed = beginning.resumed;
        let pace = Pace::new(beginning.measurement);
        Self { cx, lines: beginning.lines, present, why, best, progress, shown: resumed, resumed, pace }
    }

    /// Shows what is new.
    pub(crate) fn show(&mut self, snapshot: &Snapshot) -> Result<(), CliError> {
        self.pace.note(snapshot);
        self.tick(snapshot);
        self.why.set_message(why_line(snapshot));
        let Some(campaign) = &snapshot.campaign else { return Ok(()) };
        for trial in campaign.trials().iter().skip(self.shown) {
            self.shown += 1;
            if self.lines {
                let columns = self.cx.output.columns();
                let lines = fitted(&trial_line(campaign, trial, columns), columns);
                self.cx.screen.suspend(|| self.cx.output.line(lines))?;
            }
        }
        self.best.set_message(best_line(campaign));
        self.progress.set_position(u64::try_from(self.shown).unwrap_or(u64::MAX));
        Ok(())
    }

    /// Shows how much time is left.
    pub(crate) fn tick(&self, snapshot: &Snapshot) {
        let left = self.pace.phase_left().map_or_else(String::new, |left| format!(", {} left", short(left)));
        self.present.set_message(present_line(snapshot) + &left);
        let rest = snapshot.campaign.as_ref().and_then(|campaign| self.pace.rest(campaign, self.resumed));
        self.progress.set_message(rest.map_or_else(String::new, |rest| format!(", about {} left", short(rest))));
    }
}

impl Drop for TrialsView<'_> {
    fn drop(&mut self) {
        for bar in [&self.present, &self.why, &self.best, &self.progress] {
            bar.finish_and_clear();
            self.cx.screen.remove(bar);
        }
    }
}

/// How long things take: measured as they are done, since a simulation runs faster than its clock says.
struct Pace {
    began: Instant,
    /// The trial and the operation that go on, and since when.
    present: Option<(usize, Option<Operation>, Instant)>,
    measurement: Option<Duration>,
}

impl Pace {
    fn new(measurement: Option<Duration>) -> Self {
        Self { began: Instant::now(), present: None, measurement }
    }

    fn note(&mut self, snapshot: &Snapshot) {
        let now = Instant::now();
        let number = snapshot.plan.as_ref().map_or(0, |plan| plan.number);
        match &self.present {
            Some((before, doing, _)) if (*before, *doing) == (number, snapshot.doing) => return,
            Some((_, Some(Operation::Measurement), since)) => self.measurement = Some(now - *since),
            _ => {}
        }
        self.present = Some((number, snapshot.doing, now));
    }

    /// How long the present measurement will still take, if it takes as long as the last one.
    fn phase_left(&self) -> Option<Duration> {
        match (&self.present, self.measurement) {
            (Some((_, Some(Operation::Measurement), since)), Some(usual)) => {
                Some(usual.saturating_sub(since.elapsed()))
            }
            _ => None,
        }
    }

    /// How long the rest will take, at the pace of the trials that this run has made.
    fn rest(&self, campaign: &Campaign, resumed: usize) -> Option<Duration> {
        let done = u32::try_from(campaign.trials().len().checked_sub(resumed)?).ok().filter(|done| *done > 0)?;
        let rest = u32::try_from(campaign.budget().saturating_sub(campaign.trials().len())).ok()?;
        let since = self.present.as_ref().map_or(self.began, |(_, _, since)| *since);
        Some((since - self.began) / done * rest).filter(|rest| rest.as_secs() > 0)
    }
}

/// In whole seconds, and from ten minutes on in whole minutes.
fn short(time: Duration) -> types::Duration {
    let seconds = time.as_secs();
    let unit = if seconds < 600 { 1 } else { 60 };
    types::Duration::from_std(Duration::from_secs(seconds / unit * unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_seconds_or_minutes() {
        for (millis, text) in [(0, "0"), (61_900, "1m1s"), (599_000, "9m59s"), (4_000_000, "1h6m")] {
            assert_eq!(short(Duration::from_millis(millis)).to_string(), text);
        }
    }
}
