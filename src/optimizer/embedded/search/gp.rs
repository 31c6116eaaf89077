//! A Gaussian process: its likelihood with gradient, and its posterior.
//!
//! Works on features and standardized values; knows neither settings nor metrics.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};

use super::kernel::{self, Kernel};

/// The share of the prior variance that is added to the diagonal of a matrix so that it can be factored.
const JITTER: f64 = 1e-9;

/// How many times the jitter grows tenfold before a factorization is given up.
const GROWTHS: i32 = 8;

/// Readings of a metric at distinct points, in the model's scale.
#[derive(Clone, Debug, Default)]
pub(super) struct Readings {
    /// Features of the distinct points.
    pub(super) points: Vec<Vec<f64>>,
    /// The mean of the readings of each.
    pub(super) means: Vec<f64>,
    /// How many readings each mean is of.
    pub(super) counts: Vec<f64>,
    /// Sum of the squared deviations of all readings from the means of their points.
    pub(super) scatter: f64,
}

impl Readings {
    /// Adds a reading; an exact repetition of a point is merged with it.
    pub(super) fn add(&mut self, features: &[f64], reading: f64) {
        let known = self.points.iter().position(|point| kernel::distance(point, features) < 1e-18);
        let Some(index) = known else {
            self.points.push(features.to_vec());
            self.means.push(reading);
            self.counts.push(1.0);
            return;
        };
        let off = reading - self.means[index];
        self.counts[index] += 1.0;
        self.means[index] += off / self.counts[index];
        self.scatter += off * (reading - self.means[index]);
    }

    pub(super) fn len(&self) -> usize {
        self.points.len()
    }

    /// Readings beyond the first one of each point.
    pub(super) fn repeats(&self) -> f64 {
        self.counts.iter().map(|count| count - 1.0).sum()
    }
}

/// The logarithms of what is fitted: a length scale per dimension, the amplitude, the variance of the noise.
#[derive(Clone, Debug)]
pub(super) struct Parameters {
    pub(super) scales: Vec<f64>,
    pub(super) amplitude: f64,
    pub(super) noise: f64,
}

impl Parameters {
    pub(super) fn to_vec(&self) -> Vec<f64> {
        self.scales.iter().copied().chain([self.amplitude, self.noise]).collect()
    }

    pub(super) fn from_slice(numbers: &[f64]) -> Self {
        let scales = numbers.len().saturating_sub(2);
        Self { scales: numbers[..scales].to_vec(), amplitude: numbers[scales], noise: numbers[scales + 1] }
    }

    pub(super) fn kernel(&self, owners: &[usize], bias: f64) -> Kernel {
        let rates = owners.iter().map(|&owner| (-self.scales[owner]).exp()).collect();
        Kernel { rates, amplitude: self.amplitude.exp(), bias }
    }
}

/// A Cholesky factor with as little jitter as works.
pub(super) fn factor(matrix: &DMatrix<f64>, scale: f64) -> Option<Cholesky<f64, Dyn>> {
    let mut jitter = JITTER * scale.max(f64::MIN_POSITIVE);
    for _ in 0..=GROWTHS {
        let mut matrix = matrix.clone();
        for index in 0..matrix.nrows() {
            matrix[(index, index)] += jitter;
        }
        if let Some(factor) = Cholesky::new(matrix) {
            return Some(factor);
        }
        jitter *= 10.0;
    }
    None
}

/// The likelihood of readings as a function of the parameters.
pub(super) struct Likelihood<'a> {
    readings: &'a Readings,
    owners: &'a [usize],
    bias: f64,
    dimensions: usize,
    /// Of each pair of points, in the order of a lower triangle: the squared difference in every dimension.
    gaps: Vec<f64>,
}

impl<'a> Likelihood<'a> {
    pub(super) fn new(readings: &'a Readings, owners: &'a [usize], dimensions: usize, bias: f64) -> Self {
        let n = readings.len();
        let mut gaps = vec![0.0; n * n.saturating_sub(1) / 2 * dimensions];
        let mut pairs = gaps.chunks_exact_mut(dimensions.max(1));
        for i in 0..n {
            for j in 0..i {
                let Some(gap) = pairs.next() else { break };
                for (&owner, (a, b)) in owners.iter().zip(readings.points[i].iter().zip(&readings.points[j])) {
                    gap[owner] += (a - b) * (a - b);
                }
            }
        }
        Self { readings, owners, bias, dimensions, gaps }
    }

