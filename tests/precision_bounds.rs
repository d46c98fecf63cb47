//! How far each precision moves the logits, on every golden miniature and on the built-in model, along
//! forced tokens and under every kind of perturbation. `--nocapture` prints what is measured; the
//! bounds are about twice that.

mod cache_contents;
mod golden_folder;
mod golden_models;
mod golden_models_class;
mod miniatures;
mod open_folder;
mod test_device;

use miniatures::{BUILT_IN, Shift, all};
use softcfg_studio::compute::device_kind::DeviceKind;
use softcfg_studio::compute::precision::Precision;

/// Of a file of bf16 in its own precision: only the rounding of f32 is left.
const OF_THE_FILE: (f64, f64) = (1e-6, 1e-5);

/// Of bf16 on other devices, where inputs and outputs of products are bf16 too.
const ROUNDED_ON_A_DEVICE: (f64, f64) = (4e-2, 0.4);

/// Largest relative root mean square and largest difference of bf16 and int8, in standard deviations
/// of the logits, by model. Miniatures have random weights, whose errors do not average out as those of
/// trained ones.
const BOUNDS: [(&str, [(f64, f64); 2]); 7] = [
    ("AliTok", [(1.6e-2, 0.13), (4.6e-2, 0.3)]),
    ("RAR", [(2e-2, 0.22), (4e-2, 0.35)]),
    ("LlamaGen c2i", [(1e-2, 0.04), (3e-2, 0.13)]),
    ("LlamaGen t2i", [(9e-3, 0.035), (2.6e-2, 0.13)]),
    ("SimpleAR", [OF_THE_FILE, (3.5e-2, 0.2)]),
    ("Lumina", [OF_THE_FILE, (3e-2, 0.11)]),
    (BUILT_IN, [OF_THE_FILE, (9e-2, 0.6)]),
];

#[test]
fn each_precision_moves_the_logits_no_further_than_its_bound() {
    let exact: Vec<_> = all(Precision::F32).iter().map(|model| model.logits()).collect();
    println!(
        "{:<14}{:>10} {:>10}   {:>10} {:>10}",
        "", "bf16 rms", "largest", "int8 rms", "largest"
    );
    let on_cpu = test_device::kind() == DeviceKind::Cpu;
    let precisions =
        if on_cpu { &[Precision::Bf16, Precision::Int8][..] } else { &[Precision::Bf16] };
    let found: Vec<_> = precisions.iter().map(|&precision| all(precision)).collect();
    let mut broken = Vec::new();
    for (index, (name, bounds)) in BOUNDS.iter().enumerate() {
        let mut line = format!("{name:<14}");
        for (models, bound) in found.iter().zip(bounds) {
            let (rms, largest) = if on_cpu { bound } else { &ROUNDED_ON_A_DEVICE };
            let model = &models[index];
            assert_eq!(model.name, *name);
            let shift = Shift::between(&model.logits(), &exact[index]);
            line += &format!("{:>10.1e} {:>10.1e}   ", shift.rms, shift.largest);
            if shift.rms > *rms || shift.largest > *largest {
                broken.push(format!("{name}: {shift:?}, bounds {rms:e} and {largest:e}"));
            }
            // Weights that were rounded have to be seen, or nothing was compared.
            assert!(
                *rms == OF_THE_FILE.0 || shift.rms > 1e-5,
                "{name} is too close to f32: {shift:?}"
            );
        }
        println!("{line}");
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn f32_is_f32() {
    for (first, second) in all(Precision::F32).iter().zip(all(Precision::F32)) {
        let bits = |logits: Vec<Vec<f32>>| -> Vec<u32> {
            logits.iter().flatten().map(|z| z.to_bits()).collect()
        };
        assert_eq!(bits(first.logits()), bits(second.logits()), "{}", first.name);
    }
}
