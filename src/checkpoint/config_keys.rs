//! What the keys of a `config.json` mean that a family does not read: those that change the numbers are
//! refused by name, those known to change nothing are passed over, and the rest is named in a note. The
//! names are those of the transformers library, which wrote these files.

use serde_json::Value;

/// The values under which a key of [`CHANGING`] changes nothing. Null, false, 0 and empty values never do.
#[derive(Debug, Clone, Copy)]
enum Neutral {
    /// None but these.
    Off,
    /// A factor of 1.
    One,
    /// One of these texts, or a list of nothing else.
    Text(&'static [&'static str]),
    /// Only true, or a missing key.
    True,
    /// Any but these texts.
    Not(&'static [&'static str]),
}

use Neutral::{Not, Off, One, Text, True};

/// Types of models whose tensors are named as those of Qwen2, Chameleon or T5 and whose layers compute
/// otherwise: other norms, scaled embeddings, norms of queries and keys, windows, experts, a bias of
/// positions in every layer.
const OTHER_MODELS: &[&str] = &[
    "cohere",
    "cohere2",
    "gemma",
    "gemma2",
    "gemma3",
    "gemma3_text",
    "glm",
    "glm4",
    "granite",
    "llama",
    "llama4",
    "ministral",
    "mistral",
    "mixtral",
    "olmo",
    "olmo2",
    "olmoe",
    "persimmon",
    "phi",
    "phi3",
    "qwen2_moe",
    "qwen3",
    "qwen3_moe",
    "qwen3_next",
    "smollm3",
    "stablelm",
    "starcoder2",
    "umt5",
];

/// Keys that change what a model computes. A family that computes what a key asks for reads it, so that it
/// never comes here.
const CHANGING: &[(&str, Neutral)] = &[
    ("model_type", Not(OTHER_MODELS)),
    // Which positions are attended to.
    ("sliding_window", Off),
    ("use_sliding_window", Off),
    ("sliding_window_pattern", Off),
    ("layer_types", Text(&["full_attention"])),
    ("attention_chunk_size", Off),
    ("is_causal", True),
    ("use_bidirectional_attention", Off),
    ("add_cross_attention", Off),
    ("cross_attention_layers", Off),
    ("attention_sink_size", Off),
    // Rotation.
    ("rope_theta", Off),
    ("rope_scaling", Off),
    ("rope_parameters", Off),
    ("rope_interleave", Off),
    ("rope_interleaved", Off),
    ("rope_local_base_freq", Off),
    ("rope_percentage", One),
    ("rotary_pct", One),
    ("rotary_percent", One),
    ("partial_rotary_factor", One),
    ("rotary_dim", Off),
    ("rotary_emb_base", Off),
    ("no_rope_layers", Off),
    ("no_rope_layer_interval", Off),
    ("mrope_section", Off),
    ("position_embedding_type", Text(&["rope", "rotary"])),
    ("alibi", Off),
    ("use_alibi", Off),
    // Attention.
    ("head_dim", Off),
    ("attention_bias", Off),
    ("attention_out_bias", Off),
    ("use_bias", Off),
    ("bias", Off),
    ("use_qkv_bias", Off),
    ("use_qk_norm", Off),
    ("qk_layernorm", Off),
    ("use_qk_layernorm", Off),
    ("clip_qkv", Off),
    ("attn_logit_softcapping", Off),
    ("attention_multiplier", Off),
    ("query_pre_attn_scalar", Off),
    ("softmax_scale", Off),
    ("scale_attn_weights", True),
    ("scale_attn_by_inverse_layer_idx", Off),
    // Layers.
    ("mlp_bias", Off),
    ("hidden_act", Text(&["silu"])),
    ("hidden_activation", Text(&["silu"])),
    ("activation_function", Text(&["silu"])),
    ("dense_act_fn", Text(&["gelu_new"])),
    ("is_gated_act", True),
    ("norm_type", Text(&["rmsnorm", "rms_norm"])),
    ("use_rms_norm", True),
    ("swin_norm", Off),
    ("use_post_norm", Off),
    ("parallel_attn", Off),
    ("use_parallel_residual", Off),
    ("num_experts", Off),
    ("num_local_experts", One),
    ("n_routed_experts", Off),
    ("pruned_heads", Off),
    // Factors.
    ("embedding_multiplier", One),
    ("residual_multiplier", One),
    ("logits_scaling", One),
    ("logit_scale", One),
    ("lm_head_multiplier", One),
    ("scale_emb", One),
    ("scale_depth", One),
    ("dim_model_base", Off),
    ("scale_embedding", Off),
    ("normalize_embedding", Off),
    ("final_logit_softcapping", Off),
    ("logit_softcapping", Off),
    ("logits_soft_cap", Off),
    ("mask_image_logits", Off),
    ("lm_head_bias", Off),
    // How weights are stored.
    ("quantization_config", Off),
    ("compression_config", Off),
];

