//! Norms over the channels and positions of a feature map.

use crate::compute::cpu::isa::Isa;
use crate::compute::cpu::rows::normalize;
use crate::compute::error::ModelError;
use crate::compute::layer_source::LayerSource;
use crate::compute::weights::Weights;
use crate::tokenizers::layers::conv2d::Conv2d;
use crate::tokenizers::layers::convolution_spec::{ConvolutionSpec, WeightAndBias};
use crate::tokenizers::layers::feature_map::FeatureMap;

/// Which norm a tokenizer has, and what its tensors are called below the norm's place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NormForm {
    /// RMS norm over the channels of each position.
    Rms {
        /// ε below the root.
        eps: f64,
    },
    /// Group norm: mean and variance over all positions and the channels of a group.
    Group {
        /// Number of groups; 32 in published models, fewer in miniatures.
        groups: usize,
        /// ε below the root.
        eps: f64,
    },
    /// Group norm of a single group, in a module of its own called `norm`.
    Frame {
        /// ε below the root.
        eps: f64,
    },
    /// MoVQ's spatially conditional norm (arXiv 2209.09002, Eq. 3): `group_norm(x) · conv_y(codes) +
    /// conv_b(codes)`, the code vectors of the grid resized to the map by repeating.
    Spatial {
        /// Number of groups.
        groups: usize,
        /// ε below the root.
        eps: f64,
        /// Width of a code vector.
        code_width: usize,
    },
}

/// A norm at a place of a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct NormSpec {
    /// Name of the module in the checkpoint.
    pub place: String,
    /// Channels of the maps it normalises.
    pub channels: usize,
    /// Which norm.
    pub kind: NormForm,
}

impl NormSpec {
    /// Asks the source for all tensors of the norm.
    ///
    /// # Errors
    /// A missing tensor or one of another shape.
    pub fn request<S: LayerSource>(&self, source: &S) -> Result<(), ModelError> {
        self.read(source)?;
        for convolution in self.modulation().iter().flatten() {
            convolution.read(source)?;
        }
        Ok(())
    }

    /// The weight and, but for RMS norms, the bias, one number per channel each.
    fn read<S: LayerSource>(&self, source: &S) -> Result<WeightAndBias<S::Tensor>, ModelError> {
        let at = source.pp(&self.place);
        let (at, bias) = match self.kind {
            NormForm::Rms { .. } => (at, false),
            NormForm::Group { .. } => (at, true),
            NormForm::Frame { .. } => (at.pp("norm"), true),
            NormForm::Spatial { .. } => (at.pp("norm_layer"), true),
        };
        let weight = at.tensor(self.channels, "weight")?;
        Ok((weight, bias.then(|| at.tensor(self.channels, "bias")).transpose()?))
    }

    /// The convolutions from code vectors to scale and shift of a spatial norm.
    fn modulation(&self) -> Option<[ConvolutionSpec; 2]> {
        let NormForm::Spatial { code_width, .. } = self.kind else { return None };
        Some(["conv_y", "conv_b"].map(|name| {
            let place = format!("{}.{name}", self.place);
            ConvolutionSpec::plane(place, code_width, self.channels, 1)
        }))
    }

    /// Loads the norm.
    ///
    /// # Errors
    /// A missing tensor, one of another shape, or groups that do not divide the channels.
    pub fn load(&self, weights: &Weights<'_>) -> Result<Norm, ModelError> {
        let (weight, bias) = self.read(weights)?;
        let weight = weight.to_vec1()?;
        let (groups, eps) = match self.kind {
            NormForm::Rms { eps } => return Ok(Norm::Rms { weight, eps }),
            NormForm::Frame { eps } => (1, eps),
            NormForm::Group { groups, eps } | NormForm::Spatial { groups, eps, .. } => {
                (groups, eps)
            }
        };
        let bias = bias.map_or(Ok(Vec::new()), |bias| bias.to_vec1())?;
        let norm = GroupNorm::new(groups, weight, bias, eps)?;
        Ok(match self.modulation() {
            None => Norm::Group(norm),
            Some([scale, shift]) => {
                let (scale, shift) = (scale.load(weights)?, shift.load(weights)?);
                Norm::Spatial { norm, scale: Box::new(scale), shift: Box::new(shift) }
            }
        })
    }
}

/// A norm with its weights.
#[derive(Debug, Clone)]
pub enum Norm {
    /// See [`NormForm::Rms`].
    Rms {
        /// One per channel.
        weight: Vec<f32>,
        /// ε below the root.
        eps: f64,
    },
    /// See [`NormForm::Group`].
    Group(GroupNorm),
    /// See [`NormForm::Spatial`]. A 1×1 convolution and repeating commute, so both convolutions run at
    /// the size of the grid.
    Spatial {
        /// The norm that is modulated.
        norm: GroupNorm,
        /// From code vectors to factors.
        scale: Box<Conv2d>,
        /// From code vectors to summands.
        shift: Box<Conv2d>,
    },
}

impl Norm {
    /// Weights, in numbers.
    pub fn parameters(&self) -> u64 {
        match self {
            Self::Rms { weight, .. } => weight.len() as u64,
            Self::Group(norm) => norm.parameters(),
            Self::Spatial { norm, scale, shift } => {
                norm.parameters() + scale.parameters() + shift.parameters()
            }
        }
    }

    /// Normalises `x` in place. `codes` are the code vectors of the grid, which spatial norms read.
    ///
    /// # Errors
    /// A map of another width or size.
    pub fn apply(&self, x: &mut FeatureMap, codes: &FeatureMap) -> Result<(), ModelError> {
        match self {
            Self::Rms { weight, eps } => rms_norm(x, weight, *eps),
            Self::Group(norm) => norm.apply(x),
            Self::Spatial { norm, scale, shift } => {
                norm.apply(x)?;
                modulate(x, &scale.forward(codes)?, &shift.forward(codes)?)
            }
        }
    }
}

