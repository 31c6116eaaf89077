//! Medians, a rank test, and normal noise.

use oorandom::Rand64;

/// Standard normal by Box and Muller's transform.
pub(crate) fn normal(generator: &mut Rand64) -> f64 {
    let (a, b) = (generator.rand_float(), generator.rand_float());
    (-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos()
}

pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The nearest rank's value.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    let index = (share * (sorted.len() - 1) as f64).round() as usize;
    sorted[index]
}

/// The one-sided p of Mann and Whitney's test that the first values are smaller, by the normal approximation with
/// correction for ties.
pub(crate) fn mann_whitney(smaller: &[f64], greater: &[f64]) -> f64 {
    let (m, n) = (smaller.len() as f64, greater.len() as f64);
    let mut wins = 0.0;
    for a in smaller {
        for b in greater {
            wins += if a < b {
                1.0
            } else if a > b {
                0.0
            } else {
                0.5
            };
        }
    }
    let mut all: Vec<f64> = smaller.iter().chain(greater).copied().collect();
    all.sort_by(f64::total_cmp);
    let ties: f64 = all.chunk_by(|a, b| a == b).map(|tied| (tied.len() as f64).powi(3) - tied.len() as f64).sum();
    let total = m + n;
    let variance = m * n / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)));
    let z = (wins - m * n / 2.0 - 0.5) / variance.sqrt().max(f64::MIN_POSITIVE);
    0.5 * puruspe::erfc(z / std::f64::consts::SQRT_2)
}
