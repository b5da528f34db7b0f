//! Keys in memory that sign by `ring` or by AWS-LC: RS256, PS256 and ES256 (RFC 7518 s3.3 to s3.5). Each is parsed once.

use std::fmt;

use sansal::cert::PrivateKey;
use sansal::error::{AskError, Config};
use sansal::jose::Jwk;
use sansal::key::{Algorithm, KeyProtection};
use sansal::secret::SecretBytes;

use crate::signing_key::SigningKey;

/// The kind of key that this build signs with: [`AwsLcKey`] with the feature `aws-lc-rs`, [`RingKey`] without it.
#[cfg(feature = "aws-lc-rs")]
pub type SoftwareKey = AwsLcKey;
/// The kind of key that this build signs with: `AwsLcKey` with the feature `aws-lc-rs`, [`RingKey`] without it.
#[cfg(not(feature = "aws-lc-rs"))]
pub type SoftwareKey = RingKey;

/// SEC 1 s2.3.3: 04, then x, then y.
fn p256(point: &[u8]) -> Result<Jwk, Config> {
    let unusable = Config::Credential("the key is not a P-256 key");
    let Some((&[4], rest)) = point.split_first_chunk::<1>() else { return Err(unusable) };
    let Some((x, y)) = rest.split_first_chunk::<32>() else { return Err(unusable) };
    Ok(Jwk::p256(*x, y.try_into().map_err(|_| unusable)?))
}

/// `ring` and `aws-lc-rs` have one interface but for what is told apart here: the longest RSA key, how a P-256 key is read,
/// and whether RSA keys can be made.
macro_rules! software_key {
    ($(#[$about:meta])* $name:ident, $library:ident, $max_bits:literal, ($($rng:expr)?), $generate_rsa:expr) => {
        $(#[$about])*
        pub struct $name {
            pair: $library::Pair,
            public: Jwk,
        }

        mod $library {
            pub(super) enum Pair {
                Rsa(::$library::signature::RsaKeyPair, usize),
                P256(::$library::signature::EcdsaKeyPair),
            }
        }

        impl $name {
            /// An RSA key, for RS256 and PS256.
            ///
            /// # Errors
            /// [`Config::Credential`] when it is too long for this library, or its numbers do not fit together.
            pub fn new(key: &PrivateKey) -> Result<Self, Config> {
                if key.rsa_bits() > $max_bits {
                    return Err(Config::Credential(concat!(
                        "the RSA key has more than ",
                        stringify!($max_bits),
                        " bits, with which this build cannot sign"
                    )));
                }
                let unusable = Config::Credential("the RSA key's numbers do not fit together");
                let public = key.public_key().map_err(|_| unusable.clone())?;
                let pair = ::$library::signature::RsaKeyPair::from_der(key.pkcs1_der()).map_err(|_| unusable)?;
                Ok(Self { pair: $library::Pair::Rsa(pair, key.rsa_bits().div_ceil(8)), public })
            }

            /// A P-256 key in PKCS#8 (RFC 5958), in DER, for ES256.
            ///
            /// # Errors
            /// [`Config::Credential`] when it is none.
            pub fn es256(pkcs8: &SecretBytes) -> Result<Self, Config> {
                use ::$library::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.expose() $(, $rng)?)
                    .map_err(|_| Config::Credential("the key is not a P-256 key in PKCS#8"))?;
                let public = p256(pair.public_key().as_ref())?;
                Ok(Self { pair: $library::Pair::P256(pair), public })
            }

            /// A new key, which is stored nowhere: it ends with the process.
            ///
            /// # Errors
            /// [`AskError::NotSupported`] when this library makes no such keys, [`AskError::Failed`] without random bytes.
            pub fn generate(alg: Algorithm) -> Result<Self, AskError> {
                use ::$library::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
                match alg {
                    Algorithm::Es256 => {
                        let chance = ::$library::rand::SystemRandom::new();
                        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &chance);
                        let pkcs8 = SecretBytes::from(made.map_err(|_| AskError::Failed)?.as_ref());
                        Self::es256(&pkcs8).map_err(|_| AskError::Failed)
                    }
                    _ => {
                        let generate: fn() -> Result<Self, AskError> = $generate_rsa;
                        generate()
                    }
                }
            }
        }

        impl SigningKey for $name {
            fn sign(&self, alg: Algorithm, message: &[u8]) -> Result<Vec<u8>, AskError> {
                use ::$library::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding};
                let chance = ::$library::rand::SystemRandom::new();
                match (&self.pair, alg) {
                    ($library::Pair::Rsa(pair, size), Algorithm::Rs256 | Algorithm::Ps256) => {
                        // The salt for PSS is as long as the digest here, as RFC 7518 s3.5 wants it.
                        let encoding: &'static dyn RsaEncoding =
                            if alg == Algorithm::Rs256 { &RSA_PKCS1_SHA256 } else { &RSA_PSS_SHA256 };
                        let mut signature = vec![0; *size];
                        pair.sign(encoding, &chance, message, &mut signature).map_err(|_| AskError::Failed)?;
                        Ok(signature)
                    }
                    ($library::Pair::P256(pair), Algorithm::Es256) => {
                        Ok(pair.sign(&chance, message).map_err(|_| AskError::Failed)?.as_ref().to_vec())
                    }
                    _ => Err(AskError::NotSupported),
                }
            }

            fn public_key(&self) -> Result<Jwk, AskError> {
                Ok(self.public.clone())
            }

            fn protection(&self) -> KeyProtection {
                KeyProtection::Software
            }
        }

        /// The public half alone.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.public.thumbprint())
            }
        }
    };
}

software_key!(
    /// A key in memory that `ring` signs with: RSA of 2048 to 4096 bits, or P-256. It makes P-256 keys only.
    RingKey,
    ring,
    4096,
    (&::ring::rand::SystemRandom::new()),
    || Err(AskError::NotSupported)
);

#[cfg(feature = "aws-lc-rs")]
software_key!(
    /// A key in memory that AWS-LC signs with: RSA of 2048 to 8192 bits, or P-256. It makes both; RSA keys of 2048 bits.
    AwsLcKey,
    aws_lc_rs,
    8192,
    (),
    || {
        use ::aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
        use ::aws_lc_rs::rsa::{KeyPair, KeySize};
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| AskError::Failed)?;
        let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| AskError::Failed)?;
        let key = PrivateKey::parse(der.as_ref(), None).map_err(|_| AskError::Failed)?;
        Self::new(&key).map_err(|_| AskError::Failed)
    }
);
