//! How keys and values of a head stand in a cache: block after block of positions, each so that attention
//! reads it from its start to its end, with the same work for every cache line.

use super::lanes::LANES;
use std::ops::Range;

/// Positions of a block. Its keys stand channel by channel, [`BLOCK`] apart: their scores are one vector,
/// and need no sums over lanes, which would take twice the time of the products.
pub const BLOCK: usize = LANES;

/// Most query heads a key for which memory takes so much longer than the arithmetic that short blocks of
/// values cost nothing.
const MOST_HEADS_OF_SHORT_BLOCKS: usize = 4;

/// Positions of a block of values whose head serves so many query heads, some blocks of keys. Where they
/// are many, bringing their outputs into registers and back for each block takes time: with seven, 32
/// positions were 3 % faster than 16 in all of attention. With 128 the second pass over a block no longer
/// found it in the first-level cache. A block that is not full leaves a gap before the next head's.
pub fn value_block(group: usize) -> usize {
    if group > MOST_HEADS_OF_SHORT_BLOCKS { 2 * BLOCK } else { BLOCK }
}

/// Most vectors of values that stand together: with four heads, their outputs fit the registers.
pub(super) const MOST_VECTORS: usize = 4;

/// Channels of a few vectors whose values stand together, position by position; the last ones may be fewer, and
/// what is less than a vector stands apart.
pub fn column_width(dim: usize) -> usize {
    let vectors = (dim / LANES).max(1);
    LANES * vectors.div_ceil(vectors.div_ceil(MOST_VECTORS))
}

/// All channels by [`column_width`].
pub fn columns(dim: usize) -> impl Iterator<Item = Range<usize>> + Clone {
    let (width, whole) = (column_width(dim), dim - dim % LANES);
    let rest = (whole < dim).then_some(whole..dim);
    (0..whole).step_by(width).map(move |from| from..(from + width).min(whole)).chain(rest)
}

/// Where in a block of `length` positions' values such channels of a position stand.
pub fn value_place(position: usize, length: usize, columns: &Range<usize>) -> usize {
    columns.start * length + position % length * columns.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_a_block_has_a_place_of_its_own() {
        for dim in [1, 15, 16, 40, 48, 64, 80, 128, 200] {
            let mut keys = vec![0; BLOCK * dim];
            for position in 100 * BLOCK..101 * BLOCK {
                for channel in 0..dim {
                    keys[position % BLOCK + channel * BLOCK] += 1;
                }
            }
            assert!(keys.iter().all(|&count| count == 1), "{dim}");
            for length in [1, 7].map(value_block) {
                let mut values = vec![0; length * dim];
                for position in 100 * length..101 * length {
                    for columns in columns(dim) {
                        assert!(columns.len() <= MOST_VECTORS * LANES && !columns.is_empty());
                        let place = value_place(position, length, &columns);
                        values[place..][..columns.len()].iter_mut().for_each(|count| *count += 1);
                    }
                }
                assert!(values.iter().all(|&count| count == 1), "{dim}");
            }
        }
    }
}
