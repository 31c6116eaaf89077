//! One retry loop: full-jitter exponential waits within limits of time and tries.
//!
//! The notion of permanent and transient errors is the `backoff` crate's; the waits and the limits are ours, because
//! the protocol fixes them. That crate is used here and nowhere else but by the callers' choice between its two
//! variants.

use std::time::Duration;

use tokio::time::Instant;

/// An error that ends the loop ([`Attempt::Permanent`]) or lets it go on ([`Attempt::Transient`]).
pub(crate) use backoff::Error as Attempt;

/// How long to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "each is an upper limit")]
pub(crate) struct Limits {
    /// Time after which no further try begins; `None` is no limit, zero a single try.
    pub max_time: Option<Duration>,
    /// Number of tries; `None` is no limit.
    pub max_tries: Option<u64>,
    /// The longest wait between two tries; `None` is no limit.
    pub max_wait: Option<Duration>,
}

impl Limits {
    #[cfg(test)]
    pub(crate) const ONCE: Self = Self { max_time: None, max_tries: Some(1), max_wait: None };
}

/// Tries until success, a permanent error, or a limit; returns the last error then. `on_wait` is told of each failed
/// try that will be repeated: the error and the time until the next try.
///
/// The wait after try n is uniform in 0 to 2^(n-1) seconds. The last one is cut so that a final try runs when
/// `max_time` is over.
///
/// # Errors
/// The error of the last try.
///
/// # Cancel safety
/// Dropping the future drops the try in flight.
pub(crate) async fn retry<T, E, Try: Future<Output = Result<T, Attempt<E>>>>(
    limits: Limits,
    mut on_wait: impl FnMut(&E, Duration),
    mut attempt: impl FnMut() -> Try,
) -> Result<T, E> {
    let start = Instant::now();
    let mut tries = 0;
    loop {
        tries += 1;
        // Measured before the try, so that a slow last try does not add another.
        let elapsed = start.elapsed();
        let error = match attempt().await {
            Ok(value) => return Ok(value),
            Err(Attempt::Permanent(error)) => return Err(error),
            Err(Attempt::Transient { err, .. }) => err,
        };
        let left = limits.max_time.map(|max_time| max_time.saturating_sub(elapsed));
        if limits.max_tries.is_some_and(|max| tries >= max) || left.is_some_and(|left| left.is_zero()) {
            return Err(error);
        }
        let longest = limits.max_wait.unwrap_or(Duration::MAX).min(left.unwrap_or(Duration::MAX));
        let wait = jitter(tries).min(longest);
        on_wait(&error, wait);
        tokio::time::sleep(wait).await;
    }
}

/// A wait that is uniform in 0 to 2^(n-1) seconds, for n from 1.
pub(crate) fn jitter(n: u64) -> Duration {
    // 2^30 seconds are 34 years: beyond any limit, and far from overflow.
    let exponent = i32::try_from(n.saturating_sub(1)).unwrap_or(i32::MAX).min(30);
    Duration::from_secs_f64(fastrand::f64() * 2f64.powi(exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_LIMIT: Limits = Limits { max_time: None, max_tries: None, max_wait: None };

    async fn tries_until_given_up(limits: Limits) -> (u64, Duration) {
        let start = Instant::now();
        let mut tries = 0;
        let result: Result<(), &str> = retry(
            limits,
            |_, _| {},
            || {
                tries += 1;
                std::future::ready(Err(Attempt::transient("down")))
            },
        )
        .await;
        assert_eq!(result, Err("down"));
        (tries, start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_try_runs_when_the_time_is_over() {
        let (tries, took) = tries_until_given_up(Limits { max_time: Some(Duration::from_mins(10)), ..NO_LIMIT }).await;
        assert!(tries >= 10, "{tries}");
        assert!((took.as_secs_f64() - 600.0).abs() < 0.1, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn no_wait_is_longer_than_its_limit() {
        let limits =
            Limits { max_time: Some(Duration::from_mins(10)), max_wait: Some(Duration::from_secs(2)), ..NO_LIMIT };
        let (tries, _) = tries_until_given_up(limits).await;
        assert!(tries > 300, "{tries}");
    }

    #[tokio::test(start_paused = true)]
    async fn zero_time_and_one_try_are_a_single_try() {
        assert_eq!(tries_until_given_up(Limits { max_time: Some(Duration::ZERO), ..NO_LIMIT }).await.0, 1);
        assert_eq!(tries_until_given_up(Limits::ONCE).await.0, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_permanent_error_is_not_repeated() {
        let mut tries = 0;
        let result: Result<(), &str> = retry(
            NO_LIMIT,
            |_, _| {},
            || {
                tries += 1;
                let error = if tries < 3 { Attempt::transient("later") } else { Attempt::permanent("never") };
                std::future::ready(Err(error))
            },
        )
        .await;
        assert_eq!((result, tries), (Err("never"), 3));
    }

    #[test]
    fn waits_stay_below_their_doubling_bounds() {
        for n in 1..12 {
            let bound = 2f64.powi(i32::try_from(n).unwrap_or(0) - 1);
            assert!((0..200).all(|_| jitter(n).as_secs_f64() <= bound));
        }
        assert!(jitter(u64::MAX) < Duration::from_secs(1 << 31));
    }
}
