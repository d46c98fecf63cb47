//! How keys and values of a head stand in a cache: block after block of positions, each so that attention
//! reads it from its start to its end, with the same work for every cache line.

use super::lanes::LANES;
use std::ops::Range;

/// Positions of a block. Its keys stand channel by channel, [`BLOCK`] apart: their scores are one vector,
/// and need no sums over lanes, which would take twice the time of the products.
pub(crate) const BLOCK: usize = LANES;

/// Most vectors of values that stand together: with four heads, their outputs fit the registers.
pub(super) const MOST_VECTORS: usize = 4;

/// Channels of a few vectors whose values stand together, position by position; the last ones may be fewer, and
/// what is less than a vector stands apart.
pub(crate) fn column_width(dim: usize) -> usize {
    let vectors = (dim / LANES).max(1);
    LANES * vectors.div_ceil(vectors.div_ceil(MOST_VECTORS))
}

/// All channels by [`column_width`].
pub(crate) fn columns(dim: usize) -> impl Iterator<Item = Range<usize>> + Clone {
    let (width, whole) = (column_width(dim), dim - dim % LANES);
    let rest = (whole < dim).then_some(whole..dim);
    (0..whole).step_by(width).map(move |from| from..(from + width).min(whole)).chain(rest)
}

/// Where in a block of values such channels of a position stand.
pub(crate) fn value_place(position: usize, columns: &Range<usize>) -> usize {
    columns.start * BLOCK + position % BLOCK * columns.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_a_block_has_a_place_of_its_own() {
        for dim in [1, 15, 16, 40, 48, 64, 80, 128, 200] {
            let mut keys = vec![0; BLOCK * dim];
            let mut values = keys.clone();
            for position in 100 * BLOCK..101 * BLOCK {
                for channel in 0..dim {
                    keys[position % BLOCK + channel * BLOCK] += 1;
                }
                for columns in columns(dim) {
                    assert!(columns.len() <= MOST_VECTORS * LANES && !columns.is_empty());
                    let place = value_place(position, &columns);
                    values[place..][..columns.len()].iter_mut().for_each(|count| *count += 1);
                }
            }
            assert!(keys.iter().chain(&values).all(|&count| count == 1), "{dim}");
        }
    }
}
