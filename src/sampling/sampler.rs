//! Gumbel-max draws from what the filters leave.

use crate::sampling::filter::{Candidate, Survivors};
use crate::sampling::noise;
use crate::sampling::settings::Sampling;

/// Why no token could be drawn.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SamplingError {
    /// A logit is NaN or infinite.
    #[error(
        "{count} of {total} guided logits of step {step} are not finite, the first at code {code}; \
         lower the guidance scale, or check that the checkpoint is whole and of this model"
    )]
    NonFiniteLogits {
        /// Step, from 0.
        step: usize,
        /// How many logits are not finite.
        count: usize,
        /// Out of how many.
        total: usize,
        /// The first of them.
        code: usize,
    },
    /// There is nothing to draw from.
    #[error("step {step} has no logits to draw from; check the model's codebook size")]
    NoLogits {
        /// Step, from 0.
        step: usize,
    },
}

/// A drawn token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampled {
    /// Index into the logits.
    pub token: u32,
    /// Its probability after temperature and filters, in (0, 1].
    pub probability: f32,
}

/// Draws tokens by the Gumbel-max rule: the survivor of the filters with the largest
/// `ln p + gumbel(seed, step, token)`.
///
/// Holds no state that matters: a draw depends on the logits, the settings and the step alone. The
/// memory that it reuses is proportional to the vocabulary.
#[derive(Debug, Clone)]
pub struct Sampler {
    sampling: Sampling,
    survivors: Survivors,
}

impl Sampler {
    /// A sampler with these settings, which are expected to be valid.
    pub fn new(sampling: Sampling) -> Self {
        Self { sampling, survivors: Survivors::default() }
    }

    /// Draws one token from the guided logits of a step (from 0).
    ///
    /// # Errors
    /// When the logits are empty or one of them is not finite.
    pub fn sample(&mut self, guided: &[f32], step: usize) -> Result<Sampled, SamplingError> {
        check_finite(guided, step)?;
        self.survivors.filter(guided, &self.sampling);
        let (seed, step_number) = (self.sampling.seed, step as u64);
        let mut best: Option<(f64, Candidate)> = None;
        for &candidate in self.survivors.candidates() {
            // ln p up to a constant that all candidates share.
            let exponent = self.survivors.exponent(candidate.logit);
            let lead = best.map_or(f64::NEG_INFINITY, |(leader, _)| leader - exponent);
            let token = u64::from(candidate.token);
            let Some(variate) = noise::gumbel_from(lead, seed, step_number, token) else {
                continue;
            };
            let score = exponent + variate;
            // The lower id wins a tie: candidates come in no particular order.
            let better = best.is_none_or(|(leader, leading)| {
                score > leader || (score == leader && candidate.token < leading.token)
            });
            if better {
                best = Some((score, candidate));
            }
        }
        let (_, drawn) = best.ok_or(SamplingError::NoLogits { step })?;
        Ok(Sampled { token: drawn.token, probability: self.survivors.probability(drawn.logit) })
    }
}

fn check_finite(guided: &[f32], step: usize) -> Result<(), SamplingError> {
    let Some(code) = guided.iter().position(|logit| !logit.is_finite()) else { return Ok(()) };
    let count = guided.iter().filter(|logit| !logit.is_finite()).count();
    Err(SamplingError::NonFiniteLogits { step, count, total: guided.len(), code })
}
