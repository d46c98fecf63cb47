//! Settings so large that numbers overflow.
