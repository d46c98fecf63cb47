//! Sizes and counts that arguments or files ask for.
