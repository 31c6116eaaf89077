//! How long ago something was, in words.

use std::fmt;

use crate::types::Duration;

/// The time since then: `just now`, `1 minute ago`, `3 hours ago`. What is yet to come is now.
pub(crate) struct Age(pub(crate) Duration);

/// Units with their seconds, the largest first. A month has 30 days.
const UNITS: [(i128, &str); 7] = [
    (31_536_000, "year"),
    (2_592_000, "month"),
    (604_800, "week"),
    (86_400, "day"),
    (3_600, "hour"),
    (60, "minute"),
    (1, "second"),
];

/// Below this many seconds it is just now.
const NOW: i128 = 10;

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_micros() / 1_000_000;
        let unit = UNITS.iter().find(|(length, _)| seconds >= NOW && seconds >= *length);
        match unit.map(|(length, name)| (seconds / length, name)) {
            None => f.write_str("just now"),
            Some((1, name)) => write!(f, "1 {name} ago"),
            Some((count, name)) => write!(f, "{count} {name}s ago"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_unit_that_fits_is_used() {
        for (seconds, text) in [
            (-5, "just now"),
            (9, "just now"),
            (10, "10 seconds ago"),
            (60, "1 minute ago"),
            (359, "5 minutes ago"),
            (3_600, "1 hour ago"),
            (172_800, "2 days ago"),
            (604_800, "1 week ago"),
            (189_216_000, "6 years ago"),
        ] {
            assert_eq!(Age(Duration::from_secs(seconds)).to_string(), text);
        }
    }
}
