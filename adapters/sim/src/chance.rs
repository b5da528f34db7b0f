//! Ids and token numbers that look random and are the same for the same seed. Not fit for secrets.

use ring::digest::{SHA256, digest};

/// A sequence of blocks from a seed: SHA-256 over seed and counter.
#[derive(Clone, Debug)]
pub(crate) struct Chance {
    seed: u64,
    drawn: u64,
}

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }

    fn block(&mut self) -> [u8; 16] {
        self.drawn = self.drawn.wrapping_add(1);
        let input = [self.seed.to_be_bytes(), self.drawn.to_be_bytes()].concat();
        let mut block = [0; 16];
        block.iter_mut().zip(digest(&SHA256, &input).as_ref()).for_each(|(to, from)| *to = *from);
        block
    }

    /// A UUID of version 4 (RFC 9562 s5.4).
    pub(crate) fn uuid(&mut self) -> String {
        let bits = u128::from_be_bytes(self.block());
        let bits = bits & !(0xF << 76) | 4 << 76;
        let bits = bits & !(0b11 << 62) | 0b10 << 62;
        let hex = format!("{bits:032x}");
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_ids() {
        let (mut a, mut b, mut c) = (Chance::new(1), Chance::new(1), Chance::new(2));
        let first = a.uuid();
        assert_eq!(first, b.uuid());
        assert!(first != a.uuid() && first != c.uuid());
        assert_eq!((first.len(), first.as_bytes()[14], first.matches('-').count()), (36, b'4', 4));
        assert!(b"89ab".contains(&first.as_bytes()[19]), "{first}");
    }
}