fn rms_norm(x: &mut FeatureMap, weight: &[f32], eps: f64) -> Result<(), ModelError> {
    if weight.len() != x.channels {
        return Err(OTHER_WIDTH);
    }
    let kernel = Isa::current();
    for position in x.data.chunks_exact_mut(x.channels) {
        normalize(kernel, position, Some(weight), None, false, eps);
    }
    Ok(())
}

/// `x · scale + shift`, both repeated to the size of `x`.
fn modulate(x: &mut FeatureMap, scale: &FeatureMap, shift: &FeatureMap) -> Result<(), ModelError> {
    let channels = x.channels;
    if scale.channels != channels || shift.channels != channels {
        return Err(OTHER_WIDTH);
    }
    let width = x.width;
    let factor = (width / scale.width).max(1);
    for (place, position) in x.data.chunks_exact_mut(channels).enumerate() {
        let (row, column) = (place / width / factor, place % width / factor);
        let from = (row * scale.width + column) * channels;
        let (Some(scale), Some(shift)) =
            (scale.data.get(from..from + channels), shift.data.get(from..from + channels))
        else {
            return Err(ModelError::Internal("a spatial norm of another size"));
        };
        for ((x, scale), shift) in position.iter_mut().zip(scale).zip(shift) {
            *x = *x * scale + shift;
        }
    }
    Ok(())
}

const OTHER_WIDTH: ModelError = ModelError::Internal("a norm got a map of another width");

/// Group norm with weight and bias per channel.
#[derive(Debug, Clone)]
pub struct GroupNorm {
    /// Channels of a group.
    members: usize,
    weight: Vec<f32>,
    bias: Vec<f32>,
    eps: f64,
}

impl GroupNorm {
    /// A norm over `groups` groups of the channels, of which `weight` and `bias` have one number each.
    ///
    /// # Errors
    /// Groups that do not divide the channels, or another number of biases.
    pub fn new(
        groups: usize,
        weight: Vec<f32>,
        bias: Vec<f32>,
        eps: f64,
    ) -> Result<Self, ModelError> {
        let channels = weight.len();
        if groups == 0 || channels == 0 || !channels.is_multiple_of(groups) {
            return Err(ModelError::Weights(format!(
                "{channels} channels of a norm cannot be {groups} groups; put the config.json beside it that \
                 belongs to it, or choose another file"
            )));
        }
        if bias.len() != channels {
            return Err(ModelError::Weights("a norm's weight and bias differ in length".into()));
        }
        Ok(Self { members: channels / groups, weight, bias, eps })
    }

    fn parameters(&self) -> u64 {
        (self.weight.len() + self.bias.len()) as u64
    }

    /// Normalises `x` in place; sums are f64.
    fn apply(&self, x: &mut FeatureMap) -> Result<(), ModelError> {
        if x.channels != self.weight.len() {
            return Err(OTHER_WIDTH);
        }
        let count = (x.height * x.width * self.members) as f64;
        let mut sums = vec![0.0; x.channels];
        for position in x.data.chunks_exact(x.channels) {
            sums.iter_mut().zip(position).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        let means = self.of_groups(&sums, |sum| sum / count);
        let mut squares = vec![0.0; x.channels];
        for position in x.data.chunks_exact(x.channels) {
            for ((sum, &x), mean) in squares.iter_mut().zip(position).zip(&means) {
                *sum += (f64::from(x) - mean).powi(2);
            }
        }
        let inverse = self.of_groups(&squares, |sum| 1.0 / (sum / count + self.eps).sqrt());
        let parameters = self.weight.iter().zip(&self.bias);
        let affine: Vec<(f32, f32)> = parameters
            .zip(means.iter().zip(&inverse))
            .map(|((&weight, &bias), (mean, inverse))| {
                let scale = f64::from(weight) * inverse;
                (scale as f32, (f64::from(bias) - mean * scale) as f32)
            })
            .collect();
        for position in x.data.chunks_exact_mut(x.channels) {
            position
                .iter_mut()
                .zip(&affine)
                .for_each(|(x, (scale, shift))| *x = *x * scale + shift);
        }
        Ok(())
    }

    /// A number of each group from the sum over its channels, once for every channel.
    fn of_groups(&self, channels: &[f64], number: impl Fn(f64) -> f64) -> Vec<f64> {
        let groups = channels.chunks(self.members);
        groups.flat_map(|group| vec![number(group.iter().sum()); group.len()]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_norm_leaves_mean_and_variance_of_a_group() {
        let numbers = (0..60).map(|i| ((i * 7919 + 104_729) % 1000) as f32 / 500.0 - 1.0).collect();
        let mut map = FeatureMap::new(3, 5, 4, numbers).unwrap();
        let norm = GroupNorm::new(2, vec![1.0; 4], vec![0.0; 4], 1e-6).unwrap();
        norm.apply(&mut map).unwrap();
        let planes = map.to_planes();
        for group in planes.chunks(30) {
            let mean = group.iter().sum::<f32>() / 30.0;
            let variance = group.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / 30.0;
            assert!(mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-4, "{mean} {variance}");
        }
    }

    #[test]
    fn groups_must_divide_the_channels() {
        assert!(GroupNorm::new(3, vec![1.0; 4], vec![0.0; 4], 1e-6).is_err());
        assert!(GroupNorm::new(0, vec![1.0; 4], vec![0.0; 4], 1e-6).is_err());
        assert!(GroupNorm::new(2, vec![1.0; 4], vec![0.0; 3], 1e-6).is_err());
    }
}
