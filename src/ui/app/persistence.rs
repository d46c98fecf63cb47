//! The settings of the last session: one JSON file in the person's configuration folder, written
//! whole or not at all, on a thread of its own. A damaged file is kept aside and never stops the start.

use crate::compute::linear::most_decoder_threads;
use crate::engine::settings::RunSettings;
use crate::ui::app::arrangement::PanelSizes;
use crate::ui::state::model::RecentModel;
use crate::ui::state::view::ViewSettings;
use crate::ui::state::zoom::WindowZoom;
use crate::ui::theme::ThemeChoice;
use crossbeam_channel::{Receiver, Sender, bounded};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

/// Largest file that is read; ours has about two thousand bytes.
const LARGEST_FILE: u64 = 1 << 20;

/// What lasts from session to session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredSettings {
    /// Settings of the next run.
    pub settings: RunSettings,
    /// Live, if the person has ever decided; else the model decides.
    pub live: Option<bool>,
    /// Keep the seed on Generate.
    pub seed_locked: bool,
    /// How runs are looked at.
    pub view: ViewSettings,
    /// Dark or light.
    pub theme: ThemeChoice,
    /// How large everything is.
    pub zoom: WindowZoom,
    /// Sizes of the panels that can be dragged.
    pub panels: PanelSizes,
    /// Decoder threads, if the person has chosen; else one is left to the window.
    pub decoder_threads: Option<usize>,
    /// Models that were opened, the newest first.
    pub recent_models: Vec<RecentModel>,
    /// There was no file: the model's defaults are decoded unasked.
    #[serde(skip)]
    pub first_start: bool,
    /// Where to write it back; `None` keeps nothing.
    #[serde(skip)]
    pub file: Option<PathBuf>,
    /// Why the file could not be used, to be shown once.
    #[serde(skip)]
    pub problem: Option<String>,
}

impl Default for StoredSettings {
    fn default() -> Self {
        Self {
            settings: RunSettings::default(),
            live: None,
            seed_locked: true,
            view: ViewSettings::default(),
            theme: ThemeChoice::default(),
            zoom: WindowZoom::default(),
            panels: PanelSizes::default(),
            decoder_threads: None,
            recent_models: Vec::new(),
            first_start: true,
            file: None,
            problem: None,
        }
    }
}

impl StoredSettings {
    /// The file in the person's configuration folder, if the system names one.
    pub fn default_file() -> Option<PathBuf> {
        let folders = directories::ProjectDirs::from("", "", "softcfg-studio")?;
        Some(folders.config_dir().join("window.json"))
    }

    /// Reads the file. Whatever is wrong with it ends in defaults and in [`Self::problem`]; a file
    /// that cannot be understood is renamed to `….bak` first, one that cannot be read is left alone.
    pub fn load(file: PathBuf) -> Self {
        let text = match read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Self { file: Some(file), ..Self::default() };
            }
            Err(error) => {
                let problem = format!(
                    "The settings of the last session could not be read ({error}). This session starts from defaults and is not remembered. Check that you may read the file: {}",
                    file.display()
                );
                return Self { problem: Some(problem), ..Self::default() };
            }
        };
        match serde_json::from_slice::<Self>(&text) {
            Ok(stored) => Self { first_start: false, file: Some(file), ..stored.within_limits() },
            Err(error) => Self {
                problem: Some(set_aside(&file, &error)),
                file: Some(file),
                ..Self::default()
            },
        }
    }

    /// Brings what a hand may have written into the ranges that the window can show. The settings of
    /// the run stay as they are: they are checked, with a message, when a run is asked for.
    fn within_limits(mut self) -> Self {
        let default = ViewSettings::default();
        let limit = |value: f32, low: f32, high: f32, otherwise: f32| {
            if value.is_finite() { value.clamp(low, high) } else { otherwise }
        };
        let view = &mut self.view;
        view.opacity = limit(view.opacity, 0.0, 1.0, default.opacity);
        view.wipe = limit(view.wipe, 0.0, 1.0, default.wipe);
        view.zoom = limit(view.zoom, 1.0, 64.0, default.zoom);
        view.play_speed = limit(view.play_speed, 1.0, 1000.0, default.play_speed);
        view.centre = (limit(view.centre.0, 0.0, 1.0, 0.5), limit(view.centre.1, 0.0, 1.0, 0.5));
        view.locked_range = view
            .locked_range
            .filter(|(low, high)| low.is_finite() && high.is_finite() && low < high);
        self.zoom = self.zoom.within_limits();
        let panels = PanelSizes::default();
        // As many as another machine had, perhaps.
        self.decoder_threads =
            self.decoder_threads.map(|threads| threads.clamp(1, most_decoder_threads()));
        self.panels.settings = limit(self.panels.settings, 260.0, 480.0, panels.settings);
        self.panels.inspector = limit(self.panels.inspector, 300.0, 460.0, panels.inspector);
        self.panels.plots = limit(self.panels.plots, 96.0, 800.0, panels.plots);
        self
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// The folder cannot be made, or the file cannot be written or renamed.
    pub fn write(&self, file: &Path) -> io::Result<()> {
        let folder = file.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer_pretty(&mut temporary, self)?;
        temporary.write_all(b"\n")?;
        temporary.as_file().sync_all()?;
        temporary.persist(file)?;
        Ok(())
    }
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(file)?.take(LARGEST_FILE).read_to_end(&mut text)?;
    Ok(text)
}

