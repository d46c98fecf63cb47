//! `config.json` in newer forms, and keys that change the numbers.
