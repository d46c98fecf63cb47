//! The MoVQGAN decoder of Lumina-mGPT 2.0 (README-t2i.md, lumina/movq).

mod cache_contents;
mod golden_folder;
mod golden_models;
mod test_device;

use golden_folder::folders_with;
use golden_models::*;
use softcfg_studio::checkpoint::{Container, LoadProgress};
use softcfg_studio::compute::layout::TokenLayout;
use softcfg_studio::compute::precision::Precision;
use softcfg_studio::compute::weights::Weights;
use softcfg_studio::tokenizers::ImageTokenizer;
use softcfg_studio::tokenizers::movq::{self, MovqConfig};
use softcfg_studio::tokenizers::quantizer::Quantizer;
use std::sync::Arc;

#[test]
fn the_decoder_matches_module_by_module() {
    for folder in folders_with("lumina", "decoder.safetensors") {
        let golden = Golden::read(&folder.join("decoder.golden.safetensors"));
        let file = Container::open(&folder.join("decoder.safetensors")).unwrap();
        let shapes = shapes(&file);
        let builder = file.into_var_builder(Arc::new(LoadProgress::default()));
        let weights = Weights::new(builder, Precision::F32);
        let config = MovqConfig::from_shapes(&shapes).unwrap();
        let decoder = movq::load_decoder(&config, &weights).unwrap();
        let json = json(&folder.join("decoder.json"));
        assert_eq!(decoder.info().codebook_size, size(&json, "n_embed"));
        let (rows, columns) = (golden.shape("indices")[0], golden.shape("indices")[1]);
        let codes = golden.ids("indices");
        let vectors = decoder.quantizer().grid(&codes, rows, columns).unwrap();
        assert_features(&golden, |visit| decoder.decode_vectors(&vectors, visit).unwrap());

        // Lumina's layout has a forced step after each row, which draws nothing.
        let layout = TokenLayout::with_row_ends(rows, columns, 7);
        let mut tokens = Vec::new();
        for row in codes.chunks(columns) {
            tokens.extend(row.iter().copied().map(Some));
            tokens.push(Some(u32::MAX));
        }
        let image = decoder.decode(&tokens, &layout).unwrap();
        assert_close("rgb8", image.into_raw(), golden.values("rgb8"), 1.0);
        let swatch = decoder.swatches(&codes[..1]).unwrap().remove(0);
        let side = decoder.info().pixels_per_token as u32;
        assert_eq!(swatch.dimensions(), (side, side));
    }
}
