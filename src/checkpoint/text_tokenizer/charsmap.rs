//! The map of characters inside a sentencepiece model, checked before it is used: the library that
//! applies it trusts every index in it.
//!
//! The map is the length of a trie, the trie, and the texts that characters become, each ended by a
//! zero. The trie is an array of 32-bit units: a byte of a character leads from the unit at `place` to the
//! one at `place ^ offset ^ byte`, and the unit at `place ^ offset` of one with a leaf says where
//! the text begins.

/// Whether no way through the map leads out of it.
pub(super) fn is_sound(map: &[u8]) -> bool {
    let Some((length, rest)) = map.split_at_checked(4) else { return false };
    let length = length.iter().rev().fold(0usize, |value, &byte| value << 8 | usize::from(byte));
    let Some((trie, texts)) = rest.split_at_checked(length) else { return false };
    let Ok(texts) = std::str::from_utf8(texts) else { return false };
    let (units, odd) = trie.as_chunks::<4>();
    if units.is_empty() || !odd.is_empty() {
        return false;
    }
    let unit = |place: usize| units.get(place).map(|bytes| u32::from_le_bytes(*bytes));
    let leads_inside = |(place, bytes): (usize, &[u8; 4])| {
        let found = u32::from_le_bytes(*bytes);
        // The top bit marks a leaf, which no byte leads on from; every way begins at the root, whatever it is.
        if found >> 31 == 1 && place > 0 {
            return true;
        }
        let next = place ^ offset(found);
        let text = |leaf: u32| texts.is_char_boundary((leaf & 0x7fff_ffff) as usize);
        (next | 0xff) < units.len() && (!has_leaf(found) || unit(next).is_some_and(text))
    };
    units.iter().enumerate().all(leads_inside)
}

fn offset(unit: u32) -> usize {
    ((unit >> 10) as usize) << ((unit & 1 << 9) >> 6)
}

fn has_leaf(unit: u32) -> bool {
    unit >> 8 & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokenizers::normalizers::precompiled::Precompiled;

    /// A trie of 512 units in which the byte `a` leads to a leaf at `text`.
    fn map(text: u32, texts: &[u8]) -> Vec<u8> {
        let mut units = vec![0u32; 512];
        // The root leads to the units from 0 on; that of "a" to those from 256 on, where its leaf is.
        units[0x61] = 0x61 | 1 << 8 | (0x61 ^ 256) << 10;
        units[256] = 1 << 31 | text;
        let trie: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        [&(trie.len() as u32).to_le_bytes(), trie.as_slice(), texts].concat()
    }

    #[test]
    fn only_maps_that_stay_inside_are_sound() {
        let good = map(2, b"x\0bc\0");
        assert!(is_sound(&good));
        assert_eq!(Precompiled::from(&good).unwrap().normalize_string("zaz"), "zbcz");
        assert!(!is_sound(&map(9, b"x\0bc\0")), "a text beyond the end");
        assert!(!is_sound(&map(1, "é".as_bytes())), "a text that begins within a character");
        assert!(!is_sound(&map(0, b"\xff")));
        assert!(!is_sound(&[]) && !is_sound(&[0; 4]) && !is_sound(&good[..100]));
        // A root that looks like a leaf and leads beyond the trie.
        let mut leaf = good.clone();
        leaf[4..8].copy_from_slice(&0xf8ff_fc00u32.to_le_bytes());
        assert!(!is_sound(&leaf));
        // A unit that leads beyond the trie.
        let mut beyond = good;
        beyond[4 + 4 * 0x62 + 2] = 0xff;
        assert!(!is_sound(&beyond));
    }

    proptest! {
        #[test]
        fn sound_maps_do_not_panic(
            place in 0usize..512,
            unit: u32,
            common in 0usize..3,
            text in "[a-c\u{e9}]{0,8}",
        ) {
            let mut map = map(2, b"x\0bc\0");
            let at = 4 + 4 * [place, 0, 0x61][common];
            map[at..at + 4].copy_from_slice(&unit.to_le_bytes());
            if is_sound(&map) {
                let _ = Precompiled::from(&map).map(|map| map.normalize_string(&text));
            }
        }
    }
}
