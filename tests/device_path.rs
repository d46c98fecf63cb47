//! What a graphics card would run, run by candle on the processor: every family's decoder on the path
//! of other devices gives the logits of this package's own kernels, which the golden tests compare
//! with the authors' programs. And what `--device` says where there is no such device.

mod golden_models;
mod golden_models_class;
mod miniatures;
mod open_folder;
mod test_device;

use miniatures::{Shift, all};
use softcfg_studio::compute::device_kind::with_cpu_as_device;
use softcfg_studio::compute::kv_cache::KvCache;
use softcfg_studio::compute::precision::Precision;
use softcfg_studio::engine::decode;
use softcfg_studio::engine::settings::RunSettings;
use softcfg_studio::engine::trace::{RunRecord, RunStatus};
use softcfg_studio::opening::builtin;
use std::process::Command;

#[test]
fn every_family_gives_the_same_logits_on_the_path_of_devices() {
    let on_device = with_cpu_as_device(|| {
        let run = |model: miniatures::Miniature| {
            let (logits, caches) = model.run();
            assert!(
                caches.iter().all(KvCache::is_on_device),
                "{} attended on the host",
                model.name
            );
            logits
        };
        all(Precision::F32).into_iter().map(run).collect::<Vec<_>>()
    });
    for (model, found) in all(Precision::F32).into_iter().zip(&on_device) {
        let (exact, caches) = model.run();
        assert!(!caches.iter().any(KvCache::is_on_device));
        let shift = Shift::between(found, &exact);
        println!("{:<14} largest {:.1e} standard deviations", model.name, shift.largest);
        assert!(shift.largest < 1e-4, "{}: {shift:?}", model.name);
    }
}

#[test]
fn a_whole_run_draws_the_same_image_on_the_path_of_devices() {
    let run = || {
        let model = builtin::load().unwrap();
        let settings = RunSettings::default();
        let spec = settings.validate(&model.card).unwrap();
        let record = RunRecord::new(1, spec, model.card.layout.clone());
        decode::run(&model, &record, &mut || ());
        assert_eq!(record.status(), RunStatus::Finished);
        record
    };
    let (device, host) = (with_cpu_as_device(run), run());
    let steps = host.spec.steps;
    for lane in 0..host.lanes().len() {
        let pairs = device.lane(lane).into_iter().zip(host.lane(lane));
        let same = pairs.clone().take_while(|(device, host)| device.token == host.token).count();
        println!("lane {lane}: the first {same} of {steps} tokens are the same");
        // On devices bf16 weights multiply inputs rounded to bf16, which turns a close draw sooner or
        // later.
        let (mut seen, mut off) = (0, 0.0f32);
        for (device, host) in pairs.take(same + 1) {
            off = off.max((device.entropy_conditional - host.entropy_conditional).abs());
            seen += 1;
        }
        assert!(
            seen > 0 && off < 0.02,
            "lane {lane}: entropies differ by {off} before step {seen}"
        );
    }
}

#[test]
fn the_command_line_says_which_device_is_not_there_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let run = |command: &[&str], device: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_softcfg-studio"))
            .args(command)
            .args(["--device", device])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{command:?} {device}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{command:?} {device}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let call = |device: &str| {
        let message = run(&["generate", "--prompt", "a cat", "--out", "out"], device);
        // Without a command it is the window's, which does not open then.
        assert_eq!(run(&[], device), message);
        assert_eq!(run(&["bench"], device), message);
        message
    };
    assert!(call("abacus").contains("cpu, cuda, metal"));
    if !cfg!(feature = "cuda") {
        let message = call("cuda");
        assert!(message.contains("built without CUDA") && message.contains("--features cuda"));
    }
    if !cfg!(feature = "metal") {
        let message = call("metal");
        assert!(message.contains("built without Metal") && message.contains("--features metal"));
    }
}
