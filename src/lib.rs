//! SoftCFG Studio: watch classifier-free guidance and SoftCFG (arXiv 2510.00996) draw the same
//! prompt side by side, token by token.
//!
//! Dependencies point one way: guidance, sampling → models → engine → export, ui, cli → main.

#![deny(unsafe_code)]

pub mod cli;
pub mod engine;
pub mod export;
pub mod guidance;
pub mod models;
pub mod sampling;
pub mod ui;