/// Keys that change nothing that this program computes: names and versions, training, generation (which
/// has its own file), other halves of a model.
const HARMLESS: &[&str] = &[
    "architectures",
    "auto_map",
    "transformers_version",
    "torch_dtype",
    "dtype",
    "use_cache",
    "use_bfloat16",
    "torchscript",
    "attn_implementation",
    "return_dict",
    "output_attentions",
    "output_hidden_states",
    "output_past",
    "gradient_checkpointing",
    "pretraining_tp",
    "chunk_size_feed_forward",
    "initializer_range",
    "initializer_factor",
    "attention_dropout",
    "hidden_dropout",
    "resid_pdrop",
    "embd_pdrop",
    "attn_pdrop",
    "dropout",
    "dropout_rate",
    "classifier_dropout",
    "z_loss_weight",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
    "sep_token_id",
    "decoder_start_token_id",
    "tokenizer_class",
    "tokenizer_model_max_length",
    "tokenizer_padding_side",
    "vocabulary_map",
    "vq_config",
    "max_window_layers",
    "n_positions",
    "is_decoder",
    "is_encoder_decoder",
    "num_decoder_layers",
    "scale_decoder_outputs",
    "tie_word_embeddings",
    "tie_encoder_decoder",
    "task_specific_params",
    "problem_type",
    "finetuning_task",
    "id2label",
    "label2id",
    "prefix",
];

/// What the keys of `config` that are not among `read` ask for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Unread {
    /// "sliding_window 4096": what changes the numbers.
    pub(crate) changing: Vec<String>,
    /// Names of keys whose meaning is not known.
    pub(crate) unknown: Vec<String>,
}

impl Unread {
    /// Judges every key of a configuration that is not read.
    pub(crate) fn of(config: &Value, read: &[&str]) -> Self {
        let mut unread = Self::default();
        for (key, value) in config.as_object().into_iter().flatten() {
            // What the library keeps for itself.
            let private = key.starts_with('_');
            if private || read.contains(&key.as_str()) || HARMLESS.contains(&key.as_str()) {
                continue;
            }
            match CHANGING.iter().find(|(changing, _)| changing == key) {
                Some((_, neutral)) if neutral.allows(value) => {}
                Some(_) => unread.changing.push(format!("{key} {value}")),
                None if is_off(value) => {}
                None => unread.unknown.push(key.clone()),
            }
        }
        unread
    }
}

impl Neutral {
    fn allows(self, value: &Value) -> bool {
        match self {
            Off => is_off(value),
            One => is_off(value) || value.as_f64() == Some(1.0),
            Text(texts) => {
                let known =
                    |value: &Value| value.as_str().is_some_and(|text| texts.contains(&text));
                value.is_null()
                    || known(value)
                    || value.as_array().is_some_and(|all| all.iter().all(known))
            }
            True => value.is_null() || value == &Value::Bool(true),
            Not(others) => !value.as_str().is_some_and(|text| others.contains(&text)),
        }
    }
}

fn is_off(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(on) => !on,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(values) => values.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn no_key_stands_in_both_lists_or_twice() {
        let mut keys: Vec<&str> =
            CHANGING.iter().map(|(key, _)| *key).chain(HARMLESS.iter().copied()).collect();
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }

    #[test]
    fn what_changes_the_numbers_is_told_from_what_does_not() {
        let config = json!({
            "hidden_size": 64, "sliding_window": null, "layer_types": ["full_attention"], "_name_or_path": "x",
            "torch_dtype": "bfloat16", "model_type": "qwen2", "embedding_multiplier": 1.0, "mlp_bias": false, "is_causal": true,
        });
        assert_eq!(Unread::of(&config, &["hidden_size"]), Unread::default());
        let config = json!({
            "layer_types": ["full_attention", "sliding_attention"], "embedding_multiplier": 12.0,
            "is_causal": false, "quantization_config": {"bits": 4}, "frobnication": 3, "off": false,
            "model_type": "gemma",
        });
        let unread = Unread::of(&config, &[]);
        assert_eq!(unread.changing.len(), 5, "{unread:?}");
        assert_eq!(unread.unknown, ["frobnication"]);
    }
}
