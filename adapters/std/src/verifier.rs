//! Signatures of tokens verified by `ring`: RS256, PS256 (RFC 7518 s3.3, s3.5) and ES256 (s3.4).

use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use sansal::error::TokenError;
use sansal::jose::{PublicKey, SetKey, Verify};
use sansal::key::Algorithm;

/// Verifies with `ring`. What every client of this crate uses.
#[derive(Clone, Copy, Debug, Default)]
pub struct RingVerifier;

impl Verify for RingVerifier {
    fn verify(&self, key: &SetKey, alg: Algorithm, message: &[u8], signature: &[u8]) -> Result<(), TokenError> {
        let rsa = |n: &[u8], e: &[u8], parameters: &RsaParameters| {
            RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
        };
        let verdict = match (key.jwk().key(), alg) {
            (PublicKey::Rsa { n, e }, Algorithm::Rs256) => rsa(n, e, &RSA_PKCS1_2048_8192_SHA256),
            (PublicKey::Rsa { n, e }, Algorithm::Ps256) => rsa(n, e, &RSA_PSS_2048_8192_SHA256),
            (PublicKey::P256 { x, y }, Algorithm::Es256) => {
                // SEC 1 s2.3.4: 4, and the two coordinates.
                let mut point = [4; 65];
                point.iter_mut().skip(1).zip(x.iter().chain(y)).for_each(|(to, from)| *to = *from);
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            _ => return Err(TokenError::Key),
        };
        verdict.map_err(|_| TokenError::Signature)
    }
}
