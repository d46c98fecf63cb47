//! Linear combination of a conditional and an unconditional branch into guided logits (Eq. 2, Eq. 6).

/// `guided = z_u + scale (z_c - z_u)`: CFG (Eq. 2) with the clean unconditional logits, SoftCFG
/// (Eq. 6, `(1+γ_t) z_c - γ_t z_ũ` with `scale = 1 + γ_t`) with the perturbed ones.
///
/// All slices run over the vocabulary and have one length. `guided` is overwritten. A scale of
/// exactly 1 returns the conditional logits bit for bit, since rounding in `z_u + (z_c - z_u)` would
/// make "no guidance" differ from conditional sampling.
pub fn combine(conditional: &[f32], unconditional: &[f32], scale: f32, guided: &mut Vec<f32>) {
    guided.clear();
    if scale == 1.0 {
        guided.extend_from_slice(conditional);
        return;
    }
    debug_assert_eq!(conditional.len(), unconditional.len());
    guided.extend(conditional.iter().zip(unconditional).map(|(&conditional, &unconditional)| {
        unconditional + scale * (conditional - unconditional)
    }));
}

#[cfg(test)]
mod tests {
    use super::combine;

    #[test]
    fn extrapolates_away_from_the_unconditional_branch() {
        let mut guided = vec![9.0; 5];
        combine(&[1.0, 2.0], &[0.0, 4.0], 3.0, &mut guided);
        assert_eq!(guided, [3.0, -2.0]);
        combine(&[1.0, 2.0], &[0.5, 4.0], 0.0, &mut guided);
        assert_eq!(guided, [0.5, 4.0]);
    }
}
