//! A minimizer of smooth functions of a few numbers within a box.
//!
//! For likelihoods, whose evaluations are cheap. It finds local minima only and leaves starting points to its callers.

use nalgebra::{DMatrix, DVector};

/// Halvings of a step before the search gives up.
const HALVINGS: usize = 12;

/// Relative decrease below which a search has converged.
const TOLERANCE: f64 = 1e-7;

/// A value with its gradient.
pub(super) type Slope = (f64, Vec<f64>);

#[derive(Clone, Debug)]
pub(super) struct Minimum {
    pub(super) at: Vec<f64>,
    pub(super) value: f64,
}

/// Minimizes by the quasi-Newton method of Broyden, Fletcher, Goldfarb and Shanno with backtracking (Nocedal and Wright
/// 2006, algorithm 6.1); steps are projected into the box, and numbers at a bound that they press against are held.
/// Values that are not finite count as worse than all others.
pub(super) fn minimize(
    function: &dyn Fn(&[f64]) -> Slope,
    start: &[f64],
    bounds: &[(f64, f64)],
    iterations: usize,
) -> Minimum {
    let clamp = |at: &DVector<f64>| {
        let inside = at.iter().zip(bounds).map(|(value, (low, high))| value.clamp(*low, *high));
        DVector::from_iterator(at.len(), inside)
    };
    let mut at = clamp(&DVector::from_column_slice(start));
    let (mut value, slope) = function(at.as_slice());
    let mut gradient = DVector::from_vec(slope);
    let mut inverse: Option<DMatrix<f64>> = None;
    for _ in 0..iterations {
        let free = held(&at, &gradient, bounds);
        let steepest = -gradient.component_mul(&free);
        let length = steepest.norm();
        if !(length > 1e-9 && value.is_finite()) {
            break;
        }
        let mut direction = inverse
            .as_ref()
            .map_or_else(|| &steepest * (0.3 / length).min(1.0), |inverse| (inverse * &steepest).component_mul(&free));
        if direction.dot(&gradient) >= 0.0 {
            direction = &steepest * (0.3 / length).min(1.0);
            inverse = None;
        }
        let Some((next, next_value, next_gradient)) = step(function, &clamp, (&at, value, &gradient), &direction)
        else {
            if inverse.take().is_some() {
                continue;
            }
            break;
        };
        let (moved, bent) = (&next - &at, &next_gradient - &gradient);
        let done = value - next_value <= TOLERANCE * (1.0 + value.abs());
        (at, value, gradient) = (next, next_value, next_gradient);
        if done {
            break;
        }
        inverse = updated(inverse, &moved, &bent);
    }
    Minimum { at: at.as_slice().to_vec(), value }
}

/// 0 for numbers at a bound that the descent presses against, else 1.
fn held(at: &DVector<f64>, gradient: &DVector<f64>, bounds: &[(f64, f64)]) -> DVector<f64> {
    let numbers = at.iter().zip(gradient.iter()).zip(bounds).map(|((value, slope), (low, high))| {
        let pressed = (value <= low && *slope > 0.0) || (value >= high && *slope < 0.0);
        if pressed { 0.0 } else { 1.0 }
    });
    DVector::from_iterator(at.len(), numbers)
}

type State = (DVector<f64>, f64, DVector<f64>);

/// The first of ever shorter steps that decreases the value enough (Armijo's condition).
fn step(
    function: &dyn Fn(&[f64]) -> Slope,
    clamp: &dyn Fn(&DVector<f64>) -> DVector<f64>,
    (at, value, gradient): (&DVector<f64>, f64, &DVector<f64>),
    direction: &DVector<f64>,
) -> Option<State> {
    let mut length = 1.0;
    for _ in 0..HALVINGS {
        let next = clamp(&(at + direction * length));
        let expected = gradient.dot(&(&next - at));
        let (next_value, slope) = function(next.as_slice());
        if next_value.is_finite() && next_value <= value + 1e-4 * expected.min(0.0) && next_value < value {
            return Some((next, next_value, DVector::from_vec(slope)));
        }
        length *= 0.4;
    }
    None
}

/// The inverse Hessian after a step; forgotten when the curvature is not positive.
fn updated(inverse: Option<DMatrix<f64>>, moved: &DVector<f64>, bent: &DVector<f64>) -> Option<DMatrix<f64>> {
    let curvature = moved.dot(bent);
    if curvature.is_nan() || curvature <= 1e-12 * moved.norm() * bent.norm() {
        return inverse;
    }
    let n = moved.len();
    let inverse = inverse.unwrap_or_else(|| DMatrix::identity(n, n) * (curvature / bent.norm_squared()));
    let bent_inverse = &inverse * bent;
    let scale = (1.0 + bent.dot(&bent_inverse) / curvature) / curvature;
    let cross = &bent_inverse * moved.transpose() / curvature;
    Some(&inverse + moved * moved.transpose() * scale - &cross - cross.transpose())
}

#[cfg(test)]
/// The gradient by central differences, for functions that have no formula for it.
pub(super) fn differences(function: &dyn Fn(&[f64]) -> f64, at: &[f64], bounds: &[(f64, f64)]) -> Vec<f64> {
    let mut probe = at.to_vec();
    (0..at.len())
        .map(|index| {
            let (low, high) = bounds[index];
            let reach = 1e-5 * (high - low).max(f64::MIN_POSITIVE);
            let (left, right) = ((at[index] - reach).max(low), (at[index] + reach).min(high));
            probe[index] = right;
            let above = function(&probe);
            probe[index] = left;
            let below = function(&probe);
            probe[index] = at[index];
            let slope = (above - below) / (right - left);
            if slope.is_finite() { slope } else { 0.0 }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rosenbrock(x: &[f64]) -> Slope {
        let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
        (a * a + 100.0 * b * b, vec![-2.0 * a - 400.0 * x[0] * b, 200.0 * b])
    }

    #[test]
    fn a_curved_valley_is_followed_to_its_end() {
        let found = minimize(&rosenbrock, &[-1.2, 1.0], &[(-2.0, 2.0), (-2.0, 2.0)], 200);
        assert!(found.value < 1e-6, "{found:?}");
    }

    #[test]
    fn a_minimum_outside_the_box_is_approached_at_its_bound() {
        let found = minimize(&rosenbrock, &[-1.2, 1.0], &[(-2.0, 0.5), (-2.0, 2.0)], 200);
        assert!((found.at[0] - 0.5).abs() < 1e-6 && (found.at[1] - 0.25).abs() < 1e-3, "{found:?}");
    }

    #[test]
    fn differences_agree_with_the_formula() {
        let value = |x: &[f64]| rosenbrock(x).0;
        let slopes = differences(&value, &[0.3, -0.7], &[(-2.0, 2.0), (-2.0, 2.0)]);
        for (found, expected) in slopes.iter().zip(rosenbrock(&[0.3, -0.7]).1) {
            assert!((found - expected).abs() < 1e-4 * expected.abs(), "{found} {expected}");
        }
    }

    #[test]
    fn values_that_are_not_numbers_end_the_search_where_it_stands() {
        let found = minimize(&|_| (f64::NAN, vec![f64::NAN]), &[0.5], &[(0.0, 1.0)], 10);
        assert!((found.at[0] - 0.5).abs() < 1e-12);
    }
}
