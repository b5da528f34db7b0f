//! A token cache encrypted at rest: AES-256-GCM (NIST SP 800-38D) under a key that lies elsewhere.

use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use sansal::base64;
use sansal::entropy::{Entropy, NoEntropy};
use zeroize::Zeroizing;

use crate::random::SystemRandom;

/// What an encrypted file begins with. The key's [name](Name) follows, and the end of the line; all of it is authenticated.
const HEADER: &[u8] = b"sansal-cache-1 aes-256-gcm ";

/// The key of an encrypted [`TokenCacheFile`](crate::TokenCacheFile), or of tokens in Redis. Each write has a nonce of its own, by
/// chance: four thousand million of them are safe with one key (SP 800-38D s8.3).
#[derive(Clone)]
pub struct DataKey(Zeroizing<[u8; DataKey::LENGTH]>);

/// What a file is bound to: it may be moved, but is no value of another store.
const FILE: &[u8] = b"file";

/// Tells one key from another, and nothing else about it: a part of an HMAC under it, in text.
type Name = [u8; 16];

/// Why something cannot be decrypted.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// It was encrypted by another key.
    OtherKey,
    /// It was encrypted by this one, and changed or cut off since.
    Damaged,
}

impl DataKey {
    /// How long a key is, in bytes.
    pub const LENGTH: usize = 32;

    /// From these bytes, which must be random.
    pub fn new(bytes: &[u8; Self::LENGTH]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    /// From what [`to_text`](Self::to_text) wrote: 32 bytes in base64.
    pub fn from_text(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(base64::url_decode(text.trim().trim_end_matches('='))?);
        bytes.as_slice().try_into().ok().map(|bytes: [u8; Self::LENGTH]| Self(Zeroizing::new(bytes)))
    }

    /// A new key.
    ///
    /// # Errors
    /// [`NoEntropy`] when the operating system has no random bytes.
    pub fn generate() -> Result<Self, NoEntropy> {
        let mut bytes = Zeroizing::new([0; Self::LENGTH]);
        SystemRandom.fill(&mut *bytes)?;
        Ok(Self(bytes))
    }

    /// The key itself in URL-safe base64, for where secrets are kept.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(base64::url_encode(&*self.0))
    }

    /// Whether a file was encrypted here, with whichever key, or begins like one that was.
    pub fn is_encrypted(content: &[u8]) -> bool {
        content.starts_with(HEADER) || (!content.is_empty() && HEADER.starts_with(content))
    }

    /// What the file of an encrypted [`TokenCacheFile`](crate::TokenCacheFile) holds: MSAL's JSON.
    ///
    /// # Errors
    /// [`Closed`] says whether the key or the file is at fault.
    pub fn decrypt_file(&self, content: &[u8]) -> Result<Zeroizing<Vec<u8>>, Closed> {
        self.open(content, FILE)
    }

    /// What such a file has to hold for this text.
    ///
    /// # Errors
    /// [`NoEntropy`] when the operating system has no random bytes.
    pub fn encrypt_file(&self, text: &[u8]) -> Result<Vec<u8>, NoEntropy> {
        self.seal(text, FILE)
    }

    /// Another key, for another purpose: knowing one tells nothing about the other.
    pub(crate) fn derive(&self, purpose: &str) -> [u8; Self::LENGTH] {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &*self.0), purpose.as_bytes());
        tag.as_ref().try_into().unwrap_or_default()
    }

    fn name(&self) -> Name {
        let mut name = Name::default();
        let text = base64::url_encode(&self.derive("name of a key of sansal"));
        name.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
        name
    }

    fn cipher(&self) -> Option<LessSafeKey> {
        UnboundKey::new(&AES_256_GCM, &*self.0).ok().map(LessSafeKey::new)
    }

    /// Encrypts what belongs to one `place`: there and nowhere else it can be opened.
    pub(crate) fn seal(&self, text: &[u8], place: &[u8]) -> Result<Vec<u8>, NoEntropy> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom.fill(&mut nonce)?;
        let head = [HEADER, &self.name(), b"\n"].concat();
        let mut body = Zeroizing::new(Vec::with_capacity(text.len().saturating_add(AES_256_GCM.tag_len())));
        body.extend_from_slice(text);
        let cipher = self.cipher().ok_or(NoEntropy)?;
        let said = Aad::from([&head, place].concat());
        cipher
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), said, &mut *body)
            .map_err(|_| NoEntropy)?;
        Ok([&head[..], &nonce, &body].concat())
    }

    /// What was encrypted for this place.
    pub(crate) fn open(&self, content: &[u8], place: &[u8]) -> Result<Zeroizing<Vec<u8>>, Closed> {
        let parts = || {
            let (name, rest) = content.strip_prefix(HEADER)?.split_first_chunk::<{ size_of::<Name>() }>()?;
            let (nonce, body) = rest.strip_prefix(b"\n")?.split_first_chunk::<NONCE_LEN>()?;
            Some((name, nonce, body))
        };
        let (name, nonce, body) = parts().ok_or(Closed::Damaged)?;
        if *name != self.name() {
            return Err(Closed::OtherKey);
        }
        let said = Aad::from([HEADER, name, b"\n", place].concat());
        let cipher = self.cipher().ok_or(Closed::Damaged)?;
        let mut body = Zeroizing::new(body.to_vec());
        let opened = cipher.open_in_place(Nonce::assume_unique_for_key(*nonce), said, &mut body);
        let length = opened.map_err(|_| Closed::Damaged)?.len();
        body.truncate(length);
        Ok(body)
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherKey => "it was encrypted by another key",
            Self::Damaged => "it is encrypted, and was changed or cut off since",
        })
    }
}

impl std::error::Error for Closed {}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_what_was_sealed_is_opened() {
        let (key, other) = (DataKey::new(&[7; 32]), DataKey::new(&[8; 32]));
        for text in [&b""[..], b"{}", &[0; 5000]] {
            let sealed = key.seal(text, b"here").unwrap();
            assert!(DataKey::is_encrypted(&sealed) && !DataKey::is_encrypted(text));
            assert_eq!(**key.open(&sealed, b"here").as_ref().unwrap(), text);
            assert_eq!(key.open(&sealed, b"there").unwrap_err(), Closed::Damaged, "moved");
            assert_eq!(other.open(&sealed, b"here").unwrap_err(), Closed::OtherKey);
            assert_ne!(sealed, key.seal(text, b"here").unwrap(), "a nonce twice");
            for at in (0..sealed.len()).step_by(sealed.len() / 60 + 1) {
                let mut changed = sealed.clone();
                changed[at] ^= 1;
                assert!(key.open(&changed, b"here").is_err() && key.open(&sealed[..at], b"here").is_err(), "{at}");
            }
        }
    }

    #[test]
    fn keys_in_text() {
        let key = DataKey::generate().unwrap();
        let again = DataKey::from_text(&format!(" {}=\n", *key.to_text())).unwrap();
        assert_eq!(*again.0, *key.0);
        for text in ["", "AAAA", &"A".repeat(44), "not base64!"] {
            assert!(DataKey::from_text(text).is_none(), "{text}");
        }
        assert_eq!(format!("{key:?}"), "DataKey(..)");
        assert!(key.derive("a") != key.derive("b") && key.derive("a") != *key.0);
    }
}
