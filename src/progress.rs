//! How far something that takes a known time has come, its text, and waiting with reports on the way.
//!
//! Trackers only compute: they begin when they are made, own no timer, and read tokio's clock when asked. Nothing
//! here logs or posts; that is for the caller, usually by [`EventContext::progress`].

use std::fmt::Display;
use std::time::Duration;

use tokio::time::Instant;

use crate::connector::{EventContext, EventError};
use crate::types;

/// How often to report on something that may end at any time.
pub(crate) const EVENT_INTERVAL: Duration = Duration::from_mins(1);

/// Progress towards the end of a time span.
#[derive(Debug, Clone)]
pub(crate) struct DurationProgress {
    duration: Duration,
    started_at: Instant,
}

impl DurationProgress {
    pub(crate) fn start(duration: Duration) -> Self {
        Self { duration, started_at: Instant::now() }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started_at.elapsed()
    }

    /// 0 to 100; no time at all is complete at once.
    pub(crate) fn percent(&self) -> f64 {
        percent_of(self.elapsed(), self.duration)
    }

    /// Whether the time is over.
    pub(crate) fn is_finished(&self) -> bool {
        self.elapsed() >= self.duration
    }

    pub(crate) fn describe(&self, text: impl Display) -> String {
        describe(text, self.percent(), self.elapsed())
    }
}

fn percent_of(elapsed: Duration, total: Duration) -> f64 {
    if elapsed >= total { 100.0 } else { 100.0 * elapsed.as_secs_f64() / total.as_secs_f64() }
}

/// `text (12.50% complete, 1m2.5s elapsed)`.
pub(crate) fn describe(text: impl Display, percent: f64, elapsed: Duration) -> String {
    format!("{text} ({})", state(percent, elapsed))
}

/// `12.50% complete, 1m2.5s elapsed - text`.
pub(crate) fn describe_first(percent: f64, elapsed: Duration, text: impl Display) -> String {
    format!("{} - {text}", state(percent, elapsed))
}

fn state(percent: f64, elapsed: Duration) -> String {
    format!("{percent:.2}% complete, {} elapsed", types::Duration::from_std(elapsed))
}

/// Waits for `total`, and calls `notify` after every `interval` and at the end, when the progress is 100. A total of
/// zero ends at once, without a notification.
///
/// # Errors
/// [`EventError::cancelled`] as soon as the event is cancelled.
pub(crate) async fn wait(
    cx: &EventContext,
    total: Duration,
    interval: Duration,
    mut notify: impl FnMut(&DurationProgress),
) -> Result<(), EventError> {
    let progress = DurationProgress::start(total);
    let mut next = interval;
    while !progress.is_finished() {
        cx.unless_cancelled(tokio::time::sleep(next.min(total).saturating_sub(progress.elapsed()))).await?;
        notify(&progress);
        next = next.saturating_add(interval);
    }
    Ok(())
}

/// Waits for `total`, and reports every minute how far that is.
///
/// # Errors
/// The event is to end early.
pub(crate) async fn wait_reporting(cx: &EventContext, total: Duration, text: &str) -> Result<(), EventError> {
    let report = |progress: &DurationProgress| cx.progress(progress.percent(), &progress.describe(text));
    wait(cx, total, EVENT_INTERVAL, report).await
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep, timeout};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::connector::{ConnectorName, ErrorKind, Event, EventContextText, Phase, ProgressSender};

    fn context(cancellation: &CancellationToken) -> EventContext {
        EventContext::new(
            ConnectorName::new("tested"),
            EventContextText(Phase::On, Event::Measure),
            std::sync::Arc::default(),
            ProgressSender::default(),
            cancellation.clone(),
        )
    }

    /// All numbers here are exact in binary.
    fn check(percent: f64, expected: f64) {
        assert!((percent - expected).abs() < f64::EPSILON, "{percent} is not {expected}");
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    /// Waits and returns the notifications, each with its second, and the second of the end.
    async fn waited(total: u64, interval: u64) -> String {
        let cx = context(&CancellationToken::new());
        let mut story = String::new();
        let started_at = Instant::now();
        let result = wait(&cx, secs(total), secs(interval), |progress| {
            let (percent, second) = (progress.percent(), progress.elapsed().as_secs());
            story.extend([format!("{percent:.0}% at {second}, ")]);
        });
        result.await.expect("nobody cancels");
        format!("{story}end at {}", started_at.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_at_its_total_and_notifies_at_every_interval_and_the_end() {
        for (total, story) in [
            (0, "end at 0"),
            (2, "100% at 2, end at 2"),
            (60, "100% at 60, end at 60"),
            (62, "97% at 60, 100% at 62, end at 62"),
            (180, "33% at 60, 67% at 120, 100% at 180, end at 180"),
        ] {
            assert_eq!(waited(total, 60).await, story);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn cancellation_ends_a_wait_at_once() {
        let cancellation = CancellationToken::new();
        let cx = context(&cancellation);
        let started_at = Instant::now();
        let (result, ()) = tokio::join!(wait(&cx, secs(100), EVENT_INTERVAL, |_| {}), async {
            sleep(secs(7)).await;
            cancellation.cancel();
        });
        assert_eq!(result.expect_err("cancelled").kind(), ErrorKind::Cancelled);
        assert_eq!(started_at.elapsed(), secs(7));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_longer_than_any_clock_may_be_begun() {
        let cx = context(&CancellationToken::new());
        assert!(timeout(secs(100), wait(&cx, Duration::MAX, EVENT_INTERVAL, |_| {})).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn the_progress_of_a_duration_is_the_part_that_has_passed() {
        let progress = DurationProgress::start(secs(8));
        check(progress.percent(), 0.0);
        advance(secs(2)).await;
        check(progress.percent(), 25.0);
        assert!(!progress.is_finished());
        advance(secs(6)).await;
        assert!(progress.is_finished());
        advance(secs(6)).await;
        check(progress.percent(), 100.0);
        check(DurationProgress::start(Duration::ZERO).percent(), 100.0);
    }

    #[test]
    fn descriptions_have_two_decimals_and_a_duration_text() {
        let elapsed = Duration::from_millis(62_500);
        assert_eq!(describe("waiting", 12.5, elapsed), "waiting (12.50% complete, 1m2.5s elapsed)");
        assert_eq!(describe_first(100.0, Duration::ZERO, "done"), "100.00% complete, 0 elapsed - done");
    }
}
