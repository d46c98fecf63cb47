//! Differences between the branches: Δ of guidance and Δctx of the perturbation (Eq. 7, Eq. 10,
//! App. D), as L2 norms and a cosine.

/// Norms and direction of the two differences at one step, in logit units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Deltas {
    /// ‖Δ‖ = ‖z_c - z_u‖.
    pub delta: f32,
    /// ‖Δctx‖ = ‖z_u - z_ũ‖, with the sign of Eq. 7.
    pub delta_context: f32,
    /// Cosine of the angle between Δ and Δctx, in [-1, 1]; 0 where one of them is zero.
    pub cosine: f32,
}

/// ‖Δ‖, ‖Δctx‖ and their cosine (Eq. 7, Eq. 10) from the conditional, the clean unconditional and
/// the perturbed unconditional logits, which have one length.
pub fn deltas(conditional: &[f32], unconditional: &[f32], perturbed: &[f32]) -> Deltas {
    debug_assert_eq!(conditional.len(), unconditional.len());
    debug_assert_eq!(unconditional.len(), perturbed.len());
    let (mut square, mut square_context, mut product) = (0.0, 0.0, 0.0);
    for ((&conditional, &unconditional), &perturbed) in
        conditional.iter().zip(unconditional).zip(perturbed)
    {
        let difference = f64::from(conditional) - f64::from(unconditional);
        let context = f64::from(unconditional) - f64::from(perturbed);
        square += difference * difference;
        square_context += context * context;
        product += difference * context;
    }
    let (norm, norm_context) = (square.sqrt(), square_context.sqrt());
    let cosine = if norm > 0.0 && norm_context > 0.0 {
        (product / norm / norm_context).clamp(-1.0, 1.0)
    } else {
        0.0
    };
    Deltas { delta: norm as f32, delta_context: norm_context as f32, cosine: cosine as f32 }
}

/// L2 norm of the difference of two branches: ‖Δ‖ (Eq. 7) where only two branches run.
pub fn distance(first: &[f32], second: &[f32]) -> f32 {
    debug_assert_eq!(first.len(), second.len());
    let square: f64 = first
        .iter()
        .zip(second)
        .map(|(&first, &second)| (f64::from(first) - f64::from(second)).powi(2))
        .sum();
    square.sqrt() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_sign_of_equation_7() {
        // Δ = (3, 4), Δctx = (6, 8): same direction.
        let found = deltas(&[3.0, 4.0], &[0.0, 0.0], &[-6.0, -8.0]);
        assert_eq!(found, Deltas { delta: 5.0, delta_context: 10.0, cosine: 1.0 });
        let found = deltas(&[3.0, 4.0], &[0.0, 0.0], &[4.0, -3.0]);
        assert_eq!(found, Deltas { delta: 5.0, delta_context: 5.0, cosine: 0.0 });
        assert_eq!(distance(&[3.0, 4.0], &[0.0, 0.0]), 5.0);
    }

    #[test]
    fn an_unperturbed_branch_has_no_direction() {
        let found = deltas(&[3.0, 4.0], &[1.0, 2.0], &[1.0, 2.0]);
        assert_eq!((found.delta_context, found.cosine), (0.0, 0.0));
    }
}
