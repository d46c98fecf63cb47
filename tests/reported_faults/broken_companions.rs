//! Small files beside the weights that cannot be read.
