//! What a graphics card would run, run by candle on the processor: every family's decoder on the path
//! of other devices gives the logits of this package's own kernels, which the golden tests compare
//! with the authors' programs. A part of the library's own tests: only these can take the processor for
//! another device.

#[path = "../cache_contents/mod.rs"]
pub(crate) mod cache_contents;
#[path = "../golden_folder/mod.rs"]
mod golden_folder;
#[path = "../golden_models/mod.rs"]
mod golden_models;
#[path = "../golden_models_class/mod.rs"]
mod golden_models_class;
#[path = "../miniatures/mod.rs"]
mod miniatures;
#[path = "../open_folder/mod.rs"]
mod open_folder;
#[path = "../test_device/mod.rs"]
mod test_device;

use crate::compute::device_kind::cpu_as_device::with_cpu_as_device;
use miniatures::{Shift, all};
use softcfg_studio::compute::kv_cache::KvCache;
use softcfg_studio::compute::precision::Precision;
use softcfg_studio::engine::decode;
use softcfg_studio::engine::decoding::Decoding;
use softcfg_studio::engine::settings::{LaneSettings, RunSettings, RunSpec};
use softcfg_studio::engine::trace::{RunRecord, RunStatus};
use softcfg_studio::guidance::{CacheRule, Preset};
use softcfg_studio::models::card::Model;
use softcfg_studio::opening::builtin;

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
fn going_back_and_forks_change_no_bit_on_the_path_of_devices() {
    with_cpu_as_device(|| {
        let model = builtin::load().unwrap();
        let lanes = [CacheRule::TwoPass, CacheRule::Exact].map(|cache_rule| {
            let mut lane = LaneSettings::default();
            lane.guidance = Preset::SoftCfg.applied_to(lane.guidance);
            lane.guidance.perturbation.cache_rule = cache_rule;
            (cache_rule.to_string(), lane)
        });
        let spec = RunSpec::of_lanes(lanes.to_vec(), &model.card).unwrap();
        let mut decoding = Decoding::start(&model, &spec).unwrap();
        let steps = |decoding: &mut Decoding<&Model>, until: usize| -> Vec<_> {
            let missing = decoding.position()..until;
            missing.map(|_| decoding.step().unwrap().unwrap()).collect()
        };
        let first = steps(&mut decoding, 12);
        let mut fork = decoding.fork(7).unwrap();
        for target in [11, 5, 0] {
            decoding.rewind(target);
            assert!(steps(&mut decoding, 12) == first[target..], "from {target}");
        }
        assert!(steps(&mut fork, 12) == first[7..], "the fork");
    });
}
