//! Attention of one row against a plain loop in f64, on every kernel of this machine.

use super::numbers;
use crate::compute::cpu::attention::{RowJob, attend_row};
use crate::compute::cpu::cache_block::{BLOCK, columns, value_block, value_place};
use crate::compute::cpu::isa::Isa;
use crate::compute::cpu::storage::CacheMemory;
use crate::compute::precision::ActivationNumber;
use half::bf16;

/// Attention of the last `heads` of three key/value heads of `dim` channels, each read by `group` queries,
/// compared with a plain loop in f64.
pub(super) fn attention(
    isa: Isa,
    visible: usize,
    (group, heads, dim): (usize, usize, usize),
    number: ActivationNumber,
) -> Vec<f32> {
    let kv_heads = 3;
    let first_head = kv_heads - heads;
    let value_block = value_block(group);
    let count = |block| visible.next_multiple_of(block) * kv_heads * dim;
    let (key_count, value_count) = (count(BLOCK), count(value_block));
    let queries = numbers(20, heads * group * dim);
    let (given_keys, given_values) =
        (numbers(21, visible * kv_heads * dim), numbers(22, visible * kv_heads * dim));
    let mut keys = CacheMemory::zeroed(key_count, number).unwrap();
    let mut values = CacheMemory::zeroed(value_count, number).unwrap();
    // What stands beyond the visible positions is not looked at.
    keys.write(0, &vec![f32::NAN; key_count]).unwrap();
    values.write(0, &vec![f32::NAN; value_count]).unwrap();
    for position in 0..visible {
        for head in 0..kv_heads {
            let block = |length| (position / length * kv_heads + head) * length * dim;
            let given = (position * kv_heads + head) * dim;
            let (key, value) = (&given_keys[given..][..dim], &given_values[given..][..dim]);
            keys.write_apart(block(BLOCK) + position % BLOCK, BLOCK, key).unwrap();
            for columns in columns(dim) {
                let place = block(value_block) + value_place(position, value_block, &columns);
                values.write(place, &value[columns]).unwrap();
            }
        }
    }
    let weights: Vec<f32> = numbers(23, visible - 3).iter().map(|w| w.abs()).collect();
    let job = RowJob {
        queries: &queries,
        keys: keys.get(0, key_count).unwrap(),
        values: values.get(0, value_count).unwrap(),
        value_block,
        visible,
        kv_heads,
        first_head,
        next: keys.get(0, key_count),
        begun: false,
        group,
        dim,
        scale: 0.7,
        first_image: 3,
        key_weights: Some(&weights),
        value_weights: Some(&weights),
    };
    let mut out = vec![f32::NAN; heads * group * dim];
    attend_row(isa, job, &mut Vec::new(), &mut out);
    let rounded = |x: f32| match number {
        ActivationNumber::F32 => f64::from(x),
        ActivationNumber::Bf16 => bf16::from_f32(x).to_f64(),
    };
    for head in 0..heads * group {
        let query = &queries[head * dim..][..dim];
        let given = |position: usize| (position * kv_heads + first_head + head / group) * dim;
        let factor = |position: usize| position.checked_sub(3).map_or(1.0, |i| weights[i] as f64);
        let scores: Vec<f64> = (0..visible)
            .map(|position| {
                let key = &given_keys[given(position)..][..dim];
                let product: f64 =
                    query.iter().zip(key).map(|(&q, &k)| f64::from(q) * rounded(k)).sum();
                (product * f64::from(0.7f32) * factor(position)).exp()
            })
            .collect();
        let sum: f64 = scores.iter().sum();
        for channel in 0..dim {
            let value = |position: usize| rounded(given_values[given(position) + channel]);
            let expected: f64 = (0..visible).map(|p| scores[p] / sum * factor(p) * value(p)).sum();
            let error = (f64::from(out[head * dim + channel]) - expected).abs();
            assert!(error < 2e-6, "{} head {head} channel {channel}", isa.name());
        }
    }
    out
}

#[test]
fn attention_equals_a_plain_loop() {
    for isa in Isa::available() {
        for number in [ActivationNumber::F32, ActivationNumber::Bf16] {
            for group in 1..=9 {
                for visible in [4, 16, 33, 100] {
                    attention(isa, visible, (group, 3, 40), number);
                    attention(isa, visible, (group, 1, 40), number);
                }
                for dim in [15, 48, 64, 80, 128] {
                    attention(isa, 37, (group, 3, dim), number);
                }
            }
        }
    }
}
