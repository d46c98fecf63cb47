//! Copy and paste.
