//! Training files with other things beside the weights.
