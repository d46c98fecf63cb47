//! Counter-based noise: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as
//! 1, 2, 3") keyed by the seed, and Gumbel variates from it. A number depends on its coordinates
//! alone, so lanes with one seed meet the same noise whatever else is drawn, in whatever order.

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const KEY_STEPS: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// The Philox4x32 bijection with ten rounds: 128 random bits for a counter under a key.
pub fn philox4x32_10(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let ([mut a, mut b, mut c, mut d], [mut key0, mut key1]) = (counter, key);
    for _ in 0..ROUNDS {
        let first = u64::from(MULTIPLIERS[0]) * u64::from(a);
        let second = u64::from(MULTIPLIERS[1]) * u64::from(c);
        (a, b, c, d) = (high(second) ^ b ^ key0, low(second), high(first) ^ d ^ key1, low(first));
        key0 = key0.wrapping_add(KEY_STEPS[0]);
        key1 = key1.wrapping_add(KEY_STEPS[1]);
    }
    [a, b, c, d]
}

/// Standard Gumbel variate `-ln(-ln(u))` of one token at one step of a seed; finite, between -3.6
/// and 36.8. The maximum of `ln p + gumbel` over tokens is a draw from p (the Gumbel-max rule).
pub fn gumbel(seed: u64, step: u64, token: u64) -> f64 {
    gumbel_of(bits(seed, step, token))
}

/// [`gumbel`], or nothing where it is certainly below `threshold`. Most tokens of a distribution are
/// too far behind the best for any likely variate, and cost no logarithm.
///
/// `-ln(u) >= 1 - u`, so that the variate is at most `-ln(1 - u)`; with n leading ones in its bits, u lies
/// below `1 - 2^-(n + 1)`.
pub fn gumbel_from(threshold: f64, seed: u64, step: u64, token: u64) -> Option<f64> {
    let bits = bits(seed, step, token);
    let at_most = f64::from(bits.leading_ones() + 1) * std::f64::consts::LN_2;
    (at_most + ROUNDING >= threshold).then(|| gumbel_of(bits))
}

/// More than a variate and its bound can be rounded.
const ROUNDING: f64 = 1e-6;

fn bits(seed: u64, step: u64, token: u64) -> u64 {
    let counter = [low(token), high(token), low(step), high(step)];
    let words = philox4x32_10(counter, [low(seed), high(seed)]);
    u64::from(words[1]) << 32 | u64::from(words[0])
}

fn gumbel_of(bits: u64) -> f64 {
    // 52 bits and a half: strictly inside (0, 1). With 53 the largest value would round to 1.
    let uniform = ((bits >> 12) as f64 + 0.5) / (1u64 << 52) as f64;
    -(-uniform.ln()).ln()
}

fn low(value: u64) -> u32 {
    value as u32
}

fn high(value: u64) -> u32 {
    (value >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known-answer vectors published with the generator.
    #[test]
    fn philox_gives_the_published_answers() {
        let ones = u32::MAX;
        assert_eq!(
            philox4x32_10([0; 4], [0; 2]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            philox4x32_10([ones; 4], [ones; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox4x32_10(
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn gumbel_has_the_moments_of_its_distribution() {
        let count = 200_000u64;
        let draws: Vec<f64> = (0..count).map(|token| gumbel(7, token % 97, token / 97)).collect();
        let mean = draws.iter().sum::<f64>() / count as f64;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count as f64;
        // Euler's constant and π²/6, within four standard errors.
        assert!((mean - 0.577_215_66).abs() < 0.012, "{mean}");
        assert!((variance - 1.644_934).abs() < 0.04, "{variance}");
    }

    #[test]
    fn a_variate_is_left_out_only_below_the_threshold() {
        let mut left_out = 0;
        for (token, threshold) in
            (0..100_000).map(|token| (token, (token % 200) as f64 / 10.0 - 2.0))
        {
            let variate = gumbel(5, 3, token);
            match gumbel_from(threshold, 5, 3, token) {
                Some(found) => assert_eq!(found, variate),
                None => {
                    assert!(variate < threshold, "{variate} of {token}, threshold {threshold}");
                    left_out += 1;
                }
            }
            assert_eq!(gumbel_from(variate, 5, 3, token), Some(variate));
        }
        assert!(left_out > 50_000, "{left_out}");
        for bits in [0, 1, 1 << 63, u64::MAX, u64::MAX << 12, u64::MAX - 1, u64::MAX << 1 >> 1] {
            let at_most = f64::from(bits.leading_ones() + 1) * std::f64::consts::LN_2;
            assert!(gumbel_of(bits) <= at_most + ROUNDING, "{bits:x}");
        }
    }

    #[test]
    fn every_coordinate_counts() {
        let here = gumbel(1, 2, 3);
        for other in [
            gumbel(2, 2, 3),
            gumbel(1 << 32 | 1, 2, 3),
            gumbel(1, 3, 3),
            gumbel(1, 1 << 32 | 2, 3),
            gumbel(1, 2, 4),
            gumbel(1, 3, 2),
        ] {
            assert_ne!(here, other);
        }
    }
}
