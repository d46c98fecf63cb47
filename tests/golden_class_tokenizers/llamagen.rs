//! LlamaGen's VQ-16 and VQ-8: whole pictures, single blocks, and the full size on formula weights.

use super::*;

// --- LlamaGen ---

/// Folders of VQ models with their configuration; those with formula weights have no file of weights.
fn vq_folders(formula: bool) -> Vec<(PathBuf, Value)> {
    let found: Vec<(PathBuf, Value)> = folders_with("llamagen", "config.json")
        .into_iter()
        .map(|folder| (folder.clone(), json::<Value>(&folder.join("config.json"))))
        .filter(|(_, config)| config["vq_model"].is_string())
        .filter(|(_, config)| config["weights"].is_string() == formula)
        .collect();
    assert!(!found.is_empty(), "no VQ case with formula weights: {formula}");
    found
}

fn check_vq(
    folder: &Path,
    json: &Value,
    vb: &VarBuilder<'_>,
    shapes: &TensorShapes,
    tolerance: f64,
) {
    let config: LlamagenVqConfig = serde_json::from_value(json.clone()).unwrap();
    let mut inferred = LlamagenVqConfig::from_shapes(shapes).unwrap();
    // Miniatures have fewer groups than the published 32.
    inferred.norm_num_groups = config.norm_num_groups;
    assert_eq!(inferred, config);
    assert_eq!(Some(config.pixels_per_token() as u64), json["downsample"].as_u64());
    let tokenizer = LlamagenVq::load(vb, &config, shapes).unwrap();
    let encoder = LlamagenVqEncoder::load(vb, &config).unwrap();
    let expected = Expected::read(folder);
    let recorded = expected.get("tokens");
    let side = |axis: usize| json["grid"][axis].as_u64().unwrap() as usize;
    let (rows, columns) = (side(0), side(1));
    let one = |name: &str, sample: usize| {
        let array = expected.get(name);
        Array { shape: array.shape[1..].to_vec(), data: array.at(&[sample]).to_vec() }
    };
    for sample in 0..recorded.shape[0] {
        let codes: Vec<u32> = recorded.at(&[sample]).iter().map(|&code| code as u32).collect();
        let vectors = channels(&tokenizer.codebook().vectors(&codes).unwrap(), rows, columns);
        let compare = |name: &str, tolerance: f64, actual: &Tensor| {
            let actual = actual.squeeze(0).unwrap();
            expected.comparison(name, tolerance).tensor(&actual, &one(name, sample));
        };
        let mut shown = Vec::new();
        let pixels = tokenizer.decode_vectors(&vectors, &mut |x| shown.push(x.clone())).unwrap();
        compare("image", tolerance, &pixels);
        if expected.find("codes").is_some() {
            compare("codes", 1e-6, &vectors);
            let stages = ["post_quant", "dec_conv_in", "dec_mid0", "dec_mid1", "dec_mid2"];
            for (name, stage) in stages.iter().chain(&["dec_level0", "dec_up0"]).zip(&shown) {
                compare(&format!("dbg.{name}"), 1e-4, stage);
            }
            let layout = TokenLayout::raster(rows, columns);
            let image = tokenizer.decode(&tokens(&codes), &layout).unwrap();
            assert_bytes(&image, &one("image_u8", sample).data, 1e-3);
            check_partial(&tokenizer, &codes, &layout, |drawn| {
                let vectors = with_mean(tokenizer.codebook(), &codes, drawn, columns);
                let pixels = tokenizer.decode_vectors(&vectors, &mut |_| ()).unwrap();
                rgb_image(&pixels.squeeze(0).unwrap(), signed_byte).unwrap()
            });
        }
        let picture = if expected.find("enc.image_u8").is_some() {
            // Height, width, channel to channel first, in -1..1.
            let bytes = one("enc.image_u8", sample).tensor().permute((2, 0, 1)).unwrap();
            ((bytes / 127.5).unwrap() - 1.0).unwrap().contiguous().unwrap()
        } else {
            let pixel = config.pixels_per_token();
            formula("image", &[3, rows * pixel, columns * pixel], 1.0, 0.0)
        };
        let mut shown = Vec::new();
        let latents = encoder
            .encode_vectors(&picture.unsqueeze(0).unwrap(), &mut |x| shown.push(x.clone()))
            .unwrap();
        compare("enc.pre_quant", tolerance.max(1e-4), &latents);
        let found = tokenizer.codebook().nearest(&to_rows(&latents), true).unwrap();
        let nearest = one("enc.indices", sample).ids();
        assert_eq!(found, nearest);
        if expected.find("enc.quant").is_some() {
            let quantized = tokenizer.codebook().vectors(&found).unwrap();
            compare("enc.quant", 1e-6, &channels(&quantized, rows, columns));
            let crop = shown[0].narrow(2, 0, 8).unwrap().narrow(3, 0, 8).unwrap();
            compare("dbg.enc_conv_in_8x8", 1e-4, &crop);
            compare("dbg.enc_out", 1e-4, &shown[1]);
        }
    }
    check_swatches(&tokenizer);
}

