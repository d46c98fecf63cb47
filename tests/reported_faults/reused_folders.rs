//! `--out` folders that hold another run.
