//! The encoder of AliTok's image tokenizer: pictures to latents.

use crate::compute::error::ModelError;
use crate::compute::layer_source::LayerSource;
use crate::compute::weights::Weights;
use crate::tokenizers::alitok::config::AlitokTokenizerConfig;
use crate::tokenizers::alitok::transformer::Transformer;
use crate::tokenizers::layers::conv2d::{Conv2d, Window};
use crate::tokenizers::layers::convolution_spec::ConvolutionSpec;
use crate::tokenizers::layers::feature_map::FeatureMap;
use candle_core::{Device, Tensor};

/// The encoder.
pub struct AlitokEncoder {
    patch_embed: Conv2d,
    positions: Tensor,
    latents: Tensor,
    transformer: Transformer<Weights<'static>>,
    conv_out: Conv2d,
}

impl AlitokEncoder {
    /// Loads the encoder of a checkpoint whose keys have no prefix.
    ///
    /// # Errors
    /// Weights that do not fit the configuration.
    pub fn load(
        config: &AlitokTokenizerConfig,
        weights: &Weights<'static>,
    ) -> Result<Self, ModelError> {
        config.check()?;
        let (width, patch, latents) = (config.encoder.width, config.patch_size, config.latents());
        let queries = (weights.tensor((latents, width), "latent_tokens")?
            + weights.tensor((latents, width), "encoder.latent_token_positional_embedding")?)?;
        let patches = ConvolutionSpec::plane("encoder.patch_embed", 3, width, patch);
        let patches = ConvolutionSpec { window: Window::patches(patch), ..patches };
        let cells = config.grid * config.grid;
        Ok(Self {
            patch_embed: patches.load(weights)?,
            positions: weights.tensor((cells, width), "encoder.positional_embedding")?,
            latents: queries,
            transformer: Transformer::load(
                &weights.pp("encoder"),
                &config.encoder,
                config.layer_norm_eps,
            )?,
            conv_out: ConvolutionSpec::plane("encoder.conv_out", width, config.token_size, 1)
                .load(weights)?,
        })
    }

    /// Latents of a picture in 0..1, `tokens` rows of one position with `token_size` channels.
    ///
    /// # Errors
    /// A picture of another size.
    pub fn encode_vectors(&self, picture: &FeatureMap) -> Result<FeatureMap, ModelError> {
        let patches = self.patch_embed.forward(picture)?;
        let (cells, width) = (patches.height * patches.width, patches.channels);
        let patches = Tensor::from_vec(patches.data, (cells, width), &Device::Cpu)?;
        let rows = Tensor::cat(&[&(patches + &self.positions)?, &self.latents], 0)?;
        let tokens = self.latents.dim(0)?;
        let rows = self.transformer.forward(&rows, tokens, &mut |_| ())?;
        let rows = FeatureMap::new(tokens, 1, width, rows.flatten_all()?.to_vec1()?)?;
        self.conv_out.forward(&rows)
    }
}
