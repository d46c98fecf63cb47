//! Probabilities and normalized entropy of logits (Eq. 11-13), in double precision inside so that
//! sums over 64 000 codes do not drift.

/// Exponents of a softmax, `(logit - max) / temperature`: at most 0, so that no exponential overflows
/// whatever the logits.
#[derive(Debug, Clone, Copy)]
struct Exponents {
    max: f64,
    temperature: f64,
}

impl Exponents {
    fn of(logits: &[f32], temperature: f32) -> Self {
        let max = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        Self { max, temperature: f64::from(temperature) }
    }

    fn at(self, logit: f32) -> f64 {
        (f64::from(logit) - self.max) / self.temperature
    }

    /// The normalizer: an exponential over it is a probability.
    fn sum(self, logits: &[f32]) -> f64 {
        logits.iter().map(|&logit| self.at(logit).exp()).sum()
    }
}

/// `softmax(logits / temperature)` and its entropy, from one exponential a logit: over 64 000 codes
/// they are what guidance costs. The memory is reused from step to step.
#[derive(Debug, Clone, Default)]
pub struct Distribution {
    /// `exp((logit - max) / temperature)`.
    shares: Vec<f64>,
    sum: f64,
    /// Σ share · ln(share).
    weighted: f64,
}

impl Distribution {
    /// Takes on the distribution of `logits`; `temperature` is above 0. Non-finite logits give NaN.
    pub fn measure(&mut self, logits: &[f32], temperature: f32) {
        let of = Exponents::of(logits, temperature);
        let exponents = || logits.iter().map(|&logit| of.at(logit));
        self.shares.clear();
        self.shares.extend(exponents().map(f64::exp));
        self.sum = self.shares.iter().sum();
        // A masked logit (-∞) contributes the limit 0, not 0·∞.
        let terms = self.shares.iter().zip(exponents());
        self.weighted =
            terms.map(|(&share, exponent)| if share == 0.0 { 0.0 } else { share * exponent }).sum();
    }

    /// Probabilities (Eq. 11), one a logit.
    pub fn probabilities(&self) -> impl Iterator<Item = f32> {
        self.shares.iter().map(|share| (share / self.sum) as f32)
    }

    /// `H / ln(V)` (Eq. 12-13), from 0 (one certain token) to 1 (all equal). A vocabulary of one or no
    /// entry has entropy 0.
    pub fn normalized_entropy(&self) -> f32 {
        if self.shares.len() < 2 {
            return 0.0;
        }
        // H = -Σ p ln p with ln p = exponent - ln(sum), so H = ln(sum) - Σ p·exponent: no logarithm of
        // a probability that underflowed.
        let entropy = self.sum.ln() - self.weighted / self.sum;
        // Rounding can leave the interval by an ulp.
        (entropy / (self.shares.len() as f64).ln()).clamp(0.0, 1.0) as f32
    }
}

/// `softmax(logits)` (Eq. 11) over the vocabulary. Non-finite logits give NaN.
pub fn softmax(logits: &[f32]) -> Vec<f32> {
    let mut distribution = Distribution::default();
    distribution.measure(logits, 1.0);
    distribution.probabilities().collect()
}

/// Largest probability of `softmax(logits / temperature)` (the p_max of Eq. 3), without storing the
/// distribution; 0 for no logits.
pub fn max_probability(logits: &[f32], temperature: f32) -> f32 {
    if logits.is_empty() {
        return 0.0;
    }
    // The largest logit has exponent 0.
    (1.0 / Exponents::of(logits, temperature).sum(logits)) as f32
}

/// Probability of one token under `softmax(logits / temperature)` (Eq. 11); 0 for a token outside
/// the vocabulary.
pub fn probability(logits: &[f32], token: usize, temperature: f32) -> f32 {
    let Some(&logit) = logits.get(token) else { return 0.0 };
    let exponents = Exponents::of(logits, temperature);
    (exponents.at(logit).exp() / exponents.sum(logits)) as f32
}

/// [`Distribution::normalized_entropy`] of `softmax(logits)`.
pub fn normalized_entropy(logits: &[f32]) -> f32 {
    normalized_entropy_at(logits, 1.0)
}

/// [`Distribution::normalized_entropy`] of `softmax(logits / temperature)`; `temperature` is above 0.
pub fn normalized_entropy_at(logits: &[f32], temperature: f32) -> f32 {
    let mut distribution = Distribution::default();
    distribution.measure(logits, temperature);
    distribution.normalized_entropy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_a_distribution_that_can_be_done_by_hand() {
        // Probabilities 1/2, 1/4, 1/4: H = 1.5 ln 2.
        let logits = [0.5f32.ln(), 0.25f32.ln(), 0.25f32.ln()];
        let expected = 1.5 * 2f32.ln() / 3f32.ln();
        assert!((normalized_entropy(&logits) - expected).abs() < 1e-6);
        assert!((max_probability(&logits, 1.0) - 0.5).abs() < 1e-6);
        assert!((probability(&logits, 2, 1.0) - 0.25).abs() < 1e-6);
        assert_eq!(probability(&logits, 3, 1.0), 0.0);
        // Temperature ½ squares and renormalizes: 1/4, 1/16, 1/16 of 3/8.
        assert!((max_probability(&logits, 0.5) - 2.0 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn a_masked_logit_counts_as_probability_zero() {
        let logits = [0.0, f32::NEG_INFINITY, 0.0];
        assert_eq!(softmax(&logits), [0.5, 0.0, 0.5]);
        assert!((normalized_entropy(&logits) - 2f32.ln() / 3f32.ln()).abs() < 1e-6);
    }

    #[test]
    fn a_logit_that_is_not_a_number_is_not_hidden() {
        assert!(normalized_entropy(&[0.0, f32::NAN]).is_nan());
        assert!(max_probability(&[f32::INFINITY, 0.0], 1.0).is_nan());
    }
}
