//! One half of a convolutional tokenizer: named layers in order, built from the family's habits.

use crate::compute::error::ModelError;
use crate::compute::layer_source::LayerSource;
use crate::compute::weights::Weights;
use crate::tokenizers::layers::attention::Attention;
use crate::tokenizers::layers::conv2d::Window;
use crate::tokenizers::layers::convolution_spec::{ConvolutionForm, ConvolutionSpec};
use crate::tokenizers::layers::feature_map::FeatureMap;
use crate::tokenizers::layers::layer::{Layer, LayerSpec, Part};
use crate::tokenizers::layers::norm::{NormForm, NormSpec};
use crate::tokenizers::layers::resample::Resampling;
use std::borrow::Cow;

/// What a residual block's shortcut is applied to where the block changes the channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShortcutRule {
    /// The block's input, as usual.
    Input,
    /// The output of the second convolution, to which the result is added; the block's input is
    /// dropped. MaskGIT-VQGAN was trained so.
    SecondConvolution,
}

/// How a family's checkpoint holds convolutions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convolutions {
    /// As 2-D convolutions.
    Planes,
    /// As those of a video decoder: 3×3 ones as pairs, 1×1 ones alone.
    Frames,
}

/// What all layers of a family have in common.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Style {
    /// Every norm.
    pub norm: NormForm,
    /// Whether a residual block has a norm before each convolution, `norm1` and `norm2`, or only one
    /// before the first, `norm`.
    pub second_norm: bool,
    /// Every convolution.
    pub convolutions: Convolutions,
    /// Whether the convolutions of residual blocks have a bias; all others do.
    pub block_bias: bool,
    /// The shortcut of residual blocks.
    pub shortcut: ShortcutRule,
}

impl Style {
    /// A convolution that keeps the size.
    fn convolution(
        &self,
        place: String,
        (inputs, outputs): (usize, usize),
        kernel: usize,
        bias: bool,
    ) -> ConvolutionSpec {
        let form = match (self.convolutions, kernel) {
            (Convolutions::Planes, _) => ConvolutionForm::Plane { bias },
            (Convolutions::Frames, 1) => ConvolutionForm::Frame { taps: 1 },
            (Convolutions::Frames, _) => ConvolutionForm::FramePair,
        };
        ConvolutionSpec { place, inputs, outputs, kernel, window: Window::same(kernel), form }
    }

    fn norm(&self, place: String, channels: usize) -> LayerSpec {
        Layer::Norm(NormSpec { place, channels, kind: self.norm })
    }

    /// Norm, SiLU, convolution, twice, plus the shortcut.
    fn residual(&self, place: &str, (inputs, outputs): (usize, usize), kernel: usize) -> LayerSpec {
        let convolution = |name: &str, inputs: usize, kernel: usize| {
            let place = format!("{place}.{name}");
            self.convolution(place, (inputs, outputs), kernel, self.block_bias)
        };
        let norm = |name: &str, channels: usize| self.norm(format!("{place}.{name}"), channels);
        let first = if self.second_norm { "norm1" } else { "norm" };
        let mut inner = vec![norm(first, inputs), Layer::Silu];
        inner.push(Layer::Convolution(convolution("conv1", inputs, kernel)));
        inner.extend(self.second_norm.then(|| norm("norm2", outputs)));
        inner.extend([Layer::Silu, Layer::Convolution(convolution("conv2", outputs, kernel))]);
        match self.shortcut {
            _ if inputs == outputs => Layer::Skip { inner, shortcut: None },
            ShortcutRule::Input => {
                let shortcut = convolution("nin_shortcut", inputs, 1);
                Layer::Skip { inner, shortcut: Some(shortcut) }
            }
            ShortcutRule::SecondConvolution => {
                let shortcut = Layer::Convolution(convolution("nin_shortcut", outputs, 1));
                inner.push(Layer::Skip { inner: vec![shortcut], shortcut: None });
                Layer::Sequence(inner)
            }
        }
    }
}

/// Layers with their names, in the order of the forward pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Architecture {
    style: Style,
    /// Channels of the output of the last layer so far.
    channels: usize,
    layers: Vec<(String, LayerSpec)>,
    unused: Vec<ConvolutionSpec>,
}

impl Architecture {
    /// No layers yet, for an input of some channels.
    pub fn new(style: Style, channels: usize) -> Self {
        Self { style, channels, layers: Vec::new(), unused: Vec::new() }
    }

    /// Adds a layer called `name` that gives `channels`.
    pub fn add(&mut self, name: impl Into<String>, layer: LayerSpec, channels: usize) {
        self.layers.push((name.into(), layer));
        self.channels = channels;
    }

    /// Adds a convolution with bias that keeps the size.
    pub fn convolution(&mut self, place: &str, outputs: usize, kernel: usize) {
        let sizes = (self.channels, outputs);
        let spec = self.style.convolution(place.into(), sizes, kernel, true);
        self.add(place, Layer::Convolution(spec), outputs);
    }

