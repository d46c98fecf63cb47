//! The layers that convolutional tokenizers are made of, as a tree: either its description, with names
//! and sizes at the leaves, or loaded, with weights there.

use crate::compute::error::ModelError;
use crate::compute::weights::Weights;
use crate::tokenizers::layers::attention::Attention;
use crate::tokenizers::layers::conv2d::Conv2d;
use crate::tokenizers::layers::convolution_spec::ConvolutionSpec;
use crate::tokenizers::layers::feature_map::FeatureMap;
use crate::tokenizers::layers::norm::{Norm, NormSpec};
use crate::tokenizers::layers::resample::Resampling;
use std::borrow::Cow;

/// One layer, with convolutions `C` and norms `N`.
#[derive(Debug, Clone, PartialEq)]
pub enum Layer<C = Conv2d, N = Norm> {
    /// A convolution.
    Convolution(C),
    /// A norm.
    Norm(N),
    /// `x · sigmoid(x)`.
    Silu,
    /// Attention between all positions.
    Attention(Attention<C>),
    /// Another size, without weights.
    Resampling(Resampling),
    /// Layers one after the other.
    Sequence(Vec<Self>),
    /// `inner(x) + shortcut(x)`, the shortcut being the input itself where there is no convolution.
    Skip {
        /// Layers one after the other.
        inner: Vec<Self>,
        /// A 1×1 convolution where `inner` changes the channels.
        shortcut: Option<C>,
    },
}

/// A layer with names and sizes of its tensors.
pub type LayerSpec = Layer<ConvolutionSpec, NormSpec>;

/// A leaf with tensors of its own.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a, C, N> {
    /// A convolution.
    Convolution(&'a C),
    /// A norm.
    Norm(&'a N),
}

impl<C, N> Layer<C, N> {
    /// Calls `visit` with all convolutions and norms in the order of the forward pass, shortcuts last.
    pub fn visit_parts<'a>(&'a self, visit: &mut impl FnMut(Part<'a, C, N>)) {
        match self {
            Self::Convolution(convolution) => visit(Part::Convolution(convolution)),
            Self::Norm(norm) => visit(Part::Norm(norm)),
            Self::Attention(attention) => {
                attention.projections().into_iter().for_each(|c| visit(Part::Convolution(c)));
            }
            Self::Sequence(inner) => inner.iter().for_each(|layer| layer.visit_parts(visit)),
            Self::Skip { inner, shortcut } => {
                inner.iter().for_each(|layer| layer.visit_parts(visit));
                shortcut.iter().for_each(|c| visit(Part::Convolution(c)));
            }
            Self::Silu | Self::Resampling(_) => {}
        }
    }
}

impl LayerSpec {
    /// Loads the layer.
    ///
    /// # Errors
    /// A missing tensor or one of another shape.
    pub fn load(&self, weights: &Weights<'_>) -> Result<Layer, ModelError> {
        let all = |layers: &[Self]| -> Result<Vec<Layer>, ModelError> {
            layers.iter().map(|layer| layer.load(weights)).collect()
        };
        Ok(match self {
            Self::Convolution(spec) => Layer::Convolution(spec.load(weights)?),
            Self::Norm(spec) => Layer::Norm(spec.load(weights)?),
            Self::Silu => Layer::Silu,
            Self::Attention(Attention { query, key, value, output }) => {
                Layer::Attention(Attention {
                    query: query.load(weights)?,
                    key: key.load(weights)?,
                    value: value.load(weights)?,
                    output: output.load(weights)?,
                })
            }
            Self::Resampling(resampling) => Layer::Resampling(*resampling),
            Self::Sequence(inner) => Layer::Sequence(all(inner)?),
            Self::Skip { inner, shortcut } => Layer::Skip {
                inner: all(inner)?,
                shortcut: shortcut.as_ref().map(|spec| spec.load(weights)).transpose()?,
            },
        })
    }
}

impl Layer {
    /// Weights, in numbers.
    pub fn parameters(&self) -> u64 {
        let mut sum = 0;
        self.visit_parts(&mut |part| {
            sum += match part {
                Part::Convolution(convolution) => convolution.parameters(),
                Part::Norm(norm) => norm.parameters(),
            }
        });
        sum
    }

    /// The layer's output. `codes` are the code vectors of the grid, which spatial norms read.
    ///
    /// # Errors
    /// A map of another width or size.
    pub fn forward(
        &self,
        x: Cow<'_, FeatureMap>,
        codes: &FeatureMap,
    ) -> Result<FeatureMap, ModelError> {
        match self {
            Self::Convolution(convolution) => convolution.forward(&x),
            Self::Attention(attention) => attention.forward(&x),
            Self::Resampling(resampling) => resampling.forward(&x),
            Self::Norm(norm) => {
                let mut x = x.into_owned();
                norm.apply(&mut x, codes)?;
                Ok(x)
            }
            Self::Silu => {
                let mut x = x.into_owned();
                x.silu();
                Ok(x)
            }
            Self::Sequence(inner) => forward_all(inner, x, codes),
            Self::Skip { inner, shortcut } => {
                let mut out = forward_all(inner, Cow::Borrowed(&*x), codes)?;
                match shortcut {
                    Some(shortcut) => out.add(&shortcut.forward(&x)?)?,
                    None => out.add(&x)?,
                }
                Ok(out)
            }
        }
    }
}

fn forward_all(
    layers: &[Layer],
    x: Cow<'_, FeatureMap>,
    codes: &FeatureMap,
) -> Result<FeatureMap, ModelError> {
    let mut x = x;
    for layer in layers {
        x = Cow::Owned(layer.forward(x, codes)?);
    }
    Ok(x.into_owned())
}
