//! Functions with known optima.
//!
//! Formulas and optima of Branin, Hartmann, Ackley, Levy and Styblinski-Tang are those of Surjanovic and Bingham,
//! *Virtual Library of Simulation Experiments*; the constrained simulation is the first one of Gardner et al. 2014;
//! G24 is of Liang et al., *Problem Definitions and Evaluation Criteria for the CEC 2006 Special Session*.

use std::f64::consts::PI;

use servox::internals::connectors::simulation::model::{Service, Settings};
use servox::internals::optimizer::embedded::search::Dimension;

/// The truth at a point: the value to be minimized and the values of the constraints; `None` where a trial fails.
pub(crate) type Truth = Option<(f64, Vec<f64>)>;

/// A function to be minimized.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) dimensions: Vec<Dimension>,
    pub(crate) truth: fn(&[f64]) -> Truth,
    /// Standard deviation of the noise of the objective's readings.
    pub(crate) noise: f64,
    /// Relative standard deviation of the noise of the constraints' readings.
    pub(crate) relative: f64,
    /// Greatest permitted values of the constraints.
    pub(crate) thresholds: Vec<f64>,
    pub(crate) optimum: f64,
    /// None: drawn from the seed.
    pub(crate) baseline: Option<Vec<f64>>,
    /// The share of the trials whose first constraint is read as up to a thousand times of what it is.
    pub(crate) outliers: f64,
    /// The objective where it is known beforehand.
    pub(crate) price: Option<fn(&[f64]) -> f64>,
}

/// Steps of a dimension's lattice.
const LATTICE: f64 = 4_000.0;

fn free(name: &'static str, bounds: &[(f64, f64)], truth: fn(&[f64]) -> Truth, noise: f64, optimum: f64) -> Case {
    let dimensions =
        bounds.iter().map(|&(min, max)| Dimension::Steps { min, max, step: (max - min) / LATTICE }).collect();
    let (thresholds, baseline) = (Vec::new(), None);
    Case { name, dimensions, truth, noise, relative: 0.0, thresholds, optimum, baseline, outliers: 0.0, price: None }
}

/// Without constraints; the last two were named before any tuning and are kept out of it.
pub(crate) fn unconstrained() -> Vec<Case> {
    let plane = [(-5.0, 10.0), (0.0, 15.0)];
    vec![
        free("branin", &plane, |x| Some((branin(x), vec![])), 0.0, 0.397_887_357_729_738),
        free("hartmann6", &[(0.0, 1.0); 6], |x| Some((hartmann(x), vec![])), 0.0, -3.322_368_011_391_339),
        free("ackley5", &[(-32.768, 32.768); 5], |x| Some((ackley(x), vec![])), 0.0, 0.0),
        free("branin-noisy", &plane, |x| Some((branin(x), vec![])), 5.0, 0.397_887_357_729_738),
        free("hartmann6-noisy", &[(0.0, 1.0); 6], |x| Some((hartmann(x), vec![])), 0.2, -3.322_368_011_391_339),
        free("levy4", &[(-10.0, 10.0); 4], |x| Some((levy(x), vec![])), 0.0, 0.0),
        free("styblinski3", &[(-5.0, 5.0); 3], |x| Some((styblinski(x), vec![])), 0.0, -117.498_497_1),
    ]
}

/// With constraints.
pub(crate) fn constrained() -> Vec<Case> {
    let mut gardner = free("gardner1", &[(0.0, 6.0); 2], gardner, 0.0, -2.0);
    gardner.thresholds = vec![0.5];
    gardner.baseline = Some(vec![3.5, 1.5]);
    let mut g24 = free("g24", &[(0.0, 3.0), (0.0, 4.0)], g24, 0.0, -5.508_013_271_595_253);
    g24.thresholds = vec![0.0, 0.0];
    g24.baseline = Some(vec![2.0, 1.0]);
    vec![gardner, g24, service_case(), cliff("cliff", 0.0), cliff("cliff-outliers", 0.05)]
}

fn branin(x: &[f64]) -> f64 {
    let curve = x[1] - 5.1 / (4.0 * PI * PI) * x[0] * x[0] + 5.0 / PI * x[0] - 6.0;
    curve * curve + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * x[0].cos() + 10.0
}