#[test]
fn vq_tokens_and_pictures_are_those_of_the_program() {
    for (folder, config) in vq_folders(false) {
        let (vb, shapes) = var_builder(&folder);
        check_vq(&folder, &config, &vb, &shapes, 1e-4);
    }
}

/// Section 7 of README-llamagen.md: splitmix64 over the FNV-1a hash of a name, in -1..1.
fn formula(name: &str, shape: &[usize], scale: f32, offset: f32) -> Tensor {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let value = |index: u64| {
        let mut z = hash.wrapping_add((index + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        2.0 * ((z >> 40) as f32 / 16_777_216.0) - 1.0
    };
    let count: usize = shape.iter().product();
    let data: Vec<f32> = (0..count as u64).map(|i| offset + scale * value(i)).collect();
    Tensor::from_vec(data, shape, &Device::Cpu).unwrap()
}

fn formula_weight(name: &str, shape: &[usize]) -> Tensor {
    let (scale, offset) = match (name, shape) {
        ("quantize.embedding.weight", _) => (1.0, 0.0),
        (_, [_]) if name.ends_with(".weight") => (0.2, 1.0),
        (_, [_]) => (0.1, 0.0),
        (_, [_, inputs @ ..]) => {
            ((3.0 / inputs.iter().product::<usize>() as f64).sqrt() as f32, 0.0)
        }
        (_, []) => panic!("{name} has no shape"),
    };
    formula(name, shape, scale, offset)
}

#[test]
fn the_full_size_vq_agrees_on_formula_weights() {
    for (folder, config) in vq_folders(true) {
        let keys = config["keys"].as_object().expect("config.json lists the keys");
        let shapes: TensorShapes = keys
            .iter()
            .map(|(name, shape)| {
                (name.clone(), serde_json::from_value::<Vec<usize>>(shape.clone()).unwrap())
            })
            .collect();
        let tensors =
            shapes.iter().map(|(name, shape)| (name.to_string(), formula_weight(name, shape)));
        let tensors: std::collections::HashMap<String, Tensor> = tensors.collect();
        let expected = Expected::read(&folder);
        for (name, tensor) in &tensors {
            let Some(probe) = expected.find(&format!("probe.{name}")) else { continue };
            let values: Vec<f32> = tensor.flatten_all().unwrap().to_vec1().unwrap();
            let mut compare = expected.comparison(&format!("probe.{name}"), 1e-7);
            compare.row("", &values[..probe.data.len()], &probe.data);
            compare.finish();
        }
        let vb = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        check_vq(&folder, &config, &vb, &shapes, 1e-3);
    }
}

#[test]
fn single_blocks_agree_with_32_groups() {
    let found: Vec<PathBuf> = folders_with("llamagen", "config.json")
        .into_iter()
        .filter(|folder| json::<Value>(&folder.join("config.json"))["blocks"].is_object())
        .collect();
    assert!(!found.is_empty(), "no case of single blocks");
    for folder in found {
        let config: Value = json(&folder.join("config.json"));
        let number = |name: &str| config[name].as_f64().unwrap();
        let norm =
            NormStyle { groups: number("norm_num_groups") as usize, eps: number("norm_eps") };
        let style = ResidualStyle { norm, bias: true, shortcut: Shortcut::Input };
        let (vb, _) = var_builder(&folder);
        let expected = Expected::read(&folder);
        let input = |name: &str| expected.get(&format!("{name}.in")).tensor();
        let width = |name: &str| input(name).dim(1).unwrap();
        let check = |name: &str, actual: Tensor| {
            let name = format!("{name}.out");
            expected.comparison(&name, 1e-4).tensor(&actual, expected.get(&name));
        };
        let outputs = expected.get("res_nin.out").shape[1];
        let block =
            ResidualBlock::load(width("res_nin"), outputs, style, &vb.pp("res_nin")).unwrap();
        check("res_nin", block.forward(&input("res_nin")).unwrap());
        let block = PixelAttention::load(width("attn"), norm, &vb.pp("attn")).unwrap();
        check("attn", block.forward(&input("attn")).unwrap());
        let conv = downsample_convolution(width("down"), vb.pp("down").pp("conv")).unwrap();
        check("down", downsample(&input("down"), &conv).unwrap());
        let channels = width("up");
        let conv = convolution(channels, channels, 3, true, vb.pp("up").pp("conv")).unwrap();
        check("up", upsample(&input("up"), &conv).unwrap());
        let layer = norm.load(width("norm"), vb.pp("norm")).unwrap();
        check("norm", layer.forward(&input("norm")).unwrap());
    }
}
