//! When samples are taken: from the end of the warmup on, again and again, until the time is over.

use std::time::Duration;

use tokio::time::sleep;

use crate::progress::DurationProgress;

/// The times of the samples of a measurement. It begins when it is made.
#[derive(Debug)]
pub(super) struct Schedule {
    progress: DurationProgress,
    total: Duration,
    /// When the next sample is due, from the beginning.
    due: Duration,
    frequency: Duration,
    /// Whether the first one has been taken.
    has_begun: bool,
}

impl Schedule {
    /// Samples between the end of `warmup` and `total`, both from now, whose beginnings are `frequency` apart, or more
    /// when one takes longer.
    pub(super) fn start(warmup: Duration, total: Duration, frequency: Duration) -> Self {
        Self { progress: DurationProgress::start(total), total, due: warmup, frequency, has_begun: false }
    }

    /// Waits until a sample is due; false when the time is over instead. The first is taken however late it is: on a busy
    /// machine a short measurement may be over before it has begun.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn next(&mut self) -> bool {
        let elapsed = self.progress.elapsed();
        let due = if self.has_begun { self.due.max(elapsed) } else { self.due };
        let wait = due.min(self.total).saturating_sub(elapsed);
        // Even the shortest sleep takes a tick of the clock, which may be all the time that there is.
        if !wait.is_zero() {
            sleep(wait).await;
        }
        self.due = self.progress.elapsed().saturating_add(self.frequency);
        self.has_begun = true;
        due < self.total
    }

    /// Brings the next sample forward to this time from now, if it would be later.
    pub(super) fn hasten(&mut self, wait: Duration) {
        self.due = self.due.min(self.progress.elapsed().saturating_add(wait));
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// When samples that take so long begin, and when all is over.
    async fn story(warmup: u64, total: u64, frequency: u64, taken: u64) -> (Vec<u128>, u128) {
        let begun = Instant::now();
        let mut schedule = Schedule::start(millis(warmup), millis(total), millis(frequency));
        let mut samples = Vec::new();
        while schedule.next().await {
            samples.push(begun.elapsed().as_millis());
            sleep(millis(taken)).await;
        }
        (samples, begun.elapsed().as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn samples_begin_a_frequency_apart_and_none_begins_after_the_end() {
        for ((warmup, total, frequency, taken), samples, end) in [
            ((0, 1000, 400, 0), &[0, 400, 800][..], 1000),
            ((0, 1000, 400, 100), &[0, 400, 800], 1000),
            ((0, 1000, 500, 0), &[0, 500], 1000),
            ((0, 500, 2000, 0), &[0], 500),
            ((0, 1, 2000, 0), &[0], 1),
            ((300, 1000, 400, 0), &[300, 700], 1000),
            ((0, 1000, 200, 450), &[0, 450, 900], 1350),
            ((0, 1000, 0, 300), &[0, 300, 600, 900], 1200),
            ((500, 500, 100, 0), &[], 500),
            ((0, 0, 100, 0), &[], 0),
        ] {
            let expected = (samples.to_vec(), end);
            assert_eq!(story(warmup, total, frequency, taken).await, expected, "{warmup} {total} {frequency} {taken}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_sample_is_taken_however_late_it_is_and_no_other() {
        let mut schedule = Schedule::start(Duration::ZERO, millis(1), Duration::ZERO);
        sleep(millis(5)).await;
        assert!(schedule.next().await);
        assert!(!schedule.next().await);
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_sample_can_be_brought_forward_and_never_put_off() {
        let begun = Instant::now();
        let mut schedule = Schedule::start(Duration::ZERO, millis(3000), millis(1000));
        let mut samples = Vec::new();
        for wait in [300, 5000, 1000, 1000] {
            assert!(schedule.next().await);
            samples.push(begun.elapsed().as_millis());
            schedule.hasten(millis(wait));
        }
        assert_eq!(samples, [0, 300, 1300, 2300]);
        assert!(!schedule.next().await);
    }

    #[tokio::test(start_paused = true)]
    async fn no_time_is_too_long() {
        let mut schedule = Schedule::start(Duration::ZERO, Duration::MAX, Duration::MAX);
        assert!(schedule.next().await);
        assert!(tokio::time::timeout(millis(1000), schedule.next()).await.is_err());
    }
}
