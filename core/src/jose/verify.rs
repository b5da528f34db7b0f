//! Signatures of others, verified: RS256 and PS256 (RFC 7518 s3.3, s3.5), ES256 (s3.4); in software, or by what the host has.

use core::fmt;

use super::PublicKey;
use super::key_set::SetKey;
use crate::error::TokenError;
use crate::key::Algorithm;

/// Who verifies signatures: [`Software`], or a host's own cryptography.
///
/// An implementation must refuse an algorithm that does not fit the key's kind, and RSA keys shorter than 2048 bits.
pub trait Verify: fmt::Debug + Sync {
    /// Whether `signature`, as JOSE has it, is `key`'s over `message`.
    ///
    /// # Errors
    /// [`TokenError::Key`] for a key of another kind, [`TokenError::Algorithm`] for what the implementation lacks,
    /// [`TokenError::Signature`] otherwise.
    fn verify(&self, key: &SetKey, alg: Algorithm, message: &[u8], signature: &[u8]) -> Result<(), TokenError>;
}

/// Verifies with the features `rsa` and `es256`, by keys that were prepared when their set was read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Software;

impl Verify for Software {
    fn verify(&self, key: &SetKey, alg: Algorithm, message: &[u8], signature: &[u8]) -> Result<(), TokenError> {
        key.prepared().verify(alg, message, signature)
    }
}

/// Verifies a JOSE signature over `message` in software. Key and algorithm must be of one kind, so no key serves a foreign
/// algorithm.
///
/// # Errors
/// [`TokenError::Key`] for a key of another kind, or one that is none; [`TokenError::Algorithm`] where this build lacks the
/// feature (`rsa`, `es256`); [`TokenError::Signature`].
pub fn verify(key: &PublicKey, alg: Algorithm, message: &[u8], signature: &[u8]) -> Result<(), TokenError> {
    Prepared::new(key)?.verify(alg, message, signature)
}

/// A key in the form that verifies: numbers checked, and what can be computed once, computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Prepared {
    #[cfg(feature = "rsa")]
    Rsa(alloc::boxed::Box<rsa::RsaPublicKey>),
    #[cfg(feature = "es256")]
    P256(p256::ecdsa::VerifyingKey),
    /// This build has no feature for it.
    #[cfg(not(all(feature = "rsa", feature = "es256")))]
    Unsupported,
}

impl Prepared {
    pub(super) fn new(key: &PublicKey) -> Result<Self, TokenError> {
        match key {
            PublicKey::Rsa { n, e } => rsa_key(n, e),
            PublicKey::P256 { x, y } => p256_key(x, y),
        }
    }

    fn verify(&self, alg: Algorithm, message: &[u8], signature: &[u8]) -> Result<(), TokenError> {
        match (self, alg) {
            #[cfg(feature = "rsa")]
            (Self::Rsa(key), Algorithm::Rs256 | Algorithm::Ps256) => rsa(key, alg, message, signature),
            #[cfg(feature = "es256")]
            (Self::P256(key), Algorithm::Es256) => p256(key, message, signature),
            #[cfg(not(all(feature = "rsa", feature = "es256")))]
            (Self::Unsupported, _) => {
                let _ = (message, signature);
                Err(TokenError::Algorithm)
            }
            #[cfg(any(feature = "rsa", feature = "es256"))]
            _ => Err(TokenError::Key),
        }
    }
}

#[cfg(feature = "rsa")]
fn rsa_key(n: &[u8], e: &[u8]) -> Result<Prepared, TokenError> {
    use rsa::{BoxedUint, RsaPublicKey};

    use crate::limits::{MAX_RSA_BITS, MIN_RSA_BITS};

    let number = BoxedUint::from_be_slice_vartime;
    let key = RsaPublicKey::new_with_size_limits(number(n), number(e), MIN_RSA_BITS..=MAX_RSA_BITS);
    key.map(|key| Prepared::Rsa(key.into())).map_err(|_| TokenError::Key)
}

#[cfg(not(feature = "rsa"))]
fn rsa_key(_: &[u8], _: &[u8]) -> Result<Prepared, TokenError> {
    Ok(Prepared::Unsupported)
}

#[cfg(feature = "rsa")]
fn rsa(key: &rsa::RsaPublicKey, alg: Algorithm, message: &[u8], signature: &[u8]) -> Result<(), TokenError> {
    use rsa::{pkcs1v15::Pkcs1v15Sign, pss::Pss};
    use sha2::{Digest, Sha256};

    let digest = Sha256::digest(message);
    match alg {
        Algorithm::Rs256 => key.verify(Pkcs1v15Sign::new::<Sha256>(), &digest, signature),
        _ => key.verify(Pss::<Sha256>::new(), &digest, signature),
    }
    .map_err(|_| TokenError::Signature)
}

#[cfg(feature = "es256")]
fn p256_key(x: &[u8; 32], y: &[u8; 32]) -> Result<Prepared, TokenError> {
    // SEC 1 s2.3.4: 4, and the two coordinates. Reading it checks that the point lies on the curve.
    let point = [&[4], x.as_slice(), y.as_slice()].concat();
    p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).map(Prepared::P256).map_err(|_| TokenError::Key)
}

#[cfg(not(feature = "es256"))]
fn p256_key(_: &[u8; 32], _: &[u8; 32]) -> Result<Prepared, TokenError> {
    Ok(Prepared::Unsupported)
}

#[cfg(feature = "es256")]
fn p256(key: &p256::ecdsa::VerifyingKey, message: &[u8], signature: &[u8]) -> Result<(), TokenError> {
    use p256::ecdsa::{Signature, signature::Verifier};

    let signature = Signature::from_slice(signature).map_err(|_| TokenError::Signature)?;
    key.verify(message, &signature).map_err(|_| TokenError::Signature)
}
