//! Messages that a person can act on.
