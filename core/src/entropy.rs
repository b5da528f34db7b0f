//! Chance comes in by the door: the host lends a source of random bytes, the core draws from it.

use alloc::string::String;
use core::fmt::{self, Write};

/// The source has no random bytes to give. The operation ends; it never goes on with weak ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoEntropy;

impl fmt::Display for NoEntropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the host has no random bytes to give")
    }
}

impl core::error::Error for NoEntropy {}

/// A cryptographically secure source of random bytes.
pub trait Entropy {
    /// Fills `out` entirely, or fails.
    ///
    /// # Errors
    /// [`NoEntropy`] when the source is not ready; `out` is then worthless.
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy>;
}

impl<E: Entropy + ?Sized> Entropy for &mut E {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        (**self).fill(out)
    }
}

/// A random UUID (version 4) in canonical text form, RFC 9562 s5.4.
///
/// # Errors
/// [`NoEntropy`] when the source gives nothing.
pub fn uuid_v4(entropy: &mut dyn Entropy) -> Result<String, NoEntropy> {
    let mut bytes = [0_u8; 16];
    entropy.fill(&mut bytes)?;
    let mut out = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        let byte = match at {
            6 => (byte & 0x0F) | 0x40,
            8 => (byte & 0x3F) | 0x80,
            _ => *byte,
        };
        if matches!(at, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        // Writing to a String does not fail.
        let _ = write!(out, "{byte:02x}");
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ones;
    impl Entropy for Ones {
        fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
            out.fill(0xFF);
            Ok(())
        }
    }

    #[test]
    fn uuid_has_version_and_variant() {
        // RFC 9562 s5.4: version 4, variant 10x.
        assert_eq!(uuid_v4(&mut Ones).unwrap(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
