//! Signatures in certificates and handshakes: ES256, and RSA with SHA-256 and SHA-384.

use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{DerSignature, VerifyingKey};
use rustls::SignatureScheme;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};

#[derive(Debug)]
struct Es256;

impl SignatureVerificationAlgorithm for Es256 {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let key = VerifyingKey::from_sec1_bytes(key).map_err(|_| InvalidSignature)?;
        let signature = DerSignature::try_from(signature).map_err(|_| InvalidSignature)?;
        key.verify(message, &signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P256
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_SHA256
    }
}

#[cfg(feature = "rsa")]
mod rsa_keys {
    use super::*;
    use rsa::RsaPublicKey;
    use rsa::pkcs1::DecodeRsaPublicKey;
    use sha2::{Sha256, Sha384};

    fn key(der: &[u8]) -> Result<RsaPublicKey, InvalidSignature> {
        RsaPublicKey::from_pkcs1_der(der).map_err(|_| InvalidSignature)
    }

    macro_rules! rsa {
        ($name:ident, $module:ident, $hash:ty, $id:expr) => {
            #[derive(Debug)]
            pub(super) struct $name;

            impl SignatureVerificationAlgorithm for $name {
                fn verify_signature(
                    &self,
                    der: &[u8],
                    message: &[u8],
                    signature: &[u8],
                ) -> Result<(), InvalidSignature> {
                    let signature = rsa::$module::Signature::try_from(signature).map_err(|_| InvalidSignature)?;
                    let key = rsa::$module::VerifyingKey::<$hash>::new(key(der)?);
                    key.verify(message, &signature).map_err(|_| InvalidSignature)
                }

                fn public_key_alg_id(&self) -> AlgorithmIdentifier {
                    alg_id::RSA_ENCRYPTION
                }

                fn signature_alg_id(&self) -> AlgorithmIdentifier {
                    $id
                }
            }
        };
    }

    rsa!(Pkcs1Sha256, pkcs1v15, Sha256, alg_id::RSA_PKCS1_SHA256);
    rsa!(Pkcs1Sha384, pkcs1v15, Sha384, alg_id::RSA_PKCS1_SHA384);
    rsa!(PssSha256, pss, Sha256, alg_id::RSA_PSS_SHA256);
    rsa!(PssSha384, pss, Sha384, alg_id::RSA_PSS_SHA384);
}

#[cfg(not(feature = "rsa"))]
pub(crate) static ALGORITHMS: WebPkiSupportedAlgorithms =
    WebPkiSupportedAlgorithms { all: &[&Es256], mapping: &[(SignatureScheme::ECDSA_NISTP256_SHA256, &[&Es256])] };

#[cfg(feature = "rsa")]
pub(crate) static ALGORITHMS: WebPkiSupportedAlgorithms = {
    use rsa_keys::{Pkcs1Sha256, Pkcs1Sha384, PssSha256, PssSha384};
    WebPkiSupportedAlgorithms {
        all: &[&Es256, &PssSha256, &PssSha384, &Pkcs1Sha256, &Pkcs1Sha384],
        mapping: &[
            (SignatureScheme::ECDSA_NISTP256_SHA256, &[&Es256]),
            (SignatureScheme::RSA_PSS_SHA256, &[&PssSha256]),
            (SignatureScheme::RSA_PSS_SHA384, &[&PssSha384]),
            (SignatureScheme::RSA_PKCS1_SHA256, &[&Pkcs1Sha256]),
            (SignatureScheme::RSA_PKCS1_SHA384, &[&Pkcs1Sha384]),
        ],
    }
};
