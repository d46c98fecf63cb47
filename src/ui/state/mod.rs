//! What panels share: the runs, how they are looked at.

pub mod view;
