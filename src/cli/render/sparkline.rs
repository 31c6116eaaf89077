//! Values over time as a line of small bars.

/// From the lowest value to the highest.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A bar for each value, or for the mean of neighbours where there are more values than `width`. Values that are not
/// finite are blanks.
pub(crate) fn sparkline(values: &[f64], width: usize) -> String {
    let means = condensed(values, width);
    let finite = || means.iter().copied().filter(|value| value.is_finite());
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    means.iter().map(|value| bar(*value, low, high)).collect()
}

/// The mean of as many neighbours as it takes to have at most `width` values.
fn condensed(values: &[f64], width: usize) -> Vec<f64> {
    let each = values.len().div_ceil(width.max(1)).max(1);
    #[expect(clippy::cast_precision_loss, reason = "a few neighbours")]
    values.chunks(each).map(|some| some.iter().sum::<f64>() / some.len() as f64).collect()
}

fn bar(value: f64, low: f64, high: f64) -> char {
    if !value.is_finite() {
        return ' ';
    }
    let steps = BARS.len() - 1;
    // Halves, so that the distance of extremes is finite.
    let share = (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
    if !share.is_finite() {
        return BARS[steps / 2];
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between zero and seven")]
    #[expect(clippy::cast_precision_loss, reason = "seven")]
    let index = (share * steps as f64).round() as usize;
    BARS[index.min(steps)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_go_from_the_lowest_value_to_the_highest() {
        for (values, line) in [
            (&[] as &[f64], ""),
            (&[5.0], "▄"),
            (&[5.0, 5.0], "▄▄"),
            (&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], "▁▂▃▄▅▆▇█"),
            (&[-1.0, f64::NAN, 1.0], "▁ █"),
            (&[f64::MIN, f64::MAX], "▁█"),
        ] {
            assert_eq!(sparkline(values, 8), line, "{values:?}");
        }
    }

    #[test]
    fn neighbours_share_a_bar_where_there_is_not_enough_room() {
        assert_eq!(sparkline(&[0.0, 2.0, 8.0, 8.0, 4.0], 3), "▁█▄");
        assert_eq!(sparkline(&[1.0; 1000], 24).chars().count(), 24);
    }
}
