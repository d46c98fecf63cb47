//! Any safetensors header with any config: identification and the memory estimate end with a value.
//! The input is a header, a zero byte, and a config.json; the data is as long as the header wants.
#![no_main]

use libfuzzer_sys::fuzz_target;
use softcfg_studio::opening::memory::{RunSize, plan};
use softcfg_studio::checkpoint::Container;
use softcfg_studio::checkpoint::folder::ModelFolder;
use softcfg_studio::checkpoint::folder_config::FolderConfig;
use softcfg_studio::opening::identify::identify;

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(2, |&byte| byte == 0);
    let (header, config) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let Ok(json) = serde_json::from_slice::<serde_json::Value>(header) else { return };
    let ends = json.as_object().into_iter().flatten();
    let length = ends.filter_map(|(_, tensor)| tensor.get("data_offsets")?.get(1)?.as_u64()).max();
    let Ok(folder) = tempfile::tempdir() else { return };
    let path = folder.path().join("weights.safetensors");
    let start = [&(header.len() as u64).to_le_bytes()[..], header].concat();
    let written = std::fs::write(&path, &start).and_then(|()| {
        let data = length.unwrap_or_default().min(1 << 40);
        std::fs::File::options().write(true).open(&path)?.set_len(start.len() as u64 + data)
    });
    let (Ok(()), Ok(container)) = (written, Container::open(&path)) else { return };
    let Ok(()) = std::fs::write(folder.path().join("config.json"), config) else { return };
    let Ok(config) = FolderConfig::of(&ModelFolder::Disk(folder.path().into())) else { return };
    if let Ok(found) = identify(&container, &config) {
        assert!(!found.summary().is_empty());
        let _ = plan(&found, None, None, RunSize { rows: 4, positions: 300 }, Some(1 << 30));
    }
});
