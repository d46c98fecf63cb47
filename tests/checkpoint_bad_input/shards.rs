//! Shards that do not fit their index.

use super::*;

/// `lumina/tiny` in a folder of its own.
fn sharded() -> (TempDir, PathBuf) {
    let folder = folder();
    for entry in fs::read_dir(own_golden().join("lumina/tiny")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let index = folder.path().join("model.safetensors.index.json");
    (folder, index)
}

fn edit_index(index: &Path, edit: impl Fn(String) -> String) {
    fs::write(index, edit(fs::read_to_string(index).unwrap())).unwrap();
}

#[test]
fn shards_that_do_not_fit_their_index() {
    const FIRST: &str = "model-00001-of-00002.safetensors";
    const SECOND: &str = "model-00002-of-00002.safetensors";
    let (folder, index) = sharded();
    fs::remove_file(folder.path().join(SECOND)).unwrap();
    let error = Container::open(folder.path()).unwrap_err();
    assert!(matches!(&error, CheckpointError::MissingShard { shard, .. } if shard == SECOND));
    assert_advises(&error, &index);

    let (folder, index) = sharded();
    fs::copy(folder.path().join(SECOND), folder.path().join("model-00003-of-00003.safetensors"))
        .unwrap();
    let error = Container::open(folder.path()).unwrap_err();
    assert_says(&error, "model-00003-of-00003.safetensors");
    assert_advises(&error, &index);

    for outside in [
        "../secret.safetensors",
        "/etc/passwd",
        "sub/../../x.safetensors",
        "..\\\\x.safetensors",
        "",
    ] {
        let (folder, index) = sharded();
        edit_index(&index, |text| text.replacen(SECOND, outside, 1));
        let error = Container::open(folder.path()).unwrap_err();
        assert_says(&error, "outside its folder");
        assert_advises(&error, &index);
    }

    let (folder, index) = sharded();
    edit_index(&index, |text| text.replacen("model.norm.weight", "model.other.weight", 1));
    assert_says(&Container::open(folder.path()).unwrap_err(), "model.norm.weight");

    let (folder, index) = sharded();
    edit_index(&index, |text| {
        text.replacen("\"lm_head.weight\"", &format!("\"extra\": {FIRST:?}, \"lm_head.weight\""), 1)
    });
    assert_says(&Container::open(folder.path()).unwrap_err(), "the index places extra");

    let (folder, index) = sharded();
    fs::write(&index, "{").unwrap();
    assert_says(&Container::open(folder.path()).unwrap_err(), "cannot be read");

    let (folder, index) = sharded();
    fs::remove_file(&index).unwrap();
    assert_says(&Container::open(folder.path()).unwrap_err(), "index.json is missing");
}
