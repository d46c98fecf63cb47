//! Windows on small or magnified screens.
