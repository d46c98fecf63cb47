//! Where a decoder's weights lie and its rows are computed: this machine's processor, or a graphics
//! card that candle drives. Chosen at load with `--device`.

use crate::compute::error::{ModelError, tensor_message};
use crate::compute::precision::Precision;
use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};
use std::panic::catch_unwind;

/// Whether rows like `tensor` are computed by candle on their device, not by this package's kernels.
pub(crate) fn on_device(tensor: &Tensor) -> bool {
    #[cfg(test)]
    if cpu_as_device::IS_ON.get() {
        return true;
    }
    !tensor.device().is_cpu()
}

/// What a graphics card would run is tested on the processor.
#[cfg(test)]
pub(crate) mod cpu_as_device {
    use std::cell::Cell;

    thread_local! {
        pub(super) static IS_ON: Cell<bool> = const { Cell::new(false) };
    }

    /// Runs `work` with the processor's tensors taken for those of another device, on this thread.
    /// Models have to be loaded and used within it.
    pub(crate) fn with_cpu_as_device<T>(work: impl FnOnce() -> T) -> T {
        struct Restore(bool);
        impl Drop for Restore {
            fn drop(&mut self) {
                IS_ON.set(self.0);
            }
        }
        let _restore = Restore(IS_ON.replace(true));
        work()
    }
}

/// A kind of device. Image tokenizers and text encoders stay on the processor with each.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Default,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum DeviceKind {
    /// The processor, by this package's own kernels.
    #[default]
    Cpu,
    /// The first NVIDIA card; in binaries built with the feature `cuda`.
    Cuda,
    /// The first Apple card; in binaries built with the feature `metal`.
    Metal,
}

impl DeviceKind {
    /// The device itself.
    ///
    /// # Errors
    /// This binary was built without support for it, or the machine has none that can be used.
    pub fn open(self) -> Result<Device, ModelError> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda if !cfg!(feature = "cuda") => Err(self.not_built()),
            Self::Metal if !cfg!(feature = "metal") => Err(self.not_built()),
            Self::Cuda => self.first(|| Device::new_cuda(0)),
            Self::Metal => self.first(|| Device::new_metal(0)),
        }
    }

    /// Whether the device multiplies weights of this precision.
    ///
    /// # Errors
    /// 8-bit weights on anything but the processor.
    pub fn check(self, precision: Precision) -> Result<(), ModelError> {
        if self == Self::Cpu || precision != Precision::Int8 {
            return Ok(());
        }
        Err(ModelError::Device(format!(
            "8-bit weights run on the CPU only; choose bf16 or f32 with {}, or the CPU",
            self.label()
        )))
    }

    /// Name as its makers write it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Cpu => "the CPU",
            Self::Cuda => "CUDA",
            Self::Metal => "Metal",
        }
    }

    fn not_built(self) -> ModelError {
        ModelError::Device(format!(
            "this program was built without {}; build it with --features {self}, or use the CPU",
            self.label()
        ))
    }

    /// The device that `open` gives. Where a driver library is missing, the binding panics.
    fn first(
        self,
        open: impl FnOnce() -> candle_core::Result<Device> + std::panic::UnwindSafe,
    ) -> Result<Device, ModelError> {
        let absent = |cause: String| {
            ModelError::Device(format!(
                "no device of {} can be used on this machine ({cause}); check its driver, or use the CPU",
                self.label()
            ))
        };
        match catch_unwind(open) {
            Ok(Ok(device)) => Ok(device),
            Ok(Err(error)) => Err(absent(tensor_message(&error))),
            Err(_) => Err(absent("its driver could not be loaded".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strum::VariantArray;

    #[test]
    fn a_device_that_is_not_there_is_named_with_what_to_do() {
        assert!(DeviceKind::Cpu.open().unwrap().is_cpu());
        for kind in [DeviceKind::Cuda, DeviceKind::Metal] {
            let Err(error) = kind.open() else { continue };
            let message = error.to_string();
            assert!(message.contains(kind.label()) && message.contains("CPU"), "{message}");
            let built = match kind {
                DeviceKind::Cuda => cfg!(feature = "cuda"),
                _ => cfg!(feature = "metal"),
            };
            let feature = format!("--features {kind}");
            assert_eq!(message.contains(&feature), !built, "{message}");
        }
    }

    #[test]
    fn an_absent_device_is_described_in_one_line() {
        let error = DeviceKind::Cuda.first(|| {
            let inner = Box::new(candle_core::Error::Msg("no driver".to_owned()));
            let backtrace = Box::new(std::backtrace::Backtrace::force_capture());
            Err(candle_core::Error::WithBacktrace { inner, backtrace })
        });
        let message = error.unwrap_err().to_string();
        assert!(message.contains("no driver") && message.lines().count() == 1, "{message}");
    }

    #[test]
    fn a_driver_that_panics_is_an_absent_device() {
        let error = DeviceKind::Cuda.first(|| panic!("no library")).unwrap_err();
        assert!(error.to_string().contains("check its driver"), "{error}");
    }

    #[test]
    fn only_the_processor_takes_8_bit_weights() {
        for &kind in DeviceKind::VARIANTS {
            for &precision in Precision::VARIANTS {
                let refused = kind != DeviceKind::Cpu && precision == Precision::Int8;
                assert_eq!(kind.check(precision).is_err(), refused, "{kind} {precision}");
            }
        }
    }
}
