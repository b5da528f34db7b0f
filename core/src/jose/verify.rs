//! Signatures of others, verified in software: RS256 and PS256 (RFC 7518 s3.3, s3.5), ES256 (s3.4).

use super::PublicKey;
use crate::error::TokenError;
use crate::key::Algorithm;

/// Verifies a JOSE signature over `message`. Key and algorithm must be of one kind, so no key serves a foreign algorithm.
///
/// # Errors
/// [`TokenError::Key`] for a key of another kind, or one that is none; [`TokenError::Algorithm`] where this build lacks the
/// feature (`rsa`, `es256`); [`TokenError::Signature`].
pub fn verify(key: &PublicKey, alg: Algorithm, message: &[u8], signature: &[u8]) -> Result<(), TokenError> {
    match (key, alg) {
        (PublicKey::Rsa { n, e }, Algorithm::Rs256 | Algorithm::Ps256) => rsa(n, e, alg, message, signature),
        (PublicKey::P256 { x, y }, Algorithm::Es256) => p256(x, y, message, signature),
        _ => Err(TokenError::Key),
    }
}

#[cfg(feature = "rsa")]
fn rsa(n: &[u8], e: &[u8], alg: Algorithm, message: &[u8], signature: &[u8]) -> Result<(), TokenError> {
    use rsa::{BoxedUint, RsaPublicKey, pkcs1v15::Pkcs1v15Sign, pss::Pss};
    use sha2::{Digest, Sha256};

    use crate::limits::{MAX_RSA_BITS, MIN_RSA_BITS};

    let number = BoxedUint::from_be_slice_vartime;
    let key = RsaPublicKey::new_with_size_limits(number(n), number(e), MIN_RSA_BITS..=MAX_RSA_BITS)
        .map_err(|_| TokenError::Key)?;
    let digest = Sha256::digest(message);
    match alg {
        Algorithm::Rs256 => key.verify(Pkcs1v15Sign::new::<Sha256>(), &digest, signature),
        _ => key.verify(Pss::<Sha256>::new(), &digest, signature),
    }
    .map_err(|_| TokenError::Signature)
}

#[cfg(not(feature = "rsa"))]
fn rsa(_: &[u8], _: &[u8], _: Algorithm, _: &[u8], _: &[u8]) -> Result<(), TokenError> {
    Err(TokenError::Algorithm)
}

#[cfg(feature = "es256")]
fn p256(x: &[u8; 32], y: &[u8; 32], message: &[u8], signature: &[u8]) -> Result<(), TokenError> {
    use p256::ecdsa::{Signature, VerifyingKey, signature::Verifier};

    // SEC 1 s2.3.4: 4, and the two coordinates. Reading it checks that the point lies on the curve.
    let point = [&[4], x.as_slice(), y.as_slice()].concat();
    let key = VerifyingKey::from_sec1_bytes(&point).map_err(|_| TokenError::Key)?;
    let signature = Signature::from_slice(signature).map_err(|_| TokenError::Signature)?;
    key.verify(message, &signature).map_err(|_| TokenError::Signature)
}

#[cfg(not(feature = "es256"))]
fn p256(_: &[u8; 32], _: &[u8; 32], _: &[u8], _: &[u8]) -> Result<(), TokenError> {
    Err(TokenError::Algorithm)
}