    /// The negative logarithm of the marginal likelihood with its gradient (Rasmussen and Williams 2006, equations 5.8
    /// and 5.9). Repeated readings enter by their mean, whose noise is divided by their count, and by their scatter;
    /// that is exact. Infinite where the matrix cannot be factored.
    pub(super) fn negative(&self, parameters: &Parameters) -> (f64, Vec<f64>) {
        let n = self.readings.len();
        let kernel = parameters.kernel(self.owners, self.bias);
        let noise = parameters.noise.exp();
        let rates: Vec<f64> = parameters.scales.iter().map(|scale| (-2.0 * scale).exp()).collect();
        let matrix = self.covariance(&kernel, &rates, noise);
        let mut gradient = vec![0.0; self.dimensions + 2];
        let Some(factor) = factor(&matrix, kernel.prior()) else { return (f64::INFINITY, gradient) };
        let values = DVector::from_column_slice(&self.readings.means);
        let weights = factor.solve(&values);
        let ln_determinant: f64 = factor.l_dirty().diagonal().iter().map(|value| value.ln()).sum();
        let (repeats, scatter) = (self.readings.repeats(), self.readings.scatter);
        let value = 0.5 * values.dot(&weights)
            + ln_determinant
            + 0.5 * (repeats * parameters.noise + scatter / noise)
            + n as f64 * super::normal::HALF_LN_TAU;
        // Half of K⁻¹ − K⁻¹y (K⁻¹y)ᵀ, contracted with the derivative of K by each parameter.
        let inverse = factor.inverse();
        let mut pairs = self.gaps.chunks_exact(self.dimensions.max(1));
        let mut noise_slope = 0.5 * (repeats - scatter / noise);
        let mut amplitude_slope = 0.0;
        for i in 0..n {
            let own = 0.5 * (inverse[(i, i)] - weights[i] * weights[i]);
            noise_slope += own * noise / self.readings.counts[i];
            amplitude_slope += own * kernel.amplitude;
            for j in 0..i {
                let Some(gap) = pairs.next() else { break };
                let pull = inverse[(i, j)] - weights[i] * weights[j];
                amplitude_slope += pull * (matrix[(i, j)] - kernel.bias);
                let squared: f64 = gap.iter().zip(&rates).map(|(gap, rate)| gap * rate).sum();
                let slope = pull * kernel.amplitude * kernel::matern_slope(squared);
                for (total, (gap, rate)) in gradient.iter_mut().zip(gap.iter().zip(&rates)) {
                    *total += slope * gap * rate;
                }
            }
        }
        gradient[self.dimensions] = amplitude_slope;
        gradient[self.dimensions + 1] = noise_slope;
        (value, gradient)
    }

    fn covariance(&self, kernel: &Kernel, rates: &[f64], noise: f64) -> DMatrix<f64> {
        let n = self.readings.len();
        let mut matrix = DMatrix::zeros(n, n);
        let mut pairs = self.gaps.chunks_exact(self.dimensions.max(1));
        for i in 0..n {
            matrix[(i, i)] = kernel.prior() + noise / self.readings.counts[i];
            for j in 0..i {
                let Some(gap) = pairs.next() else { break };
                let squared: f64 = gap.iter().zip(rates).map(|(gap, rate)| gap * rate).sum();
                let value = kernel.at(squared);
                matrix[(i, j)] = value;
                matrix[(j, i)] = value;
            }
        }
        matrix
    }
}

/// A mean and a variance.
pub(super) type Moments = (f64, f64);

/// A Gaussian process that is conditioned on readings.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) kernel: Kernel,
    /// The variance of a reading's noise.
    pub(super) noise: f64,
    /// Scaled features of the points, one after the other.
    points: Vec<f64>,
    means: Vec<f64>,
    counts: Vec<f64>,
    factor: Cholesky<f64, Dyn>,
    weights: DVector<f64>,
}

