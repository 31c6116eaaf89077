//! Explanations for the end of a search: what matters, how a metric depends on a setting, what a margin costs.

use super::decide::Analysis;
use super::model::Model;
use super::problem::{ObjectiveSource, Prediction};
use super::sequence;
use super::space::Point;
use super::{Metric, Sensitivity, Tradeoff};

/// Points that an average over the space is of.
const POINTS: usize = 128;

/// Values of a curve along a dimension, at most.
const VALUES: usize = 25;

/// How much each dimension matters to each metric: first-order effects of the posterior mean, the variance of the
/// partial dependence along a dimension (Sobol 1993), as shares of their sum. Interactions are not in it.
pub(super) fn sensitivity(analysis: &Analysis<'_>) -> Vec<Sensitivity> {
    let objective = analysis.models.objective.as_ref().map(|model| shares(analysis, model));
    let constraints: Vec<Option<Vec<f64>>> =
        analysis.models.constraints.iter().map(|model| model.as_ref().map(|model| shares(analysis, model))).collect();
    (0..analysis.problem.space.dimensions.len())
        .map(|dimension| Sensitivity {
            objective: objective.as_ref().map(|shares| shares[dimension]),
            constraints: constraints.iter().map(|shares| shares.as_ref().map(|shares| shares[dimension])).collect(),
        })
        .collect()
}

/// Equal shares when nothing matters.
fn shares(analysis: &Analysis<'_>, model: &Model) -> Vec<f64> {
    let background = background(analysis);
    let width = analysis.problem.space.dimensions.len();
    let effects = (0..width).map(|dimension| {
        let means: Vec<f64> = values(analysis, dimension)
            .into_iter()
            .map(|value| {
                let means = replaced(&background, dimension, value)
                    .map(|point| model.process.mean(&analysis.models.features.of(&point)));
                means.sum::<f64>() / POINTS as f64
            })
            .collect();
        let mean = means.iter().sum::<f64>() / means.len() as f64;
        means.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / means.len() as f64
    });
    let effects: Vec<f64> = effects.collect();
    let total: f64 = effects.iter().sum();
    let even = 1.0 / width as f64;
    effects.iter().map(|effect| if total > 1e-12 { effect / total } else { even }).collect()
}

/// A metric along one dimension, averaged over the others (Friedman 2001, equation 53). The deviation is the mean of
/// the points' deviations, which is an upper bound of that of their average.
pub(super) fn partial_dependence(analysis: &Analysis<'_>, dimension: usize, metric: Metric) -> Vec<(f64, Prediction)> {
    if dimension >= analysis.problem.space.dimensions.len() {
        return Vec::new();
    }
    let model = match metric {
        Metric::Objective => analysis.models.objective.as_ref(),
        Metric::Constraint(index) => analysis.models.constraints.get(index).and_then(Option::as_ref),
    };
    let cost = match (&analysis.problem.objective, metric) {
        (ObjectiveSource::Computed(function), Metric::Objective) => Some(function),
        _ => None,
    };
    let at = |point: &Point| match (cost, model) {
        (Some(function), _) => Some(Prediction { mean: function(point), deviation: 0.0 }),
        (None, model) => model.map(|model| model.prediction(&analysis.models.features.of(point))),
    };
    let background = background(analysis);
    let average = |value: f64| {
        let predictions = replaced(&background, dimension, value).map(|point| at(&point));
        let predictions: Vec<Prediction> = predictions.collect::<Option<_>>()?;
        let mean = |part: fn(&Prediction) -> f64| predictions.iter().map(part).sum::<f64>() / POINTS as f64;
        Some((value, Prediction { mean: mean(|p| p.mean), deviation: mean(|p| p.deviation) }))
    };
    values(analysis, dimension).into_iter().filter_map(average).collect()
}

/// The tried points that no other one beats in both the objective and the tightest margin, cheapest first.
pub(super) fn front(analysis: &Analysis<'_>) -> Vec<Tradeoff> {
    let mut points: Vec<Tradeoff> = analysis
        .evaluated()
        .filter_map(|point| {
            let features = analysis.models.features.of(point);
            let objective = analysis.forecast(point).objective?.mean;
            let margins = analysis.models.constraints.iter().flatten().filter_map(|model| model.margin(&features));
            let margin = margins.reduce(f64::min)?;
            Some(Tradeoff { point: point.clone(), objective, margin })
        })
        .collect();
    points.sort_by(|a, b| a.objective.total_cmp(&b.objective).then(b.margin.total_cmp(&a.margin)));
    let mut best = f64::NEG_INFINITY;
    points.retain(|tradeoff| {
        let better = tradeoff.margin > best;
        best = best.max(tradeoff.margin);
        better
    });
    points
}

/// Points that cover the space.
fn background(analysis: &Analysis<'_>) -> Vec<Point> {
    let space = &analysis.problem.space;
    let position = |index| sequence::sobol(analysis.problem.seed, index, space.dimensions.len());
    (0..POINTS).map(|index| space.at(&position(index))).collect()
}

fn replaced(points: &[Point], dimension: usize, value: f64) -> impl Iterator<Item = Point> {
    points.iter().map(move |point| {
        let mut point = point.clone();
        point[dimension] = value;
        point
    })
}

/// Permitted values from the least to the greatest, evenly chosen where there are many.
fn values(analysis: &Analysis<'_>, dimension: usize) -> Vec<f64> {
    let dimension = analysis.problem.space.dimensions[dimension];
    let (low, high) = dimension.bounds();
    let count = dimension.values().min(VALUES);
    let last = (count - 1).max(1) as f64;
    let mut values: Vec<f64> =
        (0..count).map(|index| dimension.snap(low + index as f64 / last * (high - low))).collect();
    values.dedup();
    values
}