fn set_aside(file: &Path, error: &serde_json::Error) -> String {
    let mut name = file.as_os_str().to_owned();
    name.push(".bak");
    let kept = PathBuf::from(name);
    match fs::rename(file, &kept) {
        Ok(()) => format!(
            "The settings of the last session are damaged ({error}). Defaults are used; the old file is kept: {}",
            kept.display()
        ),
        Err(cause) => format!(
            "The settings of the last session are damaged ({error}). Defaults are used; the old file could not be kept ({cause}) and will be replaced: {}",
            file.display()
        ),
    }
}

/// The thread that writes the file, so that a slow disk never holds a frame.
pub struct SettingsWriter {
    sender: Option<Sender<StoredSettings>>,
    failures: Receiver<String>,
    thread: Option<JoinHandle<()>>,
}

impl SettingsWriter {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(file: PathBuf) -> io::Result<Self> {
        let (sender, settings) = bounded::<StoredSettings>(1);
        let (report, failures) = bounded(1);
        let thread = std::thread::Builder::new().name("settings".into()).spawn(move || {
            for stored in settings {
                if let Err(error) = stored.write(&file) {
                    let message = format!(
                        "The settings of this session could not be kept ({error}). Check the folder: {}",
                        file.display()
                    );
                    // One that nobody has read yet says the same.
                    let _ = report.try_send(message);
                }
            }
        })?;
        Ok(Self { sender: Some(sender), failures, thread: Some(thread) })
    }

    /// Hands settings over; `false` if the disk is still busy with the ones before.
    pub fn offer(&self, stored: StoredSettings) -> bool {
        self.sender.as_ref().is_some_and(|sender| sender.try_send(stored).is_ok())
    }

