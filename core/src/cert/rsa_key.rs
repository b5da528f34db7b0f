//! RS256 and PS256 in software (RFC 7518 s3.3 and s3.5), by the blinded calls of `rsa` only (RUSTSEC-2023-0071).

use alloc::vec::Vec;
use core::fmt;
use der::Decode;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs1v15::Pkcs1v15Sign;
use rsa::pss::Pss;
use rsa::traits::{PublicKeyParts, SignatureScheme};
use rsa::{RsaPrivateKey, RsaPublicKey};
use sha2::{Digest, Sha256};

use super::PrivateKey;
use crate::entropy::{Chance, Entropy};
use crate::error::{CertError, Error};
use crate::jose::Jwk;
use crate::key::Algorithm;
use crate::limits::{MAX_RSA_BITS, MIN_RSA_BITS};

/// An RSA key ready to sign. Its arithmetic has been checked; its memory is overwritten on drop.
#[derive(Clone)]
pub struct RsaKey(RsaPrivateKey);

impl RsaKey {
    /// Prepares a key. Costs some multiplications: do it once.
    ///
    /// # Errors
    /// [`CertError::BadKey`] if its numbers do not belong together.
    pub fn new(key: &PrivateKey) -> Result<Self, CertError> {
        RsaPrivateKey::from_pkcs1_der(key.pkcs1_der()).map(Self).map_err(|_| CertError::BadKey)
    }

    /// The modulus, which tells this key from every other.
    pub(crate) fn modulus(&self) -> Vec<u8> {
        self.0.n_bytes().into_vec()
    }

    /// The public half.
    ///
    /// # Errors
    /// [`CertError::KeySize`] if it is too short or too long for a JWK.
    pub fn jwk(&self) -> Result<Jwk, CertError> {
        Jwk::rsa(&self.0.n_bytes(), &self.0.e_bytes()).map_err(|_| CertError::KeySize)
    }

    /// Length of the modulus, and of every signature, in bytes.
    pub fn size(&self) -> usize {
        self.0.size()
    }

    /// Signs `message` (which is hashed here) with RS256 or PS256; the salt of PS256 has 32 bytes.
    ///
    /// # Errors
    /// [`Error::NoEntropy`]: without chance there is neither blinding nor salt, so RS256 needs it too.
    /// [`CertError::WrongAlgorithm`] for an algorithm that is not RSA's; [`CertError::BadKey`] if the result does not
    /// verify, which is checked before it leaves.
    pub fn sign(&self, alg: Algorithm, message: &[u8], entropy: &mut dyn Entropy) -> Result<Vec<u8>, Error> {
        let mut rng = Chance::new(entropy, self.size().saturating_mul(MAX_DRAWS));
        let digest = Sha256::digest(message);
        match alg {
            Algorithm::Rs256 => sign_blinded(Pkcs1v15Sign::new::<Sha256>(), &mut rng, &self.0, &digest),
            Algorithm::Ps256 => sign_blinded(Pss::<Sha256>::new(), &mut rng, &self.0, &digest),
            _ => Err(CertError::WrongAlgorithm.into()),
        }
    }
}

impl fmt::Debug for RsaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaKey({} bytes)", self.size())
    }
}

/// Whether `signature` over `message` is that of the key in a `SubjectPublicKeyInfo`.
///
/// # Errors
/// [`CertError::NotRsa`] if the key is not a usable RSA key; [`CertError::WrongAlgorithm`] for an algorithm that is
/// not RSA's.
pub fn verify(spki: &[u8], alg: Algorithm, message: &[u8], signature: &[u8]) -> Result<bool, CertError> {
    let spki = rsa::pkcs8::SubjectPublicKeyInfoRef::from_der(spki).map_err(|_| CertError::NotRsa)?;
    let key = RsaPublicKey::try_from(spki).map_err(|_| CertError::NotRsa)?;
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&usize::try_from(key.n().bits()).unwrap_or(0)) {
        return Err(CertError::KeySize);
    }
    let digest = Sha256::digest(message);
    match alg {
        Algorithm::Rs256 => Ok(key.verify(Pkcs1v15Sign::new::<Sha256>(), &digest, signature).is_ok()),
        Algorithm::Ps256 => Ok(key.verify(Pss::<Sha256>::new(), &digest, signature).is_ok()),
        _ => Err(CertError::WrongAlgorithm),
    }
}

