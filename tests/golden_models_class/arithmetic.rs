//! Schedules, confidences, weights and entropies of the READMEs, in f64.

/// 1 + (γ-1)·½(1 - cos(π (s/T)^k)) at the zero-based step s.
pub fn cosine_scale(gamma: f64, power: f64, step: usize, steps: usize) -> f64 {
    let phase = (step as f64 / steps as f64).powf(power);
    1.0 + (gamma - 1.0) * 0.5 * (1.0 - (std::f64::consts::PI * phase).cos())
}

/// uncond + scale (cond - uncond).
pub fn guided(cond: &[f32], uncond: &[f32], scale: f64) -> Vec<f64> {
    cond.iter()
        .zip(uncond)
        .map(|(&c, &u)| f64::from(u) + scale * (f64::from(c) - f64::from(u)))
        .collect()
}

/// Softmax of logits over a temperature.
pub fn softmax<T: Copy + Into<f64>>(logits: &[T], temperature: f64) -> Vec<f64> {
    let scaled: Vec<f64> = logits.iter().map(|&x| x.into() / temperature).collect();
    let max = scaled.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exponentials: Vec<f64> = scaled.iter().map(|x| (x - max).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.iter().map(|x| x / sum).collect()
}

/// Largest probability.
pub fn max_probability<T: Copy + Into<f64>>(logits: &[T]) -> f64 {
    softmax(logits, 1.0).into_iter().fold(0.0, f64::max)
}

/// Entropy of the softmax over ln V.
pub fn normalized_entropy<T: Copy + Into<f64>>(logits: &[T]) -> f64 {
    let probabilities = softmax(logits, 1.0);
    let terms = probabilities.iter().filter(|&&p| p > 0.0).map(|p| -p * p.ln());
    terms.sum::<f64>() / (logits.len() as f64).ln()
}

/// L2 norm of a difference.
pub fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum::<f64>().sqrt()
}

/// Eq. 3 and Eq. 9: one factor per image token, the newest included.
pub fn paper_weights(confidences: &[f64], step_norm: bool, epsilon: f64) -> Vec<f64> {
    let sum: f64 = confidences.iter().sum();
    let divisor = if step_norm { sum + epsilon } else { 1.0 };
    confidences.iter().map(|confidence| 1.0 - confidence / divisor).collect()
}

/// Closed form of the released code at step s: `recorded[j]` is what step j recorded, for j < s. Token
/// x_i has the confidence of step i, the newest token x_s weight 1. `strength` is the exponent of the
/// AliTok program; RAR's has none.
pub fn released_weights(recorded: &[f64], step_norm: bool, strength: f64) -> Vec<f64> {
    let Some(used) = recorded.get(1..) else { return Vec::new() };
    let sum: f64 = used.iter().sum::<f64>() + 1e-5;
    let weight = |&confidence: &f64| {
        if step_norm { (1.0 - confidence / sum).powf(strength).max(0.05) } else { 1.0 - confidence }
    };
    used.iter().map(weight).chain(std::iter::once(1.0)).collect()
}
