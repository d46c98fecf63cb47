//! Permissions of saved files.
