//! Numbers nobody chose, for the dice of prompt, class and seed.

/// Seeds of the dice lie below this: short enough to read out.
const DICE_SEEDS: u64 = 100_000;

/// A number from the clock, mixed so that neighbours differ (SplitMix64).
pub fn random_number() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let mut mixed = since.map_or(0, |since| since.as_nanos() as u64);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// A new seed.
pub fn seed() -> u64 {
    random_number() % DICE_SEEDS
}
