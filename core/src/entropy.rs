//! Chance comes in by the door: the host lends a source of random bytes, the core draws from it.

use alloc::string::String;
use core::fmt;

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

/// The host's entropy as `rand_core` wants it; the bytes that may be drawn are counted, so that no library draws for ever.
#[cfg(any(feature = "rsa", feature = "es256"))]
pub(crate) struct Chance<'a> {
    entropy: &'a mut dyn Entropy,
    left: usize,
}

#[cfg(any(feature = "rsa", feature = "es256"))]
impl<'a> Chance<'a> {
    pub(crate) fn new(entropy: &'a mut dyn Entropy, at_most: usize) -> Self {
        Self { entropy, left: at_most }
    }
}

#[cfg(any(feature = "rsa", feature = "es256"))]
impl rand_core::TryRng for Chance<'_> {
    type Error = NoEntropy;

    fn try_next_u32(&mut self) -> Result<u32, NoEntropy> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, NoEntropy> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        self.left = self.left.checked_sub(out.len()).ok_or(NoEntropy)?;
        self.entropy.fill(out)
    }
}

#[cfg(any(feature = "rsa", feature = "es256"))]
impl rand_core::TryCryptoRng for Chance<'_> {}

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
        for digit in [byte >> 4, byte & 0x0F] {
            out.push(char::from(if digit < 10 { b'0' } else { b'a' - 10 }.wrapping_add(digit)));
        }
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
