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
pub const EVENT_INTERVAL: Duration = Duration::from_mins(1);

/// How often to report on something that takes as long as it takes, such as a settlement.
pub const DURATION_INTERVAL: Duration = Duration::from_secs(5);

/// Progress towards the end of a time span.
#[derive(Debug, Clone)]
pub struct DurationProgress {
    duration: Duration,
    started_at: Instant,
}

impl DurationProgress {
    /// Begins now.
    pub fn start(duration: Duration) -> Self {
        Self { duration, started_at: Instant::now() }
    }

    /// Time since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.started_at.elapsed()
    }

    /// 0 to 100; no time at all is complete at once.
    pub fn percent(&self) -> f64 {
        percent_of(self.elapsed(), self.duration)
    }

    /// Whether the time is over.
    pub fn is_finished(&self) -> bool {
        self.elapsed() >= self.duration
    }

    /// As [`describe`].
    pub fn describe(&self, text: impl Display) -> String {
        describe(text, self.percent(), self.elapsed())
    }
}

/// Progress towards something that is to happen before a timeout, and, once it has, is to last for a settlement.
#[derive(Debug, Clone)]
pub struct EventProgress {
    timeout: Option<Duration>,
    settlement: Option<Duration>,
    started_at: Instant,
    triggered_at: Option<Instant>,
}

impl EventProgress {
    /// Begins now. Without a timeout it never times out; without a settlement it is complete as soon as it is
    /// triggered.
    pub fn start(timeout: Option<Duration>, settlement: Option<Duration>) -> Self {
        Self { timeout, settlement, started_at: Instant::now(), triggered_at: None }
    }

    /// It has happened. Does nothing when it had already.
    pub fn trigger(&mut self) {
        self.triggered_at.get_or_insert_with(Instant::now);
    }

    /// It did not last: the settlement begins anew with the next trigger. The timeout runs on.
    pub fn reset(&mut self) {
        self.triggered_at = None;
    }

    /// Time since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.started_at.elapsed()
    }

    /// Whether it has happened and lasted.
    pub fn is_complete(&self) -> bool {
        self.settlement_remaining() == Some(Duration::ZERO)
    }

    /// Whether the timeout has passed, complete or not.
    pub fn is_timed_out(&self) -> bool {
        self.timeout.is_some_and(|timeout| self.elapsed() >= timeout)
    }

    /// Whether it is complete or has timed out.
    pub fn is_finished(&self) -> bool {
        self.is_complete() || self.is_timed_out()
    }

    /// How much longer it has to last; `None` while it has not happened.
    pub fn settlement_remaining(&self) -> Option<Duration> {
        let triggered_at = self.triggered_at?;
        Some(self.settlement.unwrap_or_default().saturating_sub(triggered_at.elapsed()))
    }

    /// 0 to 100: of the settlement while that runs, else of the timeout; 0 without a timeout.
    pub fn percent(&self) -> f64 {
        match (self.triggered_at, self.timeout) {
            (Some(triggered_at), _) => percent_of(triggered_at.elapsed(), self.settlement.unwrap_or_default()),
            (None, Some(timeout)) => percent_of(self.elapsed(), timeout),
            (None, None) => 0.0,
        }
    }

    /// As [`describe`].
    pub fn describe(&self, text: impl Display) -> String {
        describe(text, self.percent(), self.elapsed())
    }
}

fn percent_of(elapsed: Duration, total: Duration) -> f64 {
    if elapsed >= total { 100.0 } else { 100.0 * elapsed.as_secs_f64() / total.as_secs_f64() }
}

/// `text (12.50% complete, 1m2.5s elapsed)`.
pub fn describe(text: impl Display, percent: f64, elapsed: Duration) -> String {
    format!("{text} ({})", state(percent, elapsed))
}

/// `12.50% complete, 1m2.5s elapsed - text`.
pub fn describe_first(percent: f64, elapsed: Duration, text: impl Display) -> String {
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
pub async fn wait(
    cx: &EventContext,
    total: Duration,
    interval: Duration,
    mut notify: impl FnMut(&DurationProgress),
) -> Result<(), EventError> {
    let progress = DurationProgress::start(total);
    let mut next = interval;
    while !progress.is_finished() {
        tokio::select! {
            error = cx.cancelled() => return Err(error),
            () = tokio::time::sleep(next.min(total).saturating_sub(progress.elapsed())) => {}
        }
        notify(&progress);
        next = next.saturating_add(interval);
    }
    Ok(())
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

    #[tokio::test(start_paused = true)]
    async fn an_event_progresses_to_its_timeout_until_triggered_and_then_through_its_settlement() {
        let mut progress = EventProgress::start(Some(secs(10)), Some(secs(4)));
        advance(secs(5)).await;
        check(progress.percent(), 50.0);
        assert_eq!(progress.settlement_remaining(), None);
        progress.trigger();
        check(progress.percent(), 0.0);
        advance(secs(1)).await;
        progress.trigger();
        check(progress.percent(), 25.0);
        assert_eq!(progress.settlement_remaining(), Some(secs(3)));
        progress.reset();
        check(progress.percent(), 60.0);
        progress.trigger();
        advance(secs(4)).await;
        assert!(progress.is_complete() && progress.is_timed_out() && progress.is_finished());
        check(progress.percent(), 100.0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_without_settlement_is_complete_when_triggered() {
        let mut progress = EventProgress::start(None, None);
        advance(secs(1000)).await;
        check(progress.percent(), 0.0);
        assert!(!progress.is_finished());
        progress.trigger();
        check(progress.percent(), 100.0);
        assert!(progress.is_complete() && !progress.is_timed_out());
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeout_of_zero_has_passed_at_once_without_completion() {
        let progress = EventProgress::start(Some(Duration::ZERO), None);
        assert!(progress.is_timed_out() && progress.is_finished() && !progress.is_complete());
    }

    #[test]
    fn descriptions_have_two_decimals_and_a_duration_text() {
        let elapsed = Duration::from_millis(62_500);
        assert_eq!(describe("waiting", 12.5, elapsed), "waiting (12.50% complete, 1m2.5s elapsed)");
        assert_eq!(describe_first(100.0, Duration::ZERO, "done"), "100.00% complete, 0 elapsed - done");
    }
}
