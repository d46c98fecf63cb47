//! The residual block that the decoders of Cosmos and MoVQGAN share; they differ in their norms and in
//! how a convolution lies in the file.

use crate::compute::error::ModelError;
use crate::compute::layer_source::LayerSource;
use crate::compute::weights::Weights;
use crate::tokenizers::conv2d::Conv2d;
use crate::tokenizers::feature_map::FeatureMap;

/// A norm over the channels and places of a feature map.
pub trait FeatureNorm: Sized {
    /// Loads the norm that stands at `weights`.
    ///
    /// # Errors
    /// A missing tensor or one of an unexpected shape.
    fn load(weights: &Weights<'_>) -> Result<Self, ModelError>;

    /// Weights, in numbers.
    fn parameters(&self) -> u64;

    /// Normalizes `x` in place. `codes` are the code vectors of the grid, which spatial norms read.
    ///
    /// # Errors
    /// A map of another width or size.
    fn apply(&self, x: &mut FeatureMap, codes: &FeatureMap) -> Result<(), ModelError>;
}

/// How a family's file holds convolutions.
#[derive(Clone, Copy)]
pub struct ConvolutionForm {
    /// Loads one of 3×3.
    pub square: fn(&Weights<'_>) -> Result<Conv2d, ModelError>,
    /// Loads one of 1×1.
    pub point: fn(&Weights<'_>) -> Result<Conv2d, ModelError>,
    /// Key of a block's shortcut, which only blocks that change the width have.
    pub shortcut: &'static str,
}

/// `shortcut(x) + conv2(silu(norm2(conv1(silu(norm1(x))))))`.
pub struct ResidualBlock<N> {
    norm1: N,
    conv1: Conv2d,
    norm2: N,
    conv2: Conv2d,
    shortcut: Option<Conv2d>,
}

impl<N: FeatureNorm> ResidualBlock<N> {
    /// Loads the block that stands at `weights`.
    ///
    /// # Errors
    /// A missing tensor or one of an unexpected shape.
    pub fn load(weights: &Weights<'_>, form: ConvolutionForm) -> Result<Self, ModelError> {
        let shortcut = weights.contains(form.shortcut);
        Ok(Self {
            norm1: N::load(&weights.pp("norm1"))?,
            conv1: (form.square)(&weights.pp("conv1"))?,
            norm2: N::load(&weights.pp("norm2"))?,
            conv2: (form.square)(&weights.pp("conv2"))?,
            shortcut: shortcut.then(|| (form.point)(&weights.pp("nin_shortcut"))).transpose()?,
        })
    }

    /// Weights, in numbers.
    pub fn parameters(&self) -> u64 {
        let convolutions = [Some(&self.conv1), Some(&self.conv2), self.shortcut.as_ref()];
        let convolutions: u64 = convolutions.into_iter().flatten().map(Conv2d::parameters).sum();
        convolutions + self.norm1.parameters() + self.norm2.parameters()
    }

    /// The block's output.
    ///
    /// # Errors
    /// A map of another width.
    pub fn forward(&self, x: &FeatureMap, codes: &FeatureMap) -> Result<FeatureMap, ModelError> {
        let mut inner = x.clone();
        self.norm1.apply(&mut inner, codes)?;
        inner.silu();
        let mut inner = self.conv1.forward(&inner)?;
        self.norm2.apply(&mut inner, codes)?;
        inner.silu();
        let mut out = self.conv2.forward(&inner)?;
        match &self.shortcut {
            Some(shortcut) => out.add(&shortcut.forward(x)?)?,
            None => out.add(x)?,
        }
        Ok(out)
    }
}
