//! Fitting: the most probable parameters of a Gaussian process given its readings.
//!
//! Maximum a posteriori by a search from several starts. It keeps nothing between decisions; many readings are first
//! fitted by a part of them, which serves as a warm start.

use super::descent;
use super::gp::{Likelihood, Parameters, Process, Readings};
use super::kernel::Kernel;

/// Readings that are fitted from several starts; more of them only refine the result.
const PART: usize = 60;

/// Steps of a search from one of several starts, and of a refinement.
const STEPS: (usize, usize) = (30, 8);

/// Deviations of the normal priors of the logarithms of length scales, amplitude and noise.
const DEVIATIONS: (f64, f64, f64) = (0.8, 1.0, 2.5);

/// ln 1e-3: the noise that is expected, as a share of the variance of the readings.
const NOISE: f64 = -6.907_755_278_982_137;

/// Bounds of the logarithms of length scales, amplitude and noise.
const BOUNDS: [(f64, f64); 3] = [(-3.9, 3.0), (-6.0, 6.0), (-18.0, 1.5)];

/// What is assumed of a metric's process before its readings are seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prior {
    /// The variance of a constant mean.
    pub(super) bias: f64,
    /// The number of dimensions of the space.
    pub(super) dimensions: usize,
}

impl Prior {
    /// The median of a length scale, which grows with the dimensions as distances do: ½ d^¼.
    fn scale(self) -> f64 {
        (0.5 * (self.dimensions as f64).powf(0.25)).ln()
    }

    fn typical(self, readings: &Readings) -> Parameters {
        let noise = if readings.repeats() > 0.0 {
            (readings.scatter / readings.repeats()).max(1e-8).ln().clamp(BOUNDS[2].0, BOUNDS[2].1)
        } else {
            NOISE
        };
        Parameters { scales: vec![self.scale(); self.dimensions], amplitude: 0.0, noise }
    }

    /// The negative logarithm of the prior density but for a constant, with its gradient.
    fn negative(self, parameters: &[f64]) -> (f64, Vec<f64>) {
        let last = parameters.len() - 1;
        let mut value = 0.0;
        let slopes = parameters.iter().enumerate().map(|(index, parameter)| {
            let (mean, deviation) = match index {
                _ if index == last => (NOISE, DEVIATIONS.2),
                _ if index + 1 == last => (0.0, DEVIATIONS.1),
                _ => (self.scale(), DEVIATIONS.0),
            };
            let z = (parameter - mean) / deviation;
            value += 0.5 * z * z;
            z / deviation
        });
        let slopes = slopes.collect();
        (value, slopes)
    }
}

/// The same readings under parameters that are no smoother than typical ones: length scales at most the prior's median,
/// amplitude at least its median. A few readings that look smooth do not prove that it is smooth.
pub(super) fn cautious(fitted: &Process, readings: &Readings, prior: Prior) -> Option<Process> {
    let typical = 2.0 * (-prior.scale()).exp();
    let rates = fitted.kernel.rates.iter().map(|rate| rate.max(typical));
    let amplitude = fitted.kernel.amplitude.max(1.0);
    let kernel = Kernel { rates: rates.collect(), amplitude, bias: fitted.kernel.bias };
    Process::new(readings, kernel, fitted.noise)
}

/// The process with the most probable parameters; none when no parameters work, such as for values that are not finite.
pub(super) fn fit(readings: &Readings, owners: &[usize], prior: Prior) -> Option<Process> {
    let typical = prior.typical(readings);
    let shifted = |by: f64| {
        let scales = typical.scales.iter().map(|scale| scale + by).collect();
        Parameters { scales, noise: if by < 0.0 { BOUNDS[2].0.max(NOISE - 4.0) } else { typical.noise }, ..typical }
    };
    let part = part(readings);
    let starts = [typical.clone(), shifted(-1.0), shifted(1.0)];
    let found = starts.iter().map(|start| search(&part, owners, prior, start, STEPS.0));
    let best = found.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(typical.clone(), |(parameters, _)| parameters);
    let best = if part.len() < readings.len() { search(readings, owners, prior, &best, STEPS.1).0 } else { best };
    let process =
        |parameters: &Parameters| Process::new(readings, parameters.kernel(owners, prior.bias), parameters.noise.exp());
    process(&best).or_else(|| process(&typical))
}

/// Readings at evenly chosen points, not more than are fitted from several starts.
fn part(readings: &Readings) -> Readings {
    let n = readings.len();
    if n <= PART {
        return readings.clone();
    }
    let chosen: Vec<usize> = (0..PART).map(|index| index * n / PART).collect();
    Readings {
        points: chosen.iter().map(|&index| readings.points[index].clone()).collect(),
        means: chosen.iter().map(|&index| readings.means[index]).collect(),
        counts: chosen.iter().map(|&index| readings.counts[index]).collect(),
        scatter: readings.scatter * chosen.iter().map(|&index| readings.counts[index] - 1.0).sum::<f64>()
            / readings.repeats().max(1.0),
    }
}

fn search(readings: &Readings, owners: &[usize], prior: Prior, start: &Parameters, steps: usize) -> (Parameters, f64) {
    let likelihood = Likelihood::new(readings, owners, prior.dimensions, prior.bias);
    let posterior = |numbers: &[f64]| {
        let (value, mut slopes) = likelihood.negative(&Parameters::from_slice(numbers));
        let (prior_value, prior_slopes) = prior.negative(numbers);
        for (slope, prior_slope) in slopes.iter_mut().zip(prior_slopes) {
            *slope += prior_slope;
        }
        (value + prior_value, slopes)
    };
    let mut bounds = vec![BOUNDS[0]; prior.dimensions];
    bounds.extend([BOUNDS[1], BOUNDS[2]]);
    let found = descent::minimize(&posterior, &start.to_vec(), &bounds, steps);
    let value = if found.value.is_finite() { found.value } else { f64::INFINITY };
    (Parameters::from_slice(&found.at), value)
}
