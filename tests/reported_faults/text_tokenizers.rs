//! Text tokenizers that are stored in other files than `tokenizer.json`.
