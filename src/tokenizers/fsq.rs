//! Finite scalar quantization (arXiv 2309.15505), shared by the built-in tokenizer and Cosmos: a code
//! is a number in mixed radix, least significant digit first, and each digit is one channel.

use crate::compute::error::ModelError;
use crate::tokenizers::quantizer::{BEYOND_CODEBOOK, Quantizer};

/// How far the bounded values may pass the outermost level before rounding (the paper's ε).
const BOUND_MARGIN: f64 = 1e-3;

/// A quantizer with `levels[k]` levels in channel k.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FiniteScalarQuantizer {
    levels: Vec<u32>,
    codebook_size: u32,
}

impl FiniteScalarQuantizer {
    /// A quantizer of the given levels.
    ///
    /// # Errors
    /// No levels, fewer than two in a channel, or more codes than an id can number.
    pub fn new(levels: &[u32]) -> Result<Self, ModelError> {
        let size = levels.iter().try_fold(1u32, |size, &level| size.checked_mul(level));
        match size {
            Some(codebook_size) if !levels.is_empty() && levels.iter().all(|&level| level >= 2) => {
                Ok(Self { levels: levels.to_vec(), codebook_size })
            }
            _ => Err(ModelError::Config(format!("the FSQ levels {levels:?} make no codebook"))),
        }
    }

    /// Number of codes.
    pub fn codebook_size(&self) -> u32 {
        self.codebook_size
    }

    /// The digits of a code, least significant first: `digit_k = (code / Π levels_{<k}) mod levels_k`.
    pub fn digits(&self, code: u32) -> impl Iterator<Item = u32> {
        let mut rest = code;
        self.levels.iter().map(move |&level| {
            let digit = rest % level;
            rest /= level;
            digit
        })
    }

    /// The code of some digits, `None` if a digit is beyond its level.
    pub fn code_of_digits(&self, digits: impl IntoIterator<Item = u32>) -> Option<u32> {
        let (mut code, mut basis) = (0, 1);
        let mut digits = digits.into_iter();
        for &level in &self.levels {
            let digit = digits.next().filter(|&digit| digit < level)?;
            code += digit * basis;
            // The product past the last channel is the codebook's size, which fits.
            basis *= level;
        }
        digits.next().is_none().then_some(code)
    }

    /// What the decoder sees of a code: `(digit_k - half_k) / half_k` with `half_k = levels_k / 2`
    /// rounded down; exact in every float type.
    pub fn values(&self, code: u32) -> impl Iterator<Item = f32> {
        self.levels.iter().zip(self.digits(code)).map(|(&level, digit)| {
            let half = (level / 2) as f32;
            (digit as f32 - half) / half
        })
    }

    /// The code of which every value is 0: the middle of the codebook.
    pub fn neutral_code(&self) -> u32 {
        self.code_of_digits(self.levels.iter().map(|level| level / 2)).unwrap_or(0)
    }

    /// The bounded value of channel `channel` before rounding:
    /// `tanh(z + atanh(offset / half)) · half - offset`.
    pub fn bound(&self, channel: usize, z: f32) -> f64 {
        let Some(&level) = self.levels.get(channel) else { return 0.0 };
        let half = f64::from(level - 1) * (1.0 + BOUND_MARGIN) / 2.0;
        let offset = if level % 2 == 0 { 0.5 } else { 0.0 };
        (f64::from(z) + (offset / half).atanh()).tanh() * half - offset
    }
}

impl Quantizer for FiniteScalarQuantizer {
    fn codes(&self) -> usize {
        self.codebook_size as usize
    }

    fn width(&self) -> usize {
        self.levels.len()
    }

    fn push_vector(&self, code: u32, vectors: &mut Vec<f32>) -> Result<(), ModelError> {
        if code >= self.codebook_size {
            return Err(BEYOND_CODEBOOK);
        }
        vectors.extend(self.values(code));
        Ok(())
    }

    /// The code of the bounded values, rounded half to even.
    fn nearest(&self, z: &[f32]) -> Option<u32> {
        if z.len() != self.levels.len() {
            return None;
        }
        let digits = self.levels.iter().zip(z).enumerate().map(|(channel, (&level, &z))| {
            let digit = self.bound(channel, z).round_ties_even() + f64::from(level / 2);
            digit.clamp(0.0, f64::from(level - 1)) as u32
        });
        self.code_of_digits(digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn levels_without_a_codebook_are_refused() {
        for levels in [&[][..], &[8, 1], &[65_536, 65_536], &[0]] {
            assert!(FiniteScalarQuantizer::new(levels).is_err(), "{levels:?}");
        }
    }

    proptest! {
        #[test]
        fn digits_and_codes_are_inverse(levels in prop::collection::vec(2u32..9, 1..7), pick: u32) {
            let fsq = FiniteScalarQuantizer::new(&levels).unwrap();
            let code = pick % fsq.codebook_size();
            prop_assert_eq!(fsq.code_of_digits(fsq.digits(code)), Some(code));
            prop_assert!(fsq.values(code).all(|value| (-1.0..=1.0).contains(&value)));
        }

        #[test]
        fn any_number_has_a_code(z in prop::collection::vec(prop::num::f32::NORMAL, 4)) {
            let fsq = FiniteScalarQuantizer::new(&[8, 8, 8, 5]).unwrap();
            prop_assert!(fsq.nearest(&z).unwrap() < 2560);
        }

        #[test]
        fn the_neutral_code_is_zero_in_every_channel(levels in prop::collection::vec(2u32..9, 1..7)) {
            let fsq = FiniteScalarQuantizer::new(&levels).unwrap();
            prop_assert!(fsq.values(fsq.neutral_code()).all(|value| value == 0.0));
        }
    }
}
