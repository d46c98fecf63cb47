//! Where the golden tests decode: on the CPU, or on the device that `SOFTCFG_DEVICE` names, in a build
//! that has it: `SOFTCFG_DEVICE=cuda cargo test --features cuda --test 'golden_*'`.
#![allow(dead_code, reason = "each test binary uses its own part")]

use candle_core::Device;
use softcfg_studio::compute::device_kind::DeviceKind;
use softcfg_studio::compute::precision::Precision;
use std::sync::OnceLock;

/// The kind of device.
///
/// # Panics
/// The variable names none.
pub fn kind() -> DeviceKind {
    std::env::var("SOFTCFG_DEVICE").map_or(DeviceKind::Cpu, |name| name.parse().unwrap())
}

/// The device, opened once: a card takes its time to compile its programs.
///
/// # Panics
/// It cannot be used here: a test must not pass on another one.
pub fn device() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    let open = || kind().open().unwrap_or_else(|error| panic!("{error}"));
    DEVICE.get_or_init(open).clone()
}

/// The precision that gives the numbers of f32 with weights that were stored in `stored`: on other
/// devices bf16 weights round what they multiply.
pub fn exact(stored: Precision) -> Precision {
    if kind() == DeviceKind::Cpu { stored } else { Precision::F32 }
}

/// Asserts that two ways to the same numbers agree: bit by bit on the CPU. Other devices may add in
/// another order where there are more rows.
pub fn assert_same(found: &[f32], expected: &[f32], label: &str) {
    assert!(!found.is_empty() && found.len() == expected.len(), "{label}: length");
    let bound = (kind() != DeviceKind::Cpu).then_some(1e-4);
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let same = found.to_bits() == expected.to_bits()
            || bound.is_some_and(|bound| (found - expected).abs() <= bound);
        assert!(same, "{label}[{index}]: {found} and {expected}");
    }
}
