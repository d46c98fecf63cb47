//! The pickle machine and the search for weights on any bytes: no panic, no run-away memory.
#![no_main]

use libfuzzer_sys::fuzz_target;
use softcfg_studio::checkpoint::guard_accepts;

fuzz_target!(|bytes: &[u8]| {
    guard_accepts(bytes);
});
