//! How variants are timed: in turn, after a read of memory that measures the roof.

use crate::bench::report::Measurement;
use crate::bench::roof::Roof;
use crate::bench::statistics::median;
use crate::compute::cpu::isa::Isa;
use crate::compute::error::ModelError;
use crate::compute::kv_cache::KvCache;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Rounds that are always run, whatever they take.
const LEAST_ROUNDS: usize = 3;

/// Something that decodes one step at a time.
pub(super) trait Steps {
    /// Rows of a step.
    fn rows(&self) -> usize;

    /// Bytes of weights that a step reads.
    fn weight_bytes(&self) -> u64;

    /// Bytes of keys and values that the step before has read.
    fn cache_bytes(&self) -> u64;

    /// What has to be done before a step and is no part of it.
    fn prepare(&mut self) {}

    /// One forward pass of all rows.
    fn step(&mut self) -> Result<(), ModelError>;
}

/// The caches of all variants of one decoder: a variant with caches of its own would be faster or slower
/// than another for where they happen to lie.
pub(super) type Caches = Rc<RefCell<Vec<KvCache>>>;

/// A variant and what was measured on it.
pub(super) struct Case<'a> {
    pub(super) name: &'static str,
    pub(super) precision: &'static str,
    pub(super) times: Vec<f64>,
    isa: Isa,
    cache_bytes: Vec<f64>,
    steps: Box<dyn Steps + 'a>,
}

impl<'a> Case<'a> {
    pub(super) fn new(name: &'static str, precision: &'static str, steps: impl Steps + 'a) -> Self {
        let isa = Isa::current();
        let steps = Box::new(steps);
        Self { name, precision, times: vec![], isa, cache_bytes: vec![], steps }
    }

    pub(super) fn with_isa(mut self, isa: Isa) -> Self {
        self.isa = isa;
        self
    }

    pub(super) fn rows(&self) -> usize {
        self.steps.rows()
    }

    /// Milliseconds of one step.
    pub(super) fn run(&mut self) -> Result<f64, ModelError> {
        self.steps.prepare();
        let before = Isa::current();
        self.isa.make_current();
        let start = Instant::now();
        let outcome = self.steps.step();
        let time = start.elapsed();
        before.make_current();
        outcome?;
        self.cache_bytes.push(self.steps.cache_bytes() as f64);
        Ok(time.as_secs_f64() * 1e3)
    }

    pub(super) fn measurement(&self, from_memory: bool) -> Measurement {
        Measurement {
            name: self.name.to_owned(),
            rows: self.rows(),
            precision: self.precision.to_owned(),
            kernel: self.isa.name(),
            milliseconds: median(&self.times),
            weight_bytes: self.steps.weight_bytes(),
            cache_bytes: median(&self.cache_bytes) as u64,
            from_memory,
        }
    }
}

/// The variant of these.
pub(super) fn find<'a, 'b>(
    cases: &'a [Case<'b>],
    name: &str,
    rows: usize,
    precision: &str,
) -> Result<&'a Case<'b>, ModelError> {
    let same = |s: &&Case<'_>| s.name == name && s.rows() == rows && s.precision == precision;
    cases.iter().find(same).ok_or(ModelError::Internal("the bench lost a variant"))
}

/// Median over the rounds of the first case's time divided by the second's.
pub(super) fn ratio(first: &Case<'_>, second: &Case<'_>) -> f64 {
    let ratios = first.times.iter().zip(&second.times).map(|(first, second)| first / second);
    median(&ratios.collect::<Vec<_>>())
}

/// Steps by which one comes to each of `count` places once: those that share no factor with it.
fn strides(count: usize) -> Vec<usize> {
    let shares = |stride, factor| stride % factor == 0 && count.is_multiple_of(factor);
    (1..count.max(2)).filter(|&stride| !(2..=stride).any(|factor| shares(stride, factor))).collect()
}

/// Runs all cases once a round; after a read of all of the roof's memory each, if there is one.
/// Ends after the round in which `time` is over.
pub(super) fn interleave(
    rounds: usize,
    time: Duration,
    cases: &mut [Case<'_>],
    mut roof: Option<&mut Roof>,
) -> Result<(), ModelError> {
    let begun = Instant::now();
    let count = cases.len();
    let strides = strides(count);
    for round in 0..=rounds {
        if round > LEAST_ROUNDS && begun.elapsed() > time {
            break;
        }
        for turn in 0..count {
            // No one has a fixed place or a fixed one before it, which leaves the caches warmer for some.
            let place = (turn * strides[round % strides.len()] + round / strides.len()) % count;
            if let Some(roof) = roof.as_deref_mut() {
                roof.read()?;
            }
            let Some(case) = cases.get_mut(place) else { continue };
            let time = case.run()?;
            // The first round fills caches and pages.
            if round > 0 {
                case.times.push(time);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stride_comes_to_all_places() {
        assert_eq!(strides(9), [1, 2, 4, 5, 7, 8]);
        for count in 1..30 {
            assert!(!strides(count).is_empty());
            for stride in strides(count) {
                let mut places: Vec<usize> = (0..count).map(|turn| turn * stride % count).collect();
                places.sort_unstable();
                assert!(places.into_iter().eq(0..count), "{stride} of {count}");
            }
        }
    }
}
