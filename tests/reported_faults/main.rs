//! Faults that people reported of this program or of programs like it, each kept as a test that is named
//! by what a person does. A comment names the source: a public report, or "found in use".

#[path = "../checkpoint_support/mod.rs"]
mod checkpoint_support;
#[path = "../fidelity_support/mod.rs"]
mod fidelity_support;
#[path = "../open_support/mod.rs"]
mod open_support;
mod program;
mod window;

mod bench_of_a_model;
mod broken_companions;
mod builtin_defaults;
mod clipboard;
mod configs;
mod dropped_results;
mod file_dialogs;
mod messages;
mod other_kinds_of_files;
mod other_scripts;
mod overflowing_settings;
mod pipes;
mod refused_calls;
mod reused_folders;
mod saved_files;
mod sizes_asked_for;
mod small_screens;
mod text_tokenizers;
mod training_files;
mod typed_numbers;
mod unpacked_and_renamed;
mod zeros;
