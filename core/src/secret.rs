//! Values that must not reach a log: redacted in `Debug`, zeroed on drop, shown only by `expose`.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::mem;

/// A text that must not reach a log: a client secret, a token, a passphrase.
///
/// It has no `Display`, no `Serialize` and no derived `PartialEq`. Its memory is overwritten on drop.
///
/// ```
/// use sansal::Secret;
/// let secret = Secret::from("s3cret");
/// assert_eq!(format!("{secret:?}"), "Secret(..)");
/// assert_eq!(secret.expose(), "s3cret");
/// ```
#[derive(Clone, Default)]
pub struct Secret(String);

impl Secret {
    /// Takes a text over; the caller's `String` becomes the secret's memory, nothing is copied.
    #[inline]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for who takes care of it from here on.
    pub(crate) fn into_text(mut self) -> String {
        mem::take(&mut self.0)
    }

    /// The text itself. The one way to it: search for `expose` to find every use.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is no text at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Equality that takes the same time wherever the first difference is.
    pub fn matches(&self, other: &str) -> bool {
        constant_time_eq(self.0.as_bytes(), other.as_bytes())
    }
}

impl From<&str> for Secret {
    #[inline]
    fn from(text: &str) -> Self {
        Self::new(String::from(text))
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        wipe_text(&mut self.0);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Bytes that must not reach a log: a request body, a private key in DER.
#[derive(Clone, Default)]
pub struct SecretBytes(Vec<u8>);

impl SecretBytes {
    /// Takes bytes over; nothing is copied.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes themselves.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for SecretBytes {
    fn from(bytes: &[u8]) -> Self {
        Self::new(bytes.to_vec())
    }
}

impl From<Secret> for SecretBytes {
    fn from(text: Secret) -> Self {
        Self::new(text.into_text().into_bytes())
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        overwrite(&mut self.0);
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretBytes({} bytes)", self.0.len())
    }
}

/// Overwrites a text, and leaves none.
pub(crate) fn wipe_text(text: &mut String) {
    overwrite(&mut mem::take(text).into_bytes());
}

/// Makes all memory of these bytes zeros, unused room included. All at once: `zeroize` by itself writes byte after byte, which for a
/// token takes longer than to find it.
fn overwrite(bytes: &mut Vec<u8>) {
    bytes.clear();
    bytes.resize(bytes.capacity(), 0);
    // For all that the compiler knows, somebody looks at them now.
    zeroize::optimization_barrier(bytes.as_slice());
}

/// Equality whose time depends on the lengths alone.
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && core::hint::black_box(a.iter().zip(b).fold(0, |d, (a, b)| d | (a ^ b))) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::from("planted")), "Secret(..)");
        assert_eq!(format!("{:?}", SecretBytes::from(&b"planted"[..])), "SecretBytes(7 bytes)");
    }

    #[test]
    fn nothing_is_left() {
        let mut bytes = Vec::with_capacity(1000);
        bytes.extend_from_slice(&[7; 900]);
        bytes.truncate(10);
        let (room, memory) = (bytes.capacity(), bytes.as_ptr());
        overwrite(&mut bytes);
        assert!(bytes.len() == room && bytes.as_ptr() == memory && bytes.iter().all(|byte| *byte == 0));
        let mut text = String::from("planted");
        wipe_text(&mut text);
        assert_eq!(text, "");
    }

    #[test]
    fn equality_is_of_whole_texts() {
        let secret = Secret::from("abc");
        for (other, expected) in [("abc", true), ("abd", false), ("ab", false), ("abcd", false), ("", false)] {
            assert_eq!(secret.matches(other), expected, "{other:?}");
        }
    }
}
