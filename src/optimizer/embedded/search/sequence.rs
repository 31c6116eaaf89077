//! Sequences of points that need no model: pseudo-random, and scrambled Sobol.
//!
//! A seed and an index fix both, in every version, as the replay of a journal must propose the same points.

use oorandom::Rand64;

/// Points of the Sobol sequence before it repeats.
const PERIOD: u32 = 1 << 16;

/// A generator for one decision: PCG-XSL-RR 128/64 (O'Neill 2014), its stream chosen by the number of observations, so
/// that it needs no state between decisions.
pub(super) fn generator(seed: u64, stream: usize) -> Rand64 {
    Rand64::new_inc(u128::from(seed), stream as u128)
}

/// A point of the unit cube, uniformly at random.
pub(super) fn random(generator: &mut Rand64, dimensions: usize) -> Vec<f64> {
    (0..dimensions).map(|_| generator.rand_float()).collect()
}

/// A standard normal deviate: the inverse distribution function of a uniform one.
pub(super) fn normal(generator: &mut Rand64) -> f64 {
    super::normal::quantile(generator.rand_float())
}

/// A point of the Sobol sequence (direction numbers of Joe and Kuo 2008) under Owen's scrambling by hashing (Burley
/// 2020): the first 2^k points of a seed have one point in each of 2^k equal intervals of every dimension.
pub(super) fn sobol(seed: u64, index: usize, dimensions: usize) -> Vec<f64> {
    let index = (index as u64 % u64::from(PERIOD)) as u32;
    let seed = (seed ^ (seed >> 32)) as u32;
    let sets = sobol_burley::NUM_DIMENSIONS;
    (0..dimensions as u32)
        .map(|dimension| f64::from(sobol_burley::sample(index, dimension % sets, seed.wrapping_add(dimension / sets))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_published_one() {
        // The streams that journals depend on must never change.
        let mut numbers = generator(1, 0);
        let first: Vec<u64> = (0..3).map(|_| numbers.rand_u64()).collect();
        let mut again = generator(1, 0);
        assert_eq!(first, (0..3).map(|_| again.rand_u64()).collect::<Vec<_>>());
        assert_ne!(first[0], generator(1, 1).rand_u64());
        assert_ne!(first[0], generator(2, 0).rand_u64());
    }

    #[test]
    fn sobol_points_are_stratified_in_every_dimension_and_pair_of_first_ones() {
        for seed in [0, 1, u64::MAX] {
            let points: Vec<Vec<f64>> = (0..16).map(|index| sobol(seed, index, 8)).collect();
            for dimension in 0..8 {
                let mut cells: Vec<usize> = points.iter().map(|point| (point[dimension] * 16.0) as usize).collect();
                cells.sort_unstable();
                assert_eq!(cells, (0..16).collect::<Vec<_>>(), "seed {seed}, dimension {dimension}");
            }
            // A (0, 4, 2) net: one point in each of 4 × 4 squares.
            let mut cells: Vec<usize> =
                points.iter().map(|point| (point[0] * 4.0) as usize * 4 + (point[1] * 4.0) as usize).collect();
            cells.sort_unstable();
            assert_eq!(cells, (0..16).collect::<Vec<_>>(), "seed {seed}");
        }
    }

    #[test]
    fn sobol_does_not_fail_beyond_its_period_and_its_dimensions() {
        assert_eq!(sobol(1, 65_536, 2), sobol(1, 0, 2));
        assert!(sobol(1, 3, 600).iter().all(|value| (0.0..1.0).contains(value)));
    }
}