impl Process {
    /// Conditions on readings; `None` if the matrix cannot be factored, such as for values that are not finite.
    pub(super) fn new(readings: &Readings, kernel: Kernel, noise: f64) -> Option<Self> {
        let points: Vec<f64> = readings.points.iter().flat_map(|point| kernel.scaled(point)).collect();
        let mut matrix = gram(&kernel, &points);
        for (index, count) in readings.counts.iter().enumerate() {
            matrix[(index, index)] += noise / count;
        }
        let factor = factor(&matrix, kernel.prior())?;
        let weights = factor.solve(&DVector::from_column_slice(&readings.means));
        let (means, counts) = (readings.means.clone(), readings.counts.clone());
        weights.iter().all(|weight| weight.is_finite()).then_some(Self {
            kernel,
            noise,
            points,
            means,
            counts,
            factor,
            weights,
        })
    }

    /// Mean and variance of the true value at a point (Rasmussen and Williams 2006, equations 2.25 and 2.26).
    pub(super) fn predict(&self, features: &[f64]) -> Moments {
        let row = self.row(features);
        (self.weights.dot(&row), self.variance(row))
    }

    /// The mean alone, which is much cheaper to compute.
    pub(super) fn mean(&self, features: &[f64]) -> f64 {
        self.weights.dot(&self.row(features))
    }

    /// Covariances of a point with the readings' points.
    pub(super) fn row(&self, features: &[f64]) -> DVector<f64> {
        let scaled = self.kernel.scaled(features);
        let points = self.points.chunks_exact(scaled.len().max(1));
        DVector::from_iterator(self.means.len(), points.map(|point| self.kernel.at(kernel::distance(point, &scaled))))
    }

    /// The variance at the point that a row is of.
    pub(super) fn variance(&self, mut row: DVector<f64>) -> f64 {
        self.factor.l_dirty().solve_lower_triangular_mut(&mut row);
        (self.kernel.prior() - row.norm_squared()).max(1e-12 * self.kernel.prior())
    }

    /// The share of the variance of the true value at a point that a reading at another one would remove (Rasmussen and
    /// Williams 2006, equation 2.26).
    pub(super) fn explained_variance(&self, by: &[f64], about: &[f64]) -> f64 {
        let (here, there) = (self.row(by), self.row(about));
        let [a, b] = [by, about].map(|features| self.kernel.scaled(features));
        let prior = self.kernel.at(kernel::distance(&a, &b));
        let covariance = prior - here.dot(&self.factor.solve(&there));
        covariance.powi(2) / (self.variance(there) * (self.variance(here) + self.noise))
    }

    /// Means and covariance matrix of the true values at the readings' points.
    pub(super) fn joint(&self) -> (DVector<f64>, DMatrix<f64>) {
        let gram = gram(&self.kernel, &self.points);
        let half = self.factor.l_dirty().solve_lower_triangular(&gram).unwrap_or_else(|| gram.clone() * 0.0);
        (&gram * &self.weights, &gram - half.transpose() * half)
    }

    /// The same process given exact values at the readings' points, whatever they are: the factor, and the process.
    pub(super) fn known(&self) -> Option<(Cholesky<f64, Dyn>, Self)> {
        let gram = gram(&self.kernel, &self.points);
        let factor = factor(&gram, self.kernel.prior() * 1e2)?;
        Some((factor.clone(), Self { factor, noise: 0.0, ..self.clone() }))
    }

    /// How many distinct points there are readings of.
    pub(super) fn len(&self) -> usize {
        self.counts.len()
    }
}

