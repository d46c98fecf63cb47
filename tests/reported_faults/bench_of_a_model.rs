//! `bench --model` without what it does not time.