/// The one call that signs. It always hands over a source of chance, and with one both schemes blind.
#[expect(clippy::disallowed_methods, reason = "blinded, since the source of chance is there")]
fn sign_blinded(
    scheme: impl SignatureScheme,
    rng: &mut Chance<'_>,
    key: &RsaPrivateKey,
    digest: &[u8],
) -> Result<Vec<u8>, Error> {
    scheme.sign(Some(rng), key, digest).map_err(|why| match why {
        rsa::Error::Rng => Error::NoEntropy,
        _ => CertError::BadKey.into(),
    })
}

/// Moduli's worth of random bytes for one signature. Blinding draws again while a number is out of range, which a good
/// source does at most every second time; a broken one must not keep us here for ever.
const MAX_DRAWS: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::Certificate;
    use crate::entropy::NoEntropy;
    use alloc::format;

    /// Not random at all, but never twice the same.
    struct Counting(u64);
    impl Entropy for Counting {
        fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
            for byte in out {
                self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *byte = self.0.to_be_bytes()[0];
            }
            Ok(())
        }
    }

    struct Constant(Option<u8>);
    impl Entropy for Constant {
        fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
            out.fill(self.0.ok_or(NoEntropy)?);
            Ok(())
        }
    }

    fn rsa2048() -> (RsaKey, Certificate) {
        let key = PrivateKey::parse(include_bytes!("../../../tests/certs/rsa2048.key.pkcs8.pem"), None).unwrap();
        let certificate = Certificate::from_pem(include_str!("../../../tests/certs/rsa2048.cert.pem")).unwrap();
        (RsaKey::new(&key).unwrap(), certificate)
    }

    #[test]
    fn signatures_verify() {
        let large = PrivateKey::parse(include_bytes!("../../../tests/certs/rsa4096.key.pkcs1.pem"), None).unwrap();
        let large_certificate = Certificate::from_pem(include_str!("../../../tests/certs/rsa4096.cert.pem")).unwrap();
        for (key, certificate) in [rsa2048(), (RsaKey::new(&large).unwrap(), large_certificate)] {
            for (alg, other) in [(Algorithm::Rs256, Algorithm::Ps256), (Algorithm::Ps256, Algorithm::Rs256)] {
                let signature = key.sign(alg, b"message", &mut Counting(7)).unwrap();
                assert_eq!(signature.len(), key.size());
                let verify = |alg, message, signature| certificate.verify_signature(alg, message, signature).unwrap();
                assert!(verify(alg, b"message", &signature));
                assert!(!verify(alg, b"massage", &signature));
                assert!(!verify(other, b"message", &signature));
                let mut changed = signature.clone();
                changed[9] ^= 1;
                for bad in [&changed[..], &signature[1..], &[0; 256], &[0xFF; 512], b""] {
                    assert!(!verify(alg, b"message", bad));
                }
            }
        }
    }

    #[test]
    fn rs256_is_deterministic_and_ps256_is_not() {
        let (key, _) = rsa2048();
        let sign = |alg, seed| key.sign(alg, b"message", &mut Counting(seed)).unwrap();
        // `openssl dgst -sha256 -sign rsa2048.key.pkcs8.pem`, first and last four bytes.
        let rs256 = sign(Algorithm::Rs256, 1);
        assert_eq!((&rs256[..4], &rs256[252..]), (&OPENSSL_FIRST[..], &OPENSSL_LAST[..]));
        assert_eq!(rs256, sign(Algorithm::Rs256, 2));
        assert_ne!(sign(Algorithm::Ps256, 1), sign(Algorithm::Ps256, 2));
    }

    const OPENSSL_FIRST: [u8; 4] = [0x78, 0x06, 0x47, 0xA0];
    const OPENSSL_LAST: [u8; 4] = [0x2E, 0xE8, 0xCD, 0xD6];

    #[test]
    fn ps256_of_openssl_verifies() {
        // `openssl dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32`, and the same with a salt of 20.
        let (_, certificate) = rsa2048();
        let verify = |hex: &str| {
            let signature: [u8; 256] = crate::base64::hex_decode(hex).unwrap();
            certificate.verify_signature(Algorithm::Ps256, b"message", &signature).unwrap()
        };
        assert!(verify(
            "170e5a6412608e6cf83dd883aa57c20dd974dbe6763723a24309c82e27e474d129861a55f7c6841a166a6203f11862d5380630fa5a4dd0cbf1d94abc19cecfcdbc134b441b275bfc4a5cda83aee77b34903725bf88e4d222e1d32b725dd2200da80a7fb73ede4b5faba00fbbf484aca9b375ff198fef90645071fa1761c50fec283ac19eafd3baa461bd8d2a50d01db11810d70a53233bae091a3a10ff09cc316d368c43bcc4a7d0301891d93d67d794f6f8734ed8114dcfe2fbf68c413ddc80b2c01e96d6bf7905408a473e3a5753d57c708896f796c55a258e033acfefaf79def627b6bc27e3bb72f0bb8e4cea2bbad8a9762f22ec20ee86c1db6156b85dd8"
        ));
        assert!(
            !verify(
                "0654ab56d619d61a9af37178da4409340ce10290cc70a7baa4f1ea39206c74d3740de668937514ea1e3e9775db81a59a3fb0f5670c62b6df2273455908bcf2c9c38f153f5d446f65c57c99da3e7293f750da092cb7875b00e333ad292ac07c34139c6dc058ae8c84fb3534bc01abc1b48fc969d8b27ad3e801a6fc106591d3a8423aab6e0a2bfe642843efad5a7fe90928ae7d62c510fe914fb6c835ab47f5358245b02e501d67e75795af531190017358bc0e82096ed9b72a63c6180ac873c45d85cf39d99e5bf17115c9909edda0f99313b8c7bb4ef0afc417e189bb7c7cdf3eb290c4248628099fcc127188f094f22c92a828f8ac40e2bbe0422c680e65e1"
            ),
            "RFC 7518 s3.5: the salt is as long as the hash"
        );
    }

    #[test]
    fn bad_sources_end_the_operation() {
        let (key, _) = rsa2048();
        for alg in [Algorithm::Rs256, Algorithm::Ps256] {
            for source in [None, Some(0), Some(0xFF)] {
                let got = key.sign(alg, b"message", &mut Constant(source));
                assert!(matches!(got, Err(Error::NoEntropy)), "{alg:?} {source:?}");
            }
        }
    }

    #[test]
    fn what_an_rsa_key_cannot_do() {
        let (key, certificate) = rsa2048();
        let got = key.sign(Algorithm::Es256, b"", &mut Counting(7));
        assert!(matches!(got, Err(Error::Config(crate::error::Config::Certificate(CertError::WrongAlgorithm)))));
        assert_eq!(certificate.verify_signature(Algorithm::Es256, b"", b""), Err(CertError::WrongAlgorithm));
        let ec = Certificate::from_pem(include_str!("../../../tests/certs/ec256.cert.pem")).unwrap();
        assert_eq!(ec.verify_signature(Algorithm::Rs256, b"", b""), Err(CertError::NotRsa));
        assert_eq!(verify(b"", Algorithm::Rs256, b"", b""), Err(CertError::NotRsa));
    }

    #[test]
    fn numbers_that_do_not_belong_together_are_refused() {
        let der = include_bytes!("../../../tests/certs/rsa2048.key.pkcs1.der");
        let (mut read, mut refused) = (0, 0);
        for at in (0..der.len()).step_by(37) {
            let mut changed = der.to_vec();
            changed[at] ^= 0x40;
            if let Ok(key) = PrivateKey::parse(&changed, None) {
                read += 1;
                // The derived members at the end are computed anew, not read.
                if let Ok(key) = RsaKey::new(&key) {
                    let signature = key.sign(Algorithm::Rs256, b"m", &mut Counting(1)).unwrap();
                    assert!(rsa2048().1.verify_signature(Algorithm::Rs256, b"m", &signature).unwrap(), "{at}");
                } else {
                    refused += 1;
                }
            }
        }
        assert!(read > 20 && refused > 10, "{read} {refused}");
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", rsa2048().0), "RsaKey(256 bytes)");
    }
}