    /// Hands the last settings over, waiting for the disk if need be.
    pub fn finish(&mut self, stored: StoredSettings) {
        if let Some(sender) = self.sender.take() {
            // The thread is gone only if it panicked; there is nothing left to save to.
            let _ = sender.send(stored);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    /// Why the last writing failed, once.
    pub fn failure(&self) -> Option<String> {
        self.failures.try_recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guidance::schedule::Schedule;
    use crate::guidance::weights::ReleasedCode;
    use crate::guidance::{CacheRule, Perturb, Preset};
    use crate::opening::request::OpenRequest;
    use crate::prompts::condition::Condition;

    fn changed(file: &Path) -> StoredSettings {
        let mut settings = RunSettings::default();
        settings.shared.guidance.scale.guidance_scale = 2.5;
        settings.lanes = vec![Preset::None, Preset::SoftCfgNoStepNorm];
        StoredSettings {
            settings,
            live: Some(false),
            seed_locked: false,
            theme: ThemeChoice::Light,
            panels: PanelSizes { settings: 333.0, ..PanelSizes::default() },
            recent_models: vec![RecentModel {
                name: "RAR-L".into(),
                request: OpenRequest::new([PathBuf::from("/models/rar_l.bin")]),
            }],
            first_start: false,
            file: Some(file.to_owned()),
            ..StoredSettings::default()
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deeper/window.json");
        let stored = changed(&file);
        stored.write(&file).unwrap();
        assert_eq!(StoredSettings::load(file.clone()), stored);
        // Nothing but the file is left behind.
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn no_file_is_a_first_start() {
        let folder = tempfile::tempdir().unwrap();
        let stored = StoredSettings::load(folder.path().join("window.json"));
        assert!(stored.first_start && stored.problem.is_none());
        assert!(stored.file.is_some());
    }

    #[test]
    fn a_damaged_file_is_kept_and_replaced_by_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("window.json");
        for damaged in
            [&b"{\"settings\": {\"guidance_scale\": 4"[..], b"", b"\xff\xfe\0", b"[1, 2]", b"null"]
        {
            fs::write(&file, damaged).unwrap();
            let stored = StoredSettings::load(file.clone());
            assert_eq!(stored.settings, RunSettings::default());
            assert!(stored.problem.is_some_and(|text| text.contains(".bak")));
            assert_eq!(fs::read(folder.path().join("window.json.bak")).unwrap(), damaged);
            assert!(!file.exists());
        }
    }

    #[test]
    fn fields_of_another_version_do_not_matter() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("window.json");
        fs::write(&file, br#"{"live": true, "of_the_future": [1, {"a": 2}]}"#).unwrap();
        let stored = StoredSettings::load(file);
        assert_eq!(stored.live, Some(true));
        assert_eq!(stored.settings, RunSettings::default());
        assert!(stored.problem.is_none());
    }

    #[test]
    fn settings_of_version_0_1_0_are_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("window.json");
        let text = r#"{"live": false, "settings": {"lanes": ["none", "softcfg-no-step-norm"],
            "condition": {"class": 7}, "guidance_scale": 2.5, "cosine_power": 0.5, "step_norm": false,
            "schedule": "authors", "guidance_interval": 9, "perturb": "key", "cache_rule": "exact",
            "sampling": {"temperature": 0.5, "top_k": 8, "top_p": 0.9, "seed": 11},
            "released_code": {"strength": 2.0, "floor": 0.1, "shift": false},
            "repetition_penalty": 1.5, "delta_context": false, "perturb_row_ends": true}}"#;
        fs::write(&file, text).unwrap();
        let stored = StoredSettings::load(file);
        assert_eq!(stored.problem, None);
        let RunSettings { shared, lanes } = stored.settings;
        assert_eq!(lanes, [Preset::None, Preset::SoftCfgNoStepNorm]);
        let (scale, rule) = (shared.guidance.scale, shared.guidance.perturbation);
        assert_eq!((scale.guidance_scale, scale.cosine_power, scale.interval), (2.5, 0.5, Some(9)));
        assert_eq!(
            (scale.schedule, rule.step_norm, rule.row_ends),
            (Schedule::Authors, false, true)
        );
        assert_eq!((rule.perturb, rule.cache_rule), (Perturb::Key, CacheRule::Exact));
        assert_eq!(rule.released_code, ReleasedCode { strength: 2.0, floor: 0.1, shift: false });
        assert_eq!((shared.sampling.seed, shared.repetition_penalty), (11, 1.5));
        assert_eq!((shared.condition, shared.delta_context), (Condition::Class(7), false));
    }

    #[test]
    fn a_view_out_of_range_is_brought_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("window.json");
        let view = r#"{"view": {"zoom": 1e9, "opacity": -3, "locked_range": [2, 1]}, "panels": {"settings": 1e30}}"#;
        fs::write(&file, view).unwrap();
        let stored = StoredSettings::load(file);
        assert_eq!((stored.view.zoom, stored.view.opacity), (64.0, 0.0));
        assert_eq!(stored.view.locked_range, None);
        assert_eq!(stored.panels.settings, 480.0);
    }

    #[test]
    fn a_number_that_is_none_does_not_spoil_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("window.json");
        let mut stored = changed(&file);
        stored.settings.shared.guidance.scale.guidance_scale = f32::NAN;
        stored.write(&file).unwrap();
        let again = StoredSettings::load(file);
        assert!(again.problem.is_none());
        assert_eq!(again.settings.shared, RunSettings::default().shared);
        assert_eq!(again.settings.lanes, stored.settings.lanes);
    }

    #[test]
    fn the_writer_reports_a_folder_that_is_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let blocked = folder.path().join("blocked");
        fs::write(&blocked, b"a file").unwrap();
        let file = blocked.join("window.json");
        let mut writer = SettingsWriter::start(file.clone()).unwrap();
        writer.finish(changed(&file));
        assert!(writer.failure().is_some_and(|text| text.contains("could not be kept")));
        assert_eq!(fs::read(&blocked).unwrap(), b"a file");
    }

    #[test]
    fn the_writer_keeps_the_last_settings() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("window.json");
        let mut writer = SettingsWriter::start(file.clone()).unwrap();
        writer.finish(changed(&file));
        assert_eq!(writer.failure(), None);
        assert_eq!(StoredSettings::load(file.clone()), changed(&file));
    }
}
