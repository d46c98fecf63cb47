//! A judge of pictures with the sprites and words of the built-in model.

use softcfg_studio::engine::fidelity::Judge;
use std::fs;
use std::path::Path;

/// The judge.
pub fn judge() -> Judge {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/emoji-scenes");
    let sheet = |size: u32| {
        let file = folder.join(format!("sprites_{size}.png"));
        image::open(file).expect("a sheet").to_rgba8()
    };
    let grammar = fs::read(folder.join("grammar.json")).expect("a grammar");
    let grammar = serde_json::from_slice(&grammar).expect("a grammar");
    Judge::new(grammar, [sheet(64), sheet(96)]).expect("sheets of all subjects")
}
