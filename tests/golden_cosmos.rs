//! The Cosmos image tokenizer of SimpleAR: its quantizer and its decoder (README-t2i.md, simplear/cosmos).

mod cache_contents;
mod golden_folder;
mod golden_models;
mod test_device;

use golden_folder::folders_with;
use golden_models::*;
use sha2::{Digest, Sha256};
use softcfg_studio::checkpoint::{Container, LoadProgress};
use softcfg_studio::compute::layout::TokenLayout;
use softcfg_studio::compute::precision::Precision;
use softcfg_studio::compute::weights::Weights;
use softcfg_studio::tokenizers::ImageTokenizer;
use softcfg_studio::tokenizers::cosmos::{self, CosmosConfig};
use softcfg_studio::tokenizers::fsq::FiniteScalarQuantizer;
use softcfg_studio::tokenizers::quantizer::Quantizer;
use std::sync::Arc;

fn quantizer(golden: &Golden) -> FiniteScalarQuantizer {
    FiniteScalarQuantizer::new(&golden.ids("levels")).unwrap()
}

#[test]
fn codes_and_values_match_both_ways() {
    for folder in folders_with("simplear", "fsq.safetensors") {
        let golden = Golden::read(&folder.join("fsq.safetensors"));
        let fsq = quantizer(&golden);
        for (index, code) in golden.ids("indices").into_iter().enumerate() {
            let expected = golden.row("codes", index);
            assert_close("codes", fsq.values(code), expected, 0.0);
            let basis = golden.ids("basis");
            let sum: u32 = fsq.digits(code).zip(basis).map(|(digit, basis)| digit * basis).sum();
            assert_eq!(sum, code);
        }
        let grid = golden.ids("grid_indices");
        let planes: Vec<f32> = (0..fsq.width())
            .flat_map(|channel| {
                let fsq = &fsq;
                grid.iter().map(move |&code| fsq.values(code).nth(channel).unwrap())
            })
            .collect();
        assert_close("grid_codes", planes, golden.values("grid_codes"), 0.0);
    }
}

#[test]
fn the_encoder_side_matches() {
    for folder in folders_with("simplear", "fsq.safetensors") {
        let golden = Golden::read(&folder.join("fsq.safetensors"));
        let fsq = quantizer(&golden);
        let z = golden.floats("enc_z");
        for (row, z) in z.chunks(fsq.width()).enumerate() {
            let bound = z.iter().enumerate().map(|(channel, &z)| fsq.bound(channel, z));
            assert_close("enc_bound", bound, golden.row("enc_bound", row), 1e-5);
            let code = fsq.nearest(z).unwrap();
            assert_eq!(code, golden.ids("enc_index")[row]);
            assert_close("enc_code", fsq.values(code), golden.row("enc_code", row), 1e-7);
        }
    }
}

#[test]
fn the_whole_table_has_the_golden_hash() {
    for folder in folders_with("simplear", "fsq.json") {
        let json = json(&folder.join("fsq.json"));
        let levels: Vec<u32> =
            json["levels"].as_array().unwrap().iter().map(|l| l.as_u64().unwrap() as u32).collect();
        let fsq = FiniteScalarQuantizer::new(&levels).unwrap();
        assert_eq!(fsq.codebook_size() as usize, size(&json, "codebook_size"));
        let mut hash = Sha256::new();
        for code in 0..fsq.codebook_size() {
            fsq.values(code).for_each(|value| hash.update(value.to_le_bytes()));
        }
        let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(json["sha256_of_all_codes_f32_le_row_major"].as_str(), Some(hex.as_str()));
    }
}

#[test]
fn the_decoder_matches_module_by_module() {
    for folder in folders_with("simplear", "tiny_decoder.safetensors") {
        let golden = Golden::read(&folder.join("tiny_decoder.golden.safetensors"));
        let file = Container::open(&folder.join("tiny_decoder.safetensors")).unwrap();
        let shapes = shapes(&file);
        let builder = file.into_var_builder(Arc::new(LoadProgress::default()));
        let weights = Weights::new(builder, Precision::F32);
        let config = CosmosConfig::from_shapes(&shapes).unwrap();
        let decoder = cosmos::load_decoder(&config, &weights).unwrap();
        let (rows, columns) = (golden.shape("indices")[0], golden.shape("indices")[1]);
        let codes = golden.ids("indices");
        let vectors = decoder.quantizer().grid(&codes, rows, columns).unwrap();
        assert_features(&golden, |visit| {
            visit("inv_quant", &vectors);
            decoder.decode_vectors(&vectors, visit).unwrap()
        });

        let layout = TokenLayout::raster(rows, columns);
        let tokens: Vec<Option<u32>> = codes.into_iter().map(Some).collect();
        let image = decoder.decode(&tokens, &layout).unwrap();
        assert_close("rgb8", image.as_raw().iter().copied(), golden.values("rgb8"), 1.0);
        let info = decoder.info();
        assert_eq!(info.pixels_per_token * columns, image.width() as usize);

        let mut partial = tokens;
        partial[columns..].fill(None);
        let strip = decoder.decode(&partial, &layout).unwrap();
        assert_eq!(strip.dimensions(), image.dimensions());
        let undrawn = strip.get_pixel(0, info.pixels_per_token as u32);
        assert_eq!(undrawn.0, [128; 3]);
        assert_ne!(strip.get_pixel(0, 0).0, [128; 3]);
    }
}
