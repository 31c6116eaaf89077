//! The normal distribution, accurate in its tails: nothing here underflows to a wrong answer.
//!
//! Special functions come from `puruspe`; this module puts them together.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

pub(super) const HALF_LN_TAU: f64 = 0.918_938_533_204_672_8;

pub(super) fn density(z: f64) -> f64 {
    (-0.5 * z * z - HALF_LN_TAU).exp()
}

/// The distribution function Φ(z) = ½ erfc(−z/√2).
pub(super) fn cdf(z: f64) -> f64 {
    0.5 * puruspe::erfc(-z * FRAC_1_SQRT_2)
}

/// ln Φ(z): below −5 by the scaled complementary error function, as ln(½ erfcx(−z/√2)) − z²/2.
pub(super) fn ln_cdf(z: f64) -> f64 {
    if z > -5.0 { cdf(z).ln() } else { (0.5 * puruspe::erfcx(-z * FRAC_1_SQRT_2)).ln() - 0.5 * z * z }
}

/// The inverse of Φ; finite at 0 and 1, as the arguments are random numbers.
pub(super) fn quantile(probability: f64) -> f64 {
    let probability = probability.clamp(1e-16, 1.0 - 1e-16);
    -std::f64::consts::SQRT_2 * puruspe::inverfc(2.0 * probability)
}

/// Where the difference in [`ln_improvement`] is taken by its series.
const FAR: f64 = -60.0;

/// ln of φ(z) + z Φ(z), the expected improvement of a standard normal, in every tail (Ament et al. 2023, equation 9):
/// below −1 as ln φ(z) + ln(1 − |z| Φ(z)/φ(z)), and far below by the asymptotic series of that difference,
/// (1 − 3/z² + 15/z⁴ − 105/z⁶) / z², where it would be cancelled away.
pub(super) fn ln_improvement(z: f64) -> f64 {
    if z > -1.0 {
        return (density(z) + z * cdf(z)).ln();
    }
    let ln_density = -0.5 * z * z - HALF_LN_TAU;
    if z > FAR {
        let ratio = (PI / 2.0).sqrt() * puruspe::erfcx(-z * FRAC_1_SQRT_2) * -z;
        return ln_density + (-ratio).ln_1p();
    }
    let small = 1.0 / (z * z);
    ln_density + small.ln() + (small * (-3.0 + small * (15.0 - small * 105.0))).ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ∫ of the function from `from` to `to` by Simpson's rule.
    fn integrate(from: f64, to: f64, function: impl Fn(f64) -> f64) -> f64 {
        let n = 20_000;
        let h = (to - from) / f64::from(n);
        let inner: f64 = (1..n).map(|i| function(from + f64::from(i) * h) * if i % 2 == 1 { 4.0 } else { 2.0 }).sum();
        (function(from) + inner + function(to)) * h / 3.0
    }

    fn near(actual: f64, expected: f64, tolerance: f64) {
        assert!((actual - expected).abs() <= tolerance * expected.abs().max(1.0), "{actual}, not {expected}");
    }

    #[test]
    fn the_logarithm_of_the_distribution_function_agrees_with_quadrature_in_the_tails() {
        for z in [3.0, 0.0, -1.0, -4.9, -5.1, -12.0, -30.0, -100.0, -1000.0] {
            // Φ(z) = φ(z) ∫ exp(zt − t²/2) dt over t > 0, for z below 0 over a few multiples of 1/|z|.
            let reach = 40.0 / f64::max(1.0, -z);
            let tail = integrate(0.0, reach, |t| (z.min(0.0) * t - 0.5 * t * t).exp());
            let below = |z: f64| -0.5 * z * z - HALF_LN_TAU + tail.ln();
            let expected = if z > 0.0 { (0.5 + integrate(0.0, z, density)).ln() } else { below(z) };
            near(ln_cdf(z), expected, 1e-9);
        }
    }

    #[test]
    fn log_expected_improvement_agrees_with_quadrature_in_the_tails() {
        for z in [4.0_f64, 0.0, -0.99, -1.01, -3.0, -10.0, -59.0, -61.0, -500.0, -1e5, -1e7] {
            // φ(z) + zΦ(z) = ∫ Φ(t) dt up to z = φ(z) ∫ t exp(zt − t²/2) dt over t > 0, for z below 0.
            let expected = if z > 0.0 {
                (density(z) + z * (0.5 + integrate(0.0, z, density))).ln()
            } else {
                let reach = 60.0 / f64::max(1.0, -z);
                -0.5 * z * z - HALF_LN_TAU + integrate(0.0, reach, |t| t * (z * t - 0.5 * t * t).exp()).ln()
            };
            near(ln_improvement(z), expected, 1e-8);
        }
    }

    #[test]
    fn the_quantile_inverts_the_distribution_function_and_is_finite_at_its_ends() {
        for probability in [1e-9, 0.025, 0.5, 0.8, 0.999] {
            near(cdf(quantile(probability)), probability, 1e-12);
        }
        assert!(quantile(0.0) < -8.0 && quantile(0.0).is_finite() && quantile(1.0).is_finite());
    }
}
