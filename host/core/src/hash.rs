//! A quick hash for the tables that each pass fills and asks thousands of times.
//!
//! The standard one is made to withstand whoever chooses the keys and sees every
//! hash; it took a third of a pass. Sessions may name themselves, so this one
//! starts from a number that nobody outside this process can know, and mixes
//! with a whole multiplication, which keys cannot undo without that number.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;

static SECRET: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one("reap"));

/// Makes [`Folding`] hashers, all alike within a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Quick;

impl BuildHasher for Quick {
    type Hasher = Folding;
    fn build_hasher(&self) -> Folding {
        Folding(*SECRET)
    }
}

/// Multiplies each eight bytes in, and folds the upper half of the product back.
#[derive(Debug)]
pub(crate) struct Folding(u64);

impl Folding {
    fn take(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (product as u64).rotate_left(29) ^ (product >> 64) as u64;
    }
}

impl Hasher for Folding {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        words.iter().for_each(|word| self.take(u64::from_le_bytes(*word)));
        if !rest.is_empty() {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            // With the length, so that zeros at the end are not nothing.
            self.take(u64::from_le_bytes(word) ^ (rest.len() as u64) << 59);
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.take(u64::from(byte));
    }

    fn write_usize(&mut self, number: usize) {
        self.take(number as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn texts_that_are_nearly_the_same_get_other_hashes() {
        let numbered = (0..10_000).map(|number| format!("${number}"));
        let filled = (0..20).flat_map(|length| ["a", "\0", "ab"].map(|text| text.repeat(length)));
        let texts: HashSet<String> = numbered.chain(filled).collect();
        let hashes: HashSet<u64> = texts.iter().map(|text| Quick.hash_one(text)).collect();
        assert_eq!(hashes.len(), texts.len());
        // Tables look at the lowest bits and at the highest seven.
        for shift in [0, 57] {
            let slots: HashSet<u64> = hashes.iter().map(|hash| hash >> shift & 0x7f).collect();
            assert_eq!(slots.len(), 128);
        }
    }
}
