//! Names and shapes of the published models, written from the authors' programs and read from LlamaGen's
//! manifests: truth that shares nothing with the identification it tests.

use super::own_golden;

/// Names with shapes.
pub type Tensors = Vec<(String, Vec<usize>)>;

pub fn push(tensors: &mut Tensors, name: impl Into<String>, shape: &[usize]) {
    tensors.push((name.into(), shape.to_vec()));
}

/// AliTok's decoder.
pub fn alitok(d: usize, layers: usize, head_dim: usize, f: usize) -> Tensors {
    let mut t = Tensors::new();
    push(&mut t, "embeddings.weight", &[5098, d]);
    for i in 0..layers {
        let b = format!("blocks.{i}.");
        for (name, shape) in [
            ("norm1.weight", vec![d]),
            ("norm2.weight", vec![d]),
            ("attn.qkv.weight", vec![3 * d, d]),
            ("attn.qkv.bias", vec![3 * d]),
            ("attn.q_norm.weight", vec![head_dim]),
            ("attn.k_norm.weight", vec![head_dim]),
            ("attn.proj.weight", vec![d, d]),
            ("attn.proj.bias", vec![d]),
            ("mlp.w1.weight", vec![f, d]),
            ("mlp.w3.weight", vec![f, d]),
            ("mlp.w2.weight", vec![d, f]),
        ] {
            push(&mut t, format!("{b}{name}"), &shape);
        }
    }
    push(&mut t, "norm.weight", &[d]);
    push(&mut t, "output.weight", &[4096, d]);
    push(&mut t, "output.bias", &[4096]);
    t
}

/// RAR's decoder, and RobusTok's.
pub fn rar(d: usize, layers: usize, head_dim: usize, m: usize, codes: usize) -> Tensors {
    let mut t = Tensors::new();
    push(&mut t, "cls_token", &[1, 1, d]);
    push(&mut t, "pos_embed", &[1, 1280, d]);
    push(&mut t, "target_aware_pos_embed", &[1, 1280, d]);
    push(&mut t, "timesteps_embeddings", &[1, 356, d]);
    push(&mut t, "embeddings.weight", &[codes + 1002, d]);
    let mut pair = |place: String, outputs: usize, inputs: usize| {
        push(&mut t, format!("{place}.weight"), &[outputs, inputs]);
        push(&mut t, format!("{place}.bias"), &[outputs]);
    };
    for i in 0..layers {
        pair(format!("blocks.{i}.attn.qkv"), 3 * d, d);
        pair(format!("blocks.{i}.attn.proj"), d, d);
        pair(format!("blocks.{i}.mlp.fc1"), m, d);
        pair(format!("blocks.{i}.mlp.fc2"), d, m);
        pair(format!("blocks.{i}.adaLN_modulation.1"), 6 * d, d);
    }
    pair("adaln_before_head.adaLN_modulation.1".into(), 2 * d, d);
    pair("lm_head".into(), codes, d);
    for i in 0..layers {
        for (norm, width) in
            [("norm1", d), ("norm2", d), ("attn.q_norm", head_dim), ("attn.k_norm", head_dim)]
        {
            push(&mut t, format!("blocks.{i}.{norm}.weight"), &[width]);
            push(&mut t, format!("blocks.{i}.{norm}.bias"), &[width]);
        }
    }
    t
}

/// The Qwen2 decoder of SimpleAR, its head tied to the embedding.
pub fn qwen2(v: usize, h: usize, layers: usize, kv: usize, inner: usize) -> Tensors {
    let mut t = Tensors::new();
    push(&mut t, "model.embed_tokens.weight", &[v, h]);
    push(&mut t, "model.norm.weight", &[h]);
    for i in 0..layers {
        let l = format!("model.layers.{i}.");
        for (name, rows) in [("q", h), ("k", kv), ("v", kv)] {
            push(&mut t, format!("{l}self_attn.{name}_proj.weight"), &[rows, h]);
            push(&mut t, format!("{l}self_attn.{name}_proj.bias"), &[rows]);
        }
        push(&mut t, format!("{l}self_attn.o_proj.weight"), &[h, h]);
        push(&mut t, format!("{l}mlp.gate_proj.weight"), &[inner, h]);
        push(&mut t, format!("{l}mlp.up_proj.weight"), &[inner, h]);
        push(&mut t, format!("{l}mlp.down_proj.weight"), &[h, inner]);
        push(&mut t, format!("{l}input_layernorm.weight"), &[h]);
        push(&mut t, format!("{l}post_attention_layernorm.weight"), &[h]);
    }
    t
}

/// Lumina-mGPT 2.0's decoder.
pub fn lumina() -> Tensors {
    let (v, h, inner) = (171_385, 4096, 11_008);
    let mut t: Tensors = qwen2(v, h, 32, h, inner)
        .into_iter()
        .filter(|(name, _)| !name.ends_with("_proj.bias"))
        .collect();
    for i in 0..32 {
        for part in ["q_norm.weight", "q_norm.bias", "k_norm.weight", "k_norm.bias"] {
            push(&mut t, format!("model.layers.{i}.self_attn.{part}"), &[1, 128]);
        }
    }
    push(&mut t, "lm_head.weight", &[v, h]);
    t
}

/// The encoder of flan-t5-xl, with a tensor of the decoder half of the full file.
pub fn flan_t5_xl() -> Tensors {
    let (d, f) = (2048, 5120);
    let mut t = Tensors::new();
    push(&mut t, "shared.weight", &[32_128, d]);
    push(&mut t, "decoder.final_layer_norm.weight", &[d]);
    push(&mut t, "encoder.final_layer_norm.weight", &[d]);
    push(&mut t, "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", &[32, 32]);
    for i in 0..24 {
        let (attention, feed) =
            (format!("encoder.block.{i}.layer.0."), format!("encoder.block.{i}.layer.1."));
        for name in ["q", "k", "v", "o"] {
            push(&mut t, format!("{attention}SelfAttention.{name}.weight"), &[d, d]);
        }
        push(&mut t, format!("{attention}layer_norm.weight"), &[d]);
        push(&mut t, format!("{feed}DenseReluDense.wi_0.weight"), &[f, d]);
        push(&mut t, format!("{feed}DenseReluDense.wi_1.weight"), &[f, d]);
        push(&mut t, format!("{feed}DenseReluDense.wo.weight"), &[d, f]);
        push(&mut t, format!("{feed}layer_norm.weight"), &[d]);
    }
    t
}

pub fn manifests() -> serde_json::Value {
    let path = own_golden().join("llamagen/manifests.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

pub fn tensors_of(json: &serde_json::Value) -> Tensors {
    let shape = |shape: &serde_json::Value| serde_json::from_value(shape.clone()).unwrap();
    json.as_object().unwrap().iter().map(|(name, dims)| (name.clone(), shape(dims))).collect()
}

/// The names and shapes of a manifest, `{i}` written out for every layer.
pub fn gpt_tensors(facts: &serde_json::Value) -> Tensors {
    let layers = facts["n_layer"].as_u64().unwrap() as usize;
    let mut t = Tensors::new();
    for (name, shape) in tensors_of(&facts["tensors"]) {
        let copies = if name.contains("{i}") { layers } else { 1 };
        t.extend((0..copies).map(|i| (name.replace("{i}", &i.to_string()), shape.clone())));
    }
    assert_eq!(t.len() as u64, facts["n_tensors"].as_u64().unwrap());
    t
}
