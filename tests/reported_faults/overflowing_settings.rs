//! Settings so large that numbers overflow.

use crate::program::refused;
use tempfile::tempdir;

// Source: found in use: "the weights may be damaged" was said of a guidance scale of 3e38.
#[test]
fn a_person_asks_for_more_than_numbers_can_hold() {
    let folder = tempdir().expect("a folder");
    for (setting, noun) in [
        ("--guidance-scale", "the guidance scale γ"),
        ("--repetition-penalty", "the repetition penalty"),
    ] {
        let call = ["generate", "--prompt", "a cat", setting, "3e38", "--out", "result"];
        let message = refused(folder.path(), &call, 1);
        assert!(message.contains(noun) && message.contains("not at fault"), "{message}");
        assert!(!message.contains("damaged"), "{message}");
    }
}
