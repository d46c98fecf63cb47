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
    weights: &Weights<'_>,
    shapes: &TensorShapes,
    tolerance: f64,
) {
    let config: LlamagenVqConfig = serde_json::from_value(json.clone()).unwrap();
    let mut inferred = LlamagenVqConfig::from_shapes(shapes).unwrap();
    // Miniatures have fewer groups than the published 32.
    inferred.norm_num_groups = config.norm_num_groups;
    assert_eq!(inferred, config);
    assert_eq!(Some(config.pixels_per_token() as u64), json["downsample"].as_u64());
    let tokenizer = llamagen_vq::load_decoder(&config, weights, shapes).unwrap();
    let encoder = llamagen_vq::load_encoder(&config, weights).unwrap();
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
        let vectors = tokenizer.quantizer().grid(&codes, rows, columns).unwrap();
        let compare = |name: &str, tolerance: f64, actual: &Tensor| {
            expected.comparison(name, tolerance).tensor(actual, &one(name, sample));
        };
        let (pixels, shown) =
            observed(|observe| tokenizer.decode_vectors(&vectors, observe).unwrap());
        compare("image", tolerance, &pixels);
        if expected.find("codes").is_some() {
            compare("codes", 1e-6, &planes(&vectors));
            let last = format!("decoder.conv_blocks.0.attn.{}", config.num_res_blocks);
            let stages = [
                ("post_quant", "post_quant_conv"),
                ("dec_conv_in", "decoder.conv_in"),
                ("dec_mid0", "decoder.mid.0"),
                ("dec_mid1", "decoder.mid.1"),
                ("dec_mid2", "decoder.mid.2"),
                ("dec_level0", last.as_str()),
                ("dec_up0", "decoder.conv_blocks.0.upsample.conv"),
            ];
            for (name, stage) in stages {
                compare(&format!("dbg.{name}"), 1e-4, &shown[stage]);
            }
            let layout = TokenLayout::raster(rows, columns);
            let image = tokenizer.decode(&tokens(&codes), &layout).unwrap();
            assert_bytes(&image, &one("image_u8", sample).data, 1e-3);
            check_partial(&tokenizer, &codes, &layout, |drawn| {
                let vectors = with_mean(tokenizer.quantizer(), &codes, drawn, columns);
                let pixels = tokenizer.decode_vectors(&vectors, &mut |_, _| ()).unwrap();
                rgb_image(&pixels, signed_byte).unwrap()
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
        let mut latents = None;
        let (encoded, shown) = observed(|observe| {
            latents.insert(encoder.forward(&map(&picture), observe).unwrap()).clone()
        });
        compare("enc.pre_quant", tolerance.max(1e-4), &encoded);
        let found = tokenizer.quantizer().quantize_grid(&latents.unwrap()).unwrap();
        let nearest = one("enc.indices", sample).ids();
        assert_eq!(found, nearest);
        if expected.find("enc.quant").is_some() {
            let quantized = tokenizer.quantizer().grid(&found, rows, columns).unwrap();
            compare("enc.quant", 1e-6, &planes(&quantized));
            let first = &shown["encoder.conv_in"];
            let crop = first.narrow(1, 0, 8).unwrap().narrow(2, 0, 8).unwrap();
            compare("dbg.enc_conv_in_8x8", 1e-4, &crop);
            compare("dbg.enc_out", 1e-4, &shown["encoder.conv_out"]);
        }
    }
    check_swatches(&tokenizer);
}

#[test]
fn vq_tokens_and_pictures_are_those_of_the_program() {
    for (folder, config) in vq_folders(false) {
        let (weights, shapes) = weights(&folder);
        check_vq(&folder, &config, &weights, &shapes, 1e-4);
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
        let tensors: HashMap<String, Tensor> = tensors.collect();
        let expected = Expected::read(&folder);
        for (name, tensor) in &tensors {
            let Some(probe) = expected.find(&format!("probe.{name}")) else { continue };
            let values: Vec<f32> = tensor.flatten_all().unwrap().to_vec1().unwrap();
            let mut compare = expected.comparison(&format!("probe.{name}"), 1e-7);
            compare.row("", &values[..probe.data.len()], &probe.data);
            compare.finish();
        }
        let vb = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        check_vq(&folder, &config, &Weights::new(vb, Precision::F32), &shapes, 1e-3);
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
        let (groups, eps) = (number("norm_num_groups") as usize, number("norm_eps"));
        let (weights, _) = weights(&folder);
        let expected = Expected::read(&folder);
        let check = |name: &str, add: &dyn Fn(&mut Architecture)| {
            let input = expected.get(&format!("{name}.in"));
            let name = format!("{name}.out");
            let mut network = Architecture::new(llamagen_vq::style(groups, eps), input.shape[1]);
            add(&mut network);
            let network = network.load(&weights).unwrap();
            let outputs = (0..input.shape[0]).map(|sample| {
                let input = map(&input.tensor().get(sample).unwrap());
                planes(&network.forward(&input, &mut |_, _| ()).unwrap())
            });
            let outputs = Tensor::stack(&outputs.collect::<Vec<_>>(), 0).unwrap();
            expected.comparison(&name, 1e-4).tensor(&outputs, expected.get(&name));
        };
        let outputs = expected.get("res_nin.out").shape[1];
        check("res_nin", &|network| network.residual("res_nin", outputs));
        check("attn", &|network| network.attention("attn"));
        check("down", &|network| {
            network.strided_convolution("down.conv", network.channels(), 3, Window::HALVING);
        });
        check("up", &|network| network.upsample("up.conv"));
        check("norm", &|network| {
            let (channels, kind) = (network.channels(), NormForm::Group { groups, eps });
            let norm = NormSpec { place: "norm".into(), channels, kind };
            network.add("norm", Layer::Norm(norm), channels);
        });
    }
}
