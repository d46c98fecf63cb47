//! Numbers typed into fields.