    /// Adds a 2-D convolution with bias that changes the size.
    pub fn strided_convolution(
        &mut self,
        place: &str,
        outputs: usize,
        kernel: usize,
        window: Window,
    ) {
        let spec = ConvolutionSpec::plane(place, self.channels, outputs, kernel);
        self.add(place, Layer::Convolution(ConvolutionSpec { window, ..spec }), outputs);
    }

    /// Adds a residual block of 3×3 convolutions.
    pub fn residual(&mut self, place: &str, outputs: usize) {
        let block = self.style.residual(place, (self.channels, outputs), 3);
        self.add(place, block, outputs);
    }

    /// Adds a residual block of 1×1 convolutions.
    pub fn pointwise_residual(&mut self, place: &str, outputs: usize) {
        let block = self.style.residual(place, (self.channels, outputs), 1);
        self.add(place, block, outputs);
    }

    /// Adds `x + attention(norm(x))` with the norm and the projections `q`, `k`, `v`, `proj_out`.
    pub fn attention(&mut self, place: &str) {
        let channels = self.channels;
        let point = |name: &str| {
            self.style.convolution(format!("{place}.{name}"), (channels, channels), 1, true)
        };
        let attention = Layer::Attention(Attention {
            query: point("q"),
            key: point("k"),
            value: point("v"),
            output: point("proj_out"),
        });
        let inner = vec![self.style.norm(format!("{place}.norm"), channels), attention];
        self.add(place, Layer::Skip { inner, shortcut: None }, channels);
    }

    /// Adds twice the size: every position repeated, then a 3×3 convolution at `place`.
    pub fn upsample(&mut self, place: &str) {
        let channels = self.channels;
        let spec = self.style.convolution(place.into(), (channels, channels), 3, true);
        let layers = vec![Layer::Resampling(Resampling::Nearest(2)), Layer::Convolution(spec)];
        self.add(place, Layer::Sequence(layers), channels);
    }

    /// Adds a change of size without weights.
    pub fn resample(&mut self, resampling: Resampling) {
        let channels = resampling.channels(self.channels);
        self.add("", Layer::Resampling(resampling), channels);
    }

    /// Adds the end of every half: norm `norm_out`, SiLU, convolution `conv_out`, all below `place`.
    pub fn output(&mut self, place: &str, outputs: usize, kernel: usize) {
        let norm = format!("{place}.norm_out");
        let layer = self.style.norm(norm.clone(), self.channels);
        self.add(norm, layer, self.channels);
        self.add("", Layer::Silu, self.channels);
        self.convolution(&format!("{place}.conv_out"), outputs, kernel);
    }

    /// Channels of the output.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Notes a convolution that belongs to the checkpoint and is not computed.
    pub fn leave_out(&mut self, convolution: ConvolutionSpec) {
        self.unused.push(convolution);
    }

    /// Asks the source for all tensors, in the order of the forward pass.
    ///
    /// # Errors
    /// A missing tensor or one of another shape.
    pub fn request<S: LayerSource>(&self, source: &S) -> Result<(), ModelError> {
        let mut result = Ok(());
        let mut request = |part: Part<'_, ConvolutionSpec, NormSpec>| {
            if result.is_ok() {
                result = match part {
                    Part::Convolution(convolution) => convolution.read(source).map(drop),
                    Part::Norm(norm) => norm.request(source),
                };
            }
        };
        self.layers.iter().for_each(|(_, layer)| layer.visit_parts(&mut request));
        self.unused.iter().for_each(|convolution| request(Part::Convolution(convolution)));
        result
    }

    /// Loads all layers.
    ///
    /// # Errors
    /// A missing tensor or one of another shape.
    pub fn load(&self, weights: &Weights<'_>) -> Result<Network, ModelError> {
        let load = |(name, layer): &(String, LayerSpec)| Ok((name.clone(), layer.load(weights)?));
        let layers = self.layers.iter().map(load).collect::<Result<_, ModelError>>()?;
        Ok(Network { layers })
    }
}

/// Loaded layers with their names.
#[derive(Debug, Clone)]
pub struct Network {
    layers: Vec<(String, Layer)>,
}

impl Network {
    /// Weights, in numbers.
    pub fn parameters(&self) -> u64 {
        self.layers.iter().map(|(_, layer)| layer.parameters()).sum()
    }

    /// The output of the last layer. `observe` gets the name of each layer, its place in the checkpoint,
    /// and its output.
    ///
    /// # Errors
    /// An input of another width.
    pub fn forward(
        &self,
        input: &FeatureMap,
        observe: &mut dyn FnMut(&str, &FeatureMap),
    ) -> Result<FeatureMap, ModelError> {
        let mut x = Cow::Borrowed(input);
        for (name, layer) in &self.layers {
            let output = layer.forward(x, input)?;
            observe(name, &output);
            x = Cow::Owned(output);
        }
        Ok(x.into_owned())
    }
}