fn hartmann(x: &[f64]) -> f64 {
    const ALPHA: [f64; 4] = [1.0, 1.2, 3.0, 3.2];
    const A: [[f64; 6]; 4] = [
        [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
        [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
        [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
        [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
    ];
    const P: [[f64; 6]; 4] = [
        [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
        [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
        [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
        [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
    ];
    let hills = ALPHA.iter().zip(A.iter().zip(&P)).map(|(alpha, (a, p))| {
        let exponent: f64 = x.iter().zip(a.iter().zip(p)).map(|(x, (a, p))| a * (x - p) * (x - p)).sum();
        alpha * (-exponent).exp()
    });
    -hills.sum::<f64>()
}

/// Where the shifted function has its optimum.
const SHIFT: [f64; 5] = [9.0, -13.0, 5.0, 16.0, -7.0];

fn ackley(x: &[f64]) -> f64 {
    let n = x.len() as f64;
    let shifted = || x.iter().zip(SHIFT).map(|(x, shift)| x - shift);
    let square = shifted().map(|x| x * x).sum::<f64>() / n;
    let wave = shifted().map(|x| (2.0 * PI * x).cos()).sum::<f64>() / n;
    -20.0 * (-0.2 * square.sqrt()).exp() - wave.exp() + 20.0 + 1.0_f64.exp()
}

fn levy(x: &[f64]) -> f64 {
    let w: Vec<f64> = x.iter().map(|x| 1.0 + (x - 1.0) / 4.0).collect();
    let (first, last) = (w[0], w[w.len() - 1]);
    let inner: f64 =
        w[..w.len() - 1].iter().map(|w| (w - 1.0).powi(2) * (1.0 + 10.0 * (PI * w + 1.0).sin().powi(2))).sum();
    (PI * first).sin().powi(2) + inner + (last - 1.0).powi(2) * (1.0 + (2.0 * PI * last).sin().powi(2))
}

fn styblinski(x: &[f64]) -> f64 {
    0.5 * x.iter().map(|x| x.powi(4) - 16.0 * x * x + 5.0 * x).sum::<f64>()
}

#[expect(clippy::unnecessary_wraps, reason = "the type of all truths")]
fn gardner(x: &[f64]) -> Truth {
    let value = (2.0 * x[0]).cos() * x[1].cos() + x[0].sin();
    Some((value, vec![x[0].cos() * x[1].cos() - x[0].sin() * x[1].sin()]))
}

#[expect(clippy::unnecessary_wraps, reason = "the type of all truths")]
fn g24(x: &[f64]) -> Truth {
    let (a, b) = (x[0], x[1]);
    let first = -2.0 * a.powi(4) + 8.0 * a.powi(3) - 8.0 * a * a + b - 2.0;
    let second = -4.0 * a.powi(4) + 32.0 * a.powi(3) - 88.0 * a * a + 96.0 * a + b - 36.0;
    Some((-a - b, vec![first, second]))
}

/// The service of the simulation connector's defaults.
const SERVICE: Service =
    Service { load: 240.0, work: 0.012, wait: 0.02, timeout: 2.0, memory_base: 0.25, memory_per_worker: 0.0625 };

/// The greatest permitted p99 latency of the service in milliseconds.
const P99: f64 = 600.0;

/// The cost per hour of the service's settings: cpu, mem, replicas, workers.
pub(crate) fn price(x: &[f64]) -> f64 {
    x[2] * (0.0316 * x[0] + 0.0042 * x[1])
}

/// Cost per hour, and p99 latency.
fn service(x: &[f64]) -> Truth {
    let settings = Settings { cpu: x[0], mem: x[1], replicas: x[2], workers: x[3] };
    SERVICE.truth(&settings).map(|metrics| (price(x), vec![metrics.p99_latency]))
}

fn service_case() -> Case {
    let fine = Dimension::Steps { min: 0.25, max: 4.0, step: 0.25 };
    let whole = |min, max, step| Dimension::Steps { min, max, step };
    let dimensions = vec![fine, fine, whole(2.0, 8.0, 2.0), whole(1.0, 16.0, 1.0)];
    let space = servox::internals::optimizer::embedded::search::Space { dimensions: dimensions.clone() };
    let all = space.enumerate(1 << 20);
    let feasible = all.iter().filter_map(|point| service(point)).filter(|(_, slo)| slo[0] <= P99);
    let optimum = feasible.map(|(cost, _)| cost).fold(f64::INFINITY, f64::min);
    Case {
        name: "service",
        dimensions,
        truth: service,
        noise: 0.0,
        relative: 0.1,
        thresholds: vec![P99],
        optimum,
        baseline: Some(vec![2.0, 2.0, 4.0, 6.0]),
        outliers: 0.0,
        price: Some(price),
    }
}

/// Prices of a core and a GiB for an hour.
fn container_price(x: &[f64]) -> f64 {
    0.0316 * x[0] + 0.0042 * x[1]
}

/// Cost per hour, p99 latency in milliseconds and percent of errors of one container at 150 requests/s, after what a
/// real one was measured to do: all is well down to 0.5 cores, and below that it falls behind by so much that most
/// requests wait for seconds or fail.
#[expect(clippy::unnecessary_wraps, reason = "the type of all truths")]
fn container(x: &[f64]) -> Truth {
    let [cpu, memory, workers] = [x[0], x[1], x[2]];
    let utilization = 0.33 / cpu.min(workers);
    let queued = 4.0 * (16.4 * (utilization - 0.7)).exp().max(1.0);
    let behind = 38e3 * (1.0 - 1.0 / utilization);
    let lives = memory > 0.03125 + 0.001 * workers && utilization < 2.0;
    let p99 = match (lives, utilization > 1.0) {
        (false, _) => 30_001.0,
        (true, true) => behind.clamp(500.0, 30_001.0),
        (true, false) => queued.min(500.0),
    };
    Some((container_price(x), vec![p99, if lives { 0.0 } else { 100.0 }]))
}

fn cliff(name: &'static str, outliers: f64) -> Case {
    let steps = |min, max, step| Dimension::Steps { min, max, step };
    let dimensions = vec![steps(0.125, 1.5, 0.125), steps(0.03125, 0.5, 0.03125), steps(1.0, 16.0, 1.0)];
    Case {
        name,
        dimensions,
        truth: container,
        noise: 0.0,
        relative: 0.05,
        thresholds: vec![50.0, 1.0],
        optimum: container_price(&[0.5, 0.0625]),
        baseline: Some(vec![1.0, 0.25, 8.0]),
        outliers,
        price: Some(container_price),
    }
}
