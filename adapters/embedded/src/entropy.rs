//! A hardware random number generator (`rand_core`) as the core's source of chance.

use core::fmt;

use rand_core::TryCryptoRng;
use sansal::entropy::{Entropy, NoEntropy};

/// Takes random bytes from any cryptographically secure generator of `rand_core` 0.10: a TRNG's driver, or a generator that
/// was seeded by one. One that fails ends what was asked; nothing goes on with weak numbers.
pub struct RandCore<R>(pub R);

impl<R: TryCryptoRng> Entropy for RandCore<R> {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        self.0.try_fill_bytes(out).map_err(|_| NoEntropy)
    }
}

/// A generator's state is a secret.
impl<R> fmt::Debug for RandCore<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RandCore(..)")
    }
}
