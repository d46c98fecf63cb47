//! The text tokenizer of a folder, whichever files it is stored in, as one `tokenizer.json`.
//!
//! Newer folders hold `tokenizer.json`; older ones the files of Qwen2's tokenizer (`vocab.json`,
//! `merges.txt` and the added tokens) or of T5's (`spiece.model`). These are converted by the rules of
//! the transformers library, so that every reader knows one form only.

mod added_tokens;
mod byte_pairs;
mod charsmap;
mod fault;
mod protobuf;
mod read;
mod sentence_piece;

pub use read::{ids, read, required};
