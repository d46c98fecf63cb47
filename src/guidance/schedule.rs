//! The guidance scale of each step: the cosine schedule of Sec. 3.4 in the convention of design.md
//! section 2, where the scale is the paper's γ_t of Eq. 6 plus one.

/// `scale_s = 1 + (γ-1)·½(1 - cos(π (s/T)^k))`, the factor of `z_c - z_u` at step `s` (Eq. 2 and 6).
///
/// `step` counts from 0 and `steps` is T, so the first token is unguided (scale exactly 1) and γ is
/// approached, never reached. A `cosine_power` k of 0 means the constant γ, as in the released code.
/// A `guidance_scale` γ of 1 gives exactly 1 at every step.
pub fn guidance_scale_at(step: usize, steps: usize, guidance_scale: f32, cosine_power: f32) -> f32 {
    if cosine_power == 0.0 {
        return guidance_scale;
    }
    // Double precision: near the start the cosine is close to 1 and the difference would cancel.
    let progress = step as f64 / steps.max(1) as f64;
    let angle = std::f64::consts::PI * progress.powf(f64::from(cosine_power));
    let rise = 0.5 * (1.0 - angle.cos());
    (1.0 + (f64::from(guidance_scale) - 1.0) * rise) as f32
}

#[cfg(test)]
mod tests {
    use super::guidance_scale_at;

    #[test]
    fn starts_unguided_passes_the_middle_and_can_be_constant() {
        assert_eq!(guidance_scale_at(0, 256, 13.0, 1.4), 1.0);
        assert!((guidance_scale_at(128, 256, 13.0, 1.0) - 7.0).abs() < 1e-6);
        for step in 0..256 {
            assert_eq!(guidance_scale_at(step, 256, 13.0, 0.0), 13.0);
            assert_eq!(guidance_scale_at(step, 256, 1.0, 1.4), 1.0);
        }
    }

    #[test]
    fn no_steps_is_no_division_by_zero() {
        assert_eq!(guidance_scale_at(0, 0, 4.0, 1.4), 1.0);
    }
}
