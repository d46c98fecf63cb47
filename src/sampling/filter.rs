//! Temperature, top-k and top-p in the order and with the tie rules of the LlamaGen program (filters
//! after guidance): divide by the temperature, keep the k largest logits and what ties with the last
//! of them, then keep the smallest head of the sorted distribution whose probability exceeds p.

use crate::sampling::settings::Sampling;
use std::cmp::Ordering;

/// Smallest temperature that is divided by, as in the LlamaGen program.
const SMALLEST_TEMPERATURE: f32 = 1e-5;

/// How many of the most probable tokens top-p sorts at first; it goes on in larger pieces while their
/// probability does not suffice, so that a peaked distribution of 64 000 codes is never fully sorted.
const FIRST_PIECE: usize = 256;

/// Probabilities after temperature, top-k and top-p, one per logit, zeros for dropped tokens.
///
/// At least one token survives, all that tie with the k-th do, and the survivors' probabilities sum
/// to 1. A `top_k` of 0 or at least the vocabulary, and a `top_p` of at least 1, filter nothing.
/// Non-finite logits give NaN.
pub fn filtered_probabilities(logits: &[f32], sampling: &Sampling) -> Vec<f32> {
    let mut survivors = Survivors::default();
    survivors.filter(logits, sampling);
    let mut probabilities = vec![0.0; logits.len()];
    for candidate in survivors.candidates() {
        if let Some(probability) = probabilities.get_mut(candidate.token as usize) {
            *probability = survivors.probability(candidate.logit);
        }
    }
    probabilities
}

/// A token that may still be drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub token: u32,
    pub logit: f32,
}

/// The tokens that the filters leave, and their softmax. The memory is reused from step to step.
#[derive(Debug, Clone, Default)]
pub(super) struct Survivors {
    candidates: Vec<Candidate>,
    temperature: f64,
    max: f64,
    total: f64,
}

impl Survivors {
    /// Filters one step's logits.
    pub(super) fn filter(&mut self, logits: &[f32], sampling: &Sampling) {
        self.candidates.clear();
        self.candidates.extend((0..).zip(logits).map(|(token, &logit)| Candidate { token, logit }));
        self.temperature = f64::from(sampling.temperature.max(SMALLEST_TEMPERATURE));
        self.max = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        if let Some(k) = sampling.top_k {
            self.keep_top_k(k);
        }
        self.total = self.mass(&self.candidates);
        if sampling.top_p < 1.0 {
            self.keep_top_p(f64::from(sampling.top_p));
            self.total = self.mass(&self.candidates);
        }
    }

    /// What is left, in no particular order.
    pub(super) fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// Logit over temperature, relative to the largest; the logarithm of the probability up to a
    /// constant.
    pub(super) fn exponent(&self, logit: f32) -> f64 {
        (f64::from(logit) - self.max) / self.temperature
    }

    /// Probability of a survivor with this logit.
    pub(super) fn probability(&self, logit: f32) -> f32 {
        (self.exponent(logit).exp() / self.total) as f32
    }

    fn mass(&self, candidates: &[Candidate]) -> f64 {
        candidates.iter().map(|candidate| self.exponent(candidate.logit).exp()).sum()
    }

    /// Drops logits strictly below the k-th largest.
    fn keep_top_k(&mut self, k: usize) {
        if k == 0 || k >= self.candidates.len() {
            return;
        }
        let (_, last, below) = self.candidates.select_nth_unstable_by(k - 1, most_probable_first);
        let mut kept = k;
        for place in 0..below.len() {
            if below[place].logit == last.logit {
                below.swap(place, kept - k);
                kept += 1;
            }
        }
        self.candidates.truncate(kept);
    }

    /// Drops tokens whose more probable predecessors already hold more than p together.
    fn keep_top_p(&mut self, p: f64) {
        let limit = p * self.total;
        let (mut sorted, mut piece, mut before) = (0, FIRST_PIECE, 0.0);
        while sorted < self.candidates.len() {
            let rest = &mut self.candidates[sorted..];
            if piece < rest.len() {
                rest.select_nth_unstable_by(piece - 1, most_probable_first);
            }
            let end = piece.min(rest.len());
            rest[..end].sort_unstable_by(most_probable_first);
            for place in sorted..sorted + end {
                if before > limit {
                    self.candidates.truncate(place);
                    return;
                }
                before += self.exponent(self.candidates[place].logit).exp();
            }
            sorted += end;
            piece *= 4;
        }
    }
}

/// Larger logits first, lower ids first among equals: a total order, so that the outcome does not
/// depend on how the sort works.
fn most_probable_first(first: &Candidate, second: &Candidate) -> Ordering {
    second.logit.total_cmp(&first.logit).then(first.token.cmp(&second.token))
}