fn gram(kernel: &Kernel, scaled: &[f64]) -> DMatrix<f64> {
    let width = kernel.rates.len().max(1);
    let n = scaled.len() / width;
    let point = |index: usize| &scaled[index * width..(index + 1) * width];
    let mut matrix = DMatrix::zeros(n, n);
    for i in 0..n {
        matrix[(i, i)] = kernel.prior();
        for j in 0..i {
            let value = kernel.at(kernel::distance(point(i), point(j)));
            matrix[(i, j)] = value;
            matrix[(j, i)] = value;
        }
    }
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(list: &[(f64, f64)]) -> Readings {
        let mut readings = Readings::default();
        for (at, value) in list {
            readings.add(&[*at], *value);
        }
        readings
    }

    #[test]
    fn the_posterior_of_two_readings_is_that_of_two_by_two_algebra() {
        let kernel = Kernel { rates: vec![2.0], amplitude: 1.5, bias: 0.0 };
        let process = Process::new(&readings(&[(0.0, 1.0), (1.0, -2.0)]), kernel.clone(), 0.1).expect("a factor");
        let (mean, variance) = process.predict(&[0.25]);
        // K = [[a, b], [b, a]] with noise; its inverse by Cramer's rule.
        let k = |distance: f64| kernel.at((2.0 * distance).powi(2));
        let (a, b, to_first, to_second) = (k(0.0) + 0.1, k(1.0), k(0.25), k(0.75));
        let determinant = a * a - b * b;
        let solve = |p: f64, q: f64| ((a * p - b * q) / determinant, (a * q - b * p) / determinant);
        let (first, second) = solve(1.0, -2.0);
        assert!((mean - (to_first * first + to_second * second)).abs() < 1e-7);
        let (first, second) = solve(to_first, to_second);
        assert!((variance - (k(0.0) - to_first * first - to_second * second)).abs() < 1e-7);
    }

    #[test]
    fn merged_repetitions_give_the_posterior_and_likelihood_of_the_readings_themselves() {
        let merged = readings(&[(0.0, 1.0), (0.0, 3.0), (0.6, -1.0)]);
        assert_eq!((merged.len(), merged.repeats()), (2, 1.0));
        assert!((merged.means[0] - 2.0).abs() < 1e-12 && (merged.scatter - 2.0).abs() < 1e-12);
        // Apart by a hair, so that they are not merged.
        let apart = readings(&[(0.0, 1.0), (1e-6, 3.0), (0.6, -1.0)]);
        let parameters = Parameters { scales: vec![-0.5], amplitude: 0.2, noise: -1.0 };
        let negative = |readings: &Readings| Likelihood::new(readings, &[0], 1, 0.3).negative(&parameters).0;
        // Two readings of one point have the density of their mean times that of their difference, √2 times √π σ.
        let difference = 0.5 * (2.0 * std::f64::consts::PI).ln() + 0.5 * 2.0_f64.ln();
        assert!((negative(&merged) + difference - negative(&apart)).abs() < 1e-5);
        let kernel = parameters.kernel(&[0], 0.3);
        let mean = |of: &Readings| Process::new(of, kernel.clone(), 0.4).expect("a factor").mean(&[0.2]);
        assert!((mean(&merged) - mean(&apart)).abs() < 1e-5);
    }

    #[test]
    fn the_gradient_of_the_likelihood_agrees_with_differences() {
        let mut readings = Readings::default();
        for (x, y, value) in [(0.0, 0.1, 1.0), (0.3, 0.9, -0.5), (0.8, 0.4, 0.2), (0.5, 0.5, 1.4), (0.5, 0.5, 1.1)] {
            readings.add(&[x, y], value);
        }
        let likelihood = Likelihood::new(&readings, &[0, 1], 2, 1.0);
        let at = [-0.7, 0.3, 0.4, -2.0];
        let (_, gradient) = likelihood.negative(&Parameters::from_slice(&at));
        let value = |at: &[f64]| likelihood.negative(&Parameters::from_slice(at)).0;
        let expected = super::super::descent::differences(&value, &at, &[(-5.0, 5.0); 4]);
        for (found, expected) in gradient.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
    }

    #[test]
    fn joint_moments_agree_with_predictions_at_the_same_points() {
        let kernel = Kernel { rates: vec![1.5], amplitude: 1.0, bias: 0.5 };
        let process = Process::new(&readings(&[(0.0, 1.0), (0.4, 0.0), (1.0, -2.0)]), kernel, 0.2).expect("a factor");
        let (means, covariance) = process.joint();
        for (index, at) in [0.0, 0.4, 1.0].into_iter().enumerate() {
            let (mean, variance) = process.predict(&[at]);
            assert!((mean - means[index]).abs() < 1e-6 && (variance - covariance[(index, index)]).abs() < 1e-6);
        }
    }
}
