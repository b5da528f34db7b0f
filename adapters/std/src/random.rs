//! Random bytes of the operating system, through `ring`.

use ring::rand::SecureRandom;
use sansal::entropy::{Entropy, NoEntropy};

/// The random source of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Entropy for SystemRandom {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        ring::rand::SystemRandom::new().fill(out).map_err(|_| NoEntropy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_differ() {
        let (mut a, mut b) = ([0; 32], [0; 32]);
        SystemRandom.fill(&mut a).unwrap();
        SystemRandom.fill(&mut b).unwrap();
        assert!(a != b && a != [0; 32]);
    }
}
