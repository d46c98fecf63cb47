//! What the built-in model is shown with.
