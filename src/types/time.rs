//! Points in time, as the optimizer counts them: since the epoch, always UTC.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Duration;

const MICROS_PER_SECOND: i64 = 1_000_000;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(pub i64);

/// A text that is no point in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no time: write it as 2020-01-21T12:00:01Z")]
pub struct TimeError(String);

impl UnixTime {
    /// Seconds since the epoch, rounded to microseconds; beyond the range of 64 bits the nearest bound.
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
    pub fn from_seconds_f64(seconds: f64) -> Self {
        // Split first: the seconds of today leave too few bits to round the product exactly.
        let micros = (seconds.fract() * 1e6).round_ties_even() as i64;
        Self((seconds.trunc() as i64).saturating_mul(MICROS_PER_SECOND).saturating_add(micros))
    }

    /// Whole seconds since the epoch.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(MICROS_PER_SECOND))
    }

    #[expect(clippy::cast_precision_loss, reason = "a double is what is asked for")]
    pub fn as_seconds_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// Whole seconds since the epoch, truncated toward zero.
    pub const fn seconds(self) -> i64 {
        self.0 / MICROS_PER_SECOND
    }

    /// The time of the wall clock.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    /// The time that is `span` later; beyond the range of 64 bits the nearest bound.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        let micros = i128::from(self.0).saturating_add(span.as_micros());
        Self(i64::try_from(micros).unwrap_or(if micros < 0 { i64::MIN } else { i64::MAX }))
    }

    /// The span from `earlier` to this time.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(i128::from(self.0) - i128::from(earlier.0))
    }

    /// Reads RFC 3339 text, also with a blank for the `T` and with other offsets; without an offset it is UTC.
    ///
    /// # Errors
    /// The text is no time.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let time: Option<Timestamp> = text.parse().ok().or_else(|| {
            let civil: jiff::civil::DateTime = text.parse().ok()?;
            civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
        });
        time.map(Self::from).ok_or_else(|| TimeError(text.to_owned()))
    }

    /// The ISO 8601 text with `separator` between date and time.
    pub(super) fn text(self, separator: char) -> String {
        let time = Timestamp::from(self).to_zoned(TimeZone::UTC).datetime();
        let micros = self.0.rem_euclid(MICROS_PER_SECOND);
        let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}") };
        let (date, time) = (time.date(), time.time());
        let clock = format!("{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second());
        format!("{date}{separator}{clock}{fraction}+00:00")
    }
}

/// ISO 8601 with offset `+00:00`; microseconds only when there are any.
impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text('T'))
    }
}

impl FromStr for UnixTime {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl From<Timestamp> for UnixTime {
    fn from(time: Timestamp) -> Self {
        Self(time.as_microsecond())
    }
}

/// Beyond the years that calendars know, the nearest bound.
impl From<UnixTime> for Timestamp {
    fn from(time: UnixTime) -> Self {
        Self::from_microsecond(time.0).unwrap_or(if time.0 < 0 { Self::MIN } else { Self::MAX })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_and_print_as_iso_8601_in_utc() {
        for (text, micros, shown) in [
            ("2020-01-21T12:00:01Z", 1_579_608_001_000_000, "2020-01-21T12:00:01+00:00"),
            ("2020-01-21 12:00:01.5+00:00", 1_579_608_001_500_000, "2020-01-21T12:00:01.500000+00:00"),
            ("2020-01-21T14:00:01+02:00", 1_579_608_001_000_000, "2020-01-21T12:00:01+00:00"),
            ("2020-01-21T12:00:01", 1_579_608_001_000_000, "2020-01-21T12:00:01+00:00"),
            ("1969-12-31T23:59:58.5Z", -1_500_000, "1969-12-31T23:59:58.500000+00:00"),
        ] {
            let time = UnixTime::parse(text).expect(text);
            assert_eq!((time, time.to_string().as_str()), (UnixTime(micros), shown));
        }
        assert_eq!(UnixTime::parse("garbage"), Err(TimeError("garbage".to_owned())));
    }

    #[test]
    fn whole_seconds_are_cut_toward_zero() {
        for (seconds, whole) in [(1.999_999, 1), (-1.5, -1), (0.0, 0), (1_595_142_421.188, 1_595_142_421)] {
            assert_eq!(UnixTime::from_seconds_f64(seconds).seconds(), whole);
        }
    }

    #[test]
    fn a_time_survives_the_way_over_seconds_and_calendars() {
        let time = UnixTime(1_595_142_421_188_123);
        assert_eq!(UnixTime::from_seconds_f64(time.as_seconds_f64()), time);
        assert_eq!(UnixTime::from(Timestamp::from(time)), time);
        assert_eq!(time.plus(Duration::from_secs(2)).since(time), Duration::from_secs(2));
        // Calendars end before 64 bits of microseconds do.
        assert_eq!(Timestamp::from(UnixTime(i64::MAX)), Timestamp::MAX);
    }
}
