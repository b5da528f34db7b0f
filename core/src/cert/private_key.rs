//! Private keys as files hold them: PKCS#1 (RFC 8017 A.1.2) and PKCS#8 (RFC 5958), plain or encrypted, in PEM or DER.

use alloc::vec::Vec;
use core::fmt;
use der::asn1::{Null, OctetStringRef};
use der::{Decode, Encode, Reader, SliceReader, Tag};
use pkcs8::PrivateKeyInfoRef;
use pkcs8::spki::AlgorithmIdentifierRef;

use super::Certificate;
use super::pem::{self, Block};
use super::pkcs1::{PublicParts, RSA_ENCRYPTION};
use crate::error::CertError;
use crate::jose::Jwk;
use crate::limits::{MAX_PRIVATE_KEY, MAX_RSA_BITS, MIN_RSA_BITS};
use crate::secret::{Secret, SecretBytes};

/// An RSA private key, read but not yet prepared for signing (that is `RsaKey`, or a library of the host).
///
/// However it came, it is held as PKCS#8 with the algorithm rsaEncryption.
#[derive(Clone)]
pub struct PrivateKey {
    pkcs8: SecretBytes,
    /// PKCS#8 without attributes ends with the PKCS#1 key, so that one copy serves both.
    pkcs1_len: usize,
    bits: usize,
}

impl PrivateKey {
    /// Reads a key from PEM of any shape (the first private key in it), from bare base64, or from DER.
    ///
    /// A passphrase for a key that is not encrypted is an error, as in the reference; an empty one counts as none.
    ///
    /// # Errors
    /// Every [`CertError`] about keys: what it is instead of an RSA key, or what its encryption lacks.
    pub fn parse(input: &[u8], passphrase: Option<&Secret>) -> Result<Self, CertError> {
        let passphrase = passphrase.filter(|passphrase| !passphrase.is_empty());
        let blocks = pem::blocks(input)?;
        if let Some(block) = blocks.iter().find(|block| block.is_private_key()) {
            if block.is_legacy_encrypted() {
                return Self::from_legacy(block, passphrase.ok_or(CertError::PassphraseMissing)?);
            }
            return Self::from_der(block.der()?.expose(), passphrase);
        }
        if blocks.iter().any(Block::is_certificate) {
            return Err(CertError::CertificateInsteadOfPrivateKey);
        }
        if !blocks.is_empty() {
            return Err(CertError::BadKey);
        }
        if input.first() == Some(&SEQUENCE) && Shape::of(input).is_some() {
            return Self::from_der(input, passphrase);
        }
        match pem::decode_body(input) {
            Ok(der) if der.expose().first() == Some(&SEQUENCE) => Self::from_der(der.expose(), passphrase),
            _ => Err(CertError::NoPem),
        }
    }

    /// Reads DER by what it holds; labels and file names are often wrong about it.
    fn from_der(der: &[u8], passphrase: Option<&Secret>) -> Result<Self, CertError> {
        if der.len() > MAX_PRIVATE_KEY {
            return Err(CertError::TooLong);
        }
        match (Shape::of(der).ok_or(CertError::BadKey)?, passphrase) {
            (Shape::Certificate, _) => Err(CertError::CertificateInsteadOfPrivateKey),
            (Shape::Pfx, _) => Err(CertError::Pfx),
            (Shape::Encrypted, None) => Err(CertError::PassphraseMissing),
            (Shape::Encrypted, Some(passphrase)) => Self::from_encrypted(der, passphrase),
            (_, Some(_)) => Err(CertError::NotEncrypted),
            (Shape::Pkcs8, None) => Self::from_pkcs8(der),
            (Shape::Pkcs1, None) => Self::from_pkcs1(der),
            (Shape::Sec1, None) => Err(CertError::NotRsa),
        }
    }

    #[cfg(feature = "encrypted-keys")]
    fn from_encrypted(der: &[u8], passphrase: &Secret) -> Result<Self, CertError> {
        let opened = super::encrypted::decrypt(der, passphrase)?;
        // One wrong passphrase in 256 leaves padding that looks right, but hardly ever a key.
        match Shape::of(opened.expose()) {
            Some(Shape::Pkcs8) => Self::from_pkcs8(opened.expose()),
            _ => Err(CertError::WrongPassphrase),
        }
    }

    #[cfg(feature = "encrypted-keys")]
    fn from_legacy(block: &Block<'_>, passphrase: &Secret) -> Result<Self, CertError> {
        let opened = super::legacy::decrypt(block, passphrase)?;
        match Shape::of(opened.expose()) {
            Some(Shape::Pkcs1) => Self::from_pkcs1(opened.expose()),
            Some(Shape::Pkcs8) => Self::from_pkcs8(opened.expose()),
            Some(Shape::Sec1) => Err(CertError::NotRsa),
            _ => Err(CertError::WrongPassphrase),
        }
    }

    #[cfg(not(feature = "encrypted-keys"))]
    fn from_legacy(_: &Block<'_>, _: &Secret) -> Result<Self, CertError> {
        Err(CertError::UnsupportedEncryption)
    }

    #[cfg(not(feature = "encrypted-keys"))]
    fn from_encrypted(_: &[u8], _: &Secret) -> Result<Self, CertError> {
        Err(CertError::UnsupportedEncryption)
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self, CertError> {
        let info = PrivateKeyInfoRef::from_der(der).map_err(|_| CertError::BadKey)?;
        if info.algorithm.oid != RSA_ENCRYPTION {
            return Err(CertError::NotRsa);
        }
        Self::from_pkcs1(info.private_key.as_bytes())
    }

    fn from_pkcs1(der: &[u8]) -> Result<Self, CertError> {
        let bits = PublicParts::of_private(der).ok_or(CertError::BadKey)?.bits();
        if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
            return Err(CertError::KeySize);
        }
        let pkcs8 = wrap(der).map(SecretBytes::new).map_err(|_| CertError::BadKey)?;
        Ok(Self { pkcs8, pkcs1_len: der.len(), bits })
    }

    /// The key as PKCS#8 `PrivateKeyInfo` in DER.
    pub fn pkcs8_der(&self) -> &[u8] {
        self.pkcs8.expose()
    }

    /// The key as PKCS#1 `RSAPrivateKey` in DER.
    pub fn pkcs1_der(&self) -> &[u8] {
        let pkcs8 = self.pkcs8.expose();
        pkcs8.get(pkcs8.len().saturating_sub(self.pkcs1_len)..).unwrap_or_default()
    }

    /// Length of the modulus in bits.
    pub fn rsa_bits(&self) -> usize {
        self.bits
    }

    /// The public half.
    ///
    /// # Errors
    /// [`CertError::BadKey`] when its exponent is none that is in use.
    pub fn public_key(&self) -> Result<Jwk, CertError> {
        PublicParts::of_private(self.pkcs1_der()).and_then(|parts| parts.jwk()).ok_or(CertError::BadKey)
    }

    /// Whether the certificate is for this key.
    pub fn matches(&self, certificate: &Certificate) -> bool {
        let ours = PublicParts::of_private(self.pkcs1_der());
        ours.is_some() && ours == PublicParts::of_spki(certificate.public_key_der())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey(RSA, {} bits)", self.bits)
    }
}

/// Whether DER looks like a private key of any kind.
pub(super) fn is_private_key(der: &[u8]) -> bool {
    matches!(Shape::of(der), Some(Shape::Pkcs1 | Shape::Pkcs8 | Shape::Sec1 | Shape::Encrypted))
}

/// The first byte of every DER structure read here.
const SEQUENCE: u8 = 0x30;

/// What DER is, by its first two members.
#[derive(Clone, Copy)]
enum Shape {
    /// `RSAPrivateKey`: version, modulus.
    Pkcs1,
    /// `PrivateKeyInfo`: version, algorithm.
    Pkcs8,
    /// `ECPrivateKey` (RFC 5915): version, octets.
    Sec1,
    /// `PFX` (RFC 7292 s4): version 3, content.
    Pfx,
    /// `EncryptedPrivateKeyInfo`: algorithm, octets.
    Encrypted,
    /// `Certificate`: content, algorithm.
    Certificate,
}

impl Shape {
    fn of(der: &[u8]) -> Option<Self> {
        let mut reader = SliceReader::new(der).ok()?;
        if der::Header::decode(&mut reader).ok()?.tag() != Tag::Sequence {
            return None;
        }
        let first = Tag::peek(&reader).ok()?;
        let first_bytes = reader.tlv_bytes().ok()?;
        match (first, Tag::peek(&reader).ok()?) {
            (Tag::Integer, Tag::Sequence) if first_bytes.last() == Some(&3) => Some(Self::Pfx),
            (Tag::Integer, Tag::Integer) => Some(Self::Pkcs1),
            (Tag::Integer, Tag::Sequence) => Some(Self::Pkcs8),
            (Tag::Integer, Tag::OctetString) => Some(Self::Sec1),
            (Tag::Sequence, Tag::OctetString) => Some(Self::Encrypted),
            (Tag::Sequence, Tag::Sequence) => Some(Self::Certificate),
            _ => None,
        }
    }
}

/// PKCS#8 around PKCS#1.
fn wrap(pkcs1: &[u8]) -> der::Result<Vec<u8>> {
    let algorithm = AlgorithmIdentifierRef { oid: RSA_ENCRYPTION, parameters: Some(Null.into()) };
    PrivateKeyInfoRef::new(algorithm, OctetStringRef::new(pkcs1)?).to_der()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;

    const PKCS1: &[u8] = include_bytes!("../../../tests/certs/rsa2048.key.pkcs1.der");
    const PKCS8: &[u8] = include_bytes!("../../../tests/certs/rsa2048.key.pkcs8.der");
    const PKCS8_PEM: &str = include_str!("../../../tests/certs/rsa2048.key.pkcs8.pem");
    const LEGACY: &[u8] = include_bytes!("../../../tests/certs/rsa2048.key.enc-legacy-aes256.pem");
    const PBES2: &[u8] = include_bytes!("../../../tests/certs/rsa2048.key.enc-pbes2-aes256-sha256.pem");

    #[test]
    fn every_spelling_is_the_same_key() {
        let bare: String = PKCS8_PEM.lines().filter(|line| !line.starts_with('-')).collect();
        let mislabelled = PKCS8_PEM.replace(" PRIVATE", " RSA PRIVATE");
        let inputs: &[(&str, &[u8])] = &[
            ("pkcs1.der", PKCS1),
            ("pkcs8.der", PKCS8),
            ("pkcs8.pem", PKCS8_PEM.as_bytes()),
            ("bare base64", bare.as_bytes()),
            ("PKCS#8 under PKCS#1's label", mislabelled.as_bytes()),
            ("pkcs1.pem", include_bytes!("../../../tests/certs/rsa2048.key.pkcs1.pem")),
            ("pkcs8.crlf.pem", include_bytes!("../../../tests/certs/rsa2048.key.pkcs8.crlf.pem")),
            ("bag attributes", include_bytes!("../../../tests/certs/rsa2048.bag-attributes-with-key.pem")),
        ];
        for (name, input) in inputs {
            let key = PrivateKey::parse(input, None).expect(name);
            assert_eq!(key.pkcs8_der(), PKCS8, "{name}");
            assert_eq!(key.pkcs1_der(), PKCS1, "{name}");
            assert_eq!(key.rsa_bits(), 2048);
            // An empty passphrase is none (G-58).
            assert!(PrivateKey::parse(input, Some(&Secret::from(""))).is_ok(), "{name}");
            // Transcript client_credentials__cert__passphrase_for_plain_key.
            let passphrase = Secret::from("oracle-pass");
            assert_eq!(PrivateKey::parse(input, Some(&passphrase)).unwrap_err(), CertError::NotEncrypted, "{name}");
        }
    }

    #[test]
    fn other_sizes() {
        for (pem, der) in [
            (
                &include_bytes!("../../../tests/certs/rsa4096.key.pkcs8.pem")[..],
                &include_bytes!("../../../tests/certs/rsa4096.key.pkcs8.der")[..],
            ),
            (
                include_bytes!("../../../tests/certs/rsa4096.key.pkcs1.pem"),
                include_bytes!("../../../tests/certs/rsa4096.key.pkcs8.der"),
            ),
        ] {
            let key = PrivateKey::parse(pem, None).unwrap();
            assert_eq!((key.pkcs8_der(), key.rsa_bits()), (der, 4096));
        }
    }

    #[test]
    fn certificates_match_their_keys() {
        let key = |pem: &str| PrivateKey::parse(pem.as_bytes(), None).unwrap();
        let certificate = |pem: &str| Certificate::from_pem(pem).unwrap();
        let keys = [
            key(PKCS8_PEM),
            key(include_str!("../../../tests/certs/rsa4096.key.pkcs1.pem")),
            key(include_str!("../../../tests/certs/chain.leaf.key.pem")),
            key(include_str!("../../../tests/certs/chain.intermediate.key.pem")),
            key(include_str!("../../../tests/certs/chain.root.key.pem")),
            key(include_str!("../../../tests/certs/chain.key-and-certs.pem")),
        ];
        let certificates = [
            certificate(include_str!("../../../tests/certs/rsa2048.cert.pem")),
            certificate(include_str!("../../../tests/certs/rsa4096.cert.pem")),
            certificate(include_str!("../../../tests/certs/chain.leaf.cert.pem")),
            certificate(include_str!("../../../tests/certs/chain.intermediate.cert.pem")),
            certificate(include_str!("../../../tests/certs/chain.root.cert.pem")),
            certificate(include_str!("../../../tests/certs/ec256.cert.pem")),
        ];
        for (i, key) in keys.iter().enumerate() {
            for (j, certificate) in certificates.iter().enumerate() {
                // The last key is the leaf's once more; the last certificate is nobody's.
                assert_eq!(key.matches(certificate), i == j && i < 5 || (i, j) == (5, 2), "{i} {j}");
            }
        }
    }

    #[test]
    fn what_is_not_a_usable_key() {
        let pass = Secret::from("oracle-pass");
        let certificate = include_bytes!("../../../tests/certs/rsa2048.cert.pem");
        let cases: &[(&str, &[u8], Option<&Secret>, CertError)] = &[
            ("empty", b"", None, CertError::NoPem),
            ("client_credentials__cert__garbage_private_key", b"not a pem", None, CertError::NoPem),
            ("latin-1", b"cl\xE9", None, CertError::NoPem),
            ("not a key", b"-----BEGIN X-----AAAA-----END X-----", None, CertError::BadKey),
            (
                "openssh",
                b"-----BEGIN OPENSSH PRIVATE KEY-----AAAA-----END OPENSSH PRIVATE KEY-----",
                None,
                CertError::BadKey,
            ),
            ("empty body", b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----", None, CertError::BadBase64),
            ("cut off", &PKCS8_PEM.as_bytes()[..900], None, CertError::UnfinishedPem),
            ("certificate", certificate, None, CertError::CertificateInsteadOfPrivateKey),
            (
                "certificate.der",
                include_bytes!("../../../tests/certs/rsa2048.cert.der"),
                None,
                CertError::CertificateInsteadOfPrivateKey,
            ),
            ("ec", include_bytes!("../../../tests/certs/ec256.key.pkcs8.pem"), None, CertError::NotRsa),
            ("pfx", include_bytes!("../../../tests/certs/rsa2048.modern.pfx"), Some(&pass), CertError::Pfx),
            ("legacy, no passphrase", LEGACY, None, CertError::PassphraseMissing),
            ("no passphrase", PBES2, None, CertError::PassphraseMissing),
            ("empty passphrase", PBES2, Some(&Secret::default()), CertError::PassphraseMissing),
            ("too long", &[0x30; crate::limits::MAX_PEM + 1], None, CertError::TooLong),
        ];
        for (name, input, passphrase, expected) in cases {
            assert_eq!(PrivateKey::parse(input, *passphrase).unwrap_err(), *expected, "{name}");
        }
    }

    #[test]
    fn broken_der_is_an_error() {
        for der in [PKCS1, PKCS8] {
            for len in 0..der.len() {
                assert!(PrivateKey::parse(&der[..len], None).is_err(), "{len}");
            }
        }
        // RFC 8017 A.1.2: other versions have more than two primes. The version is the first member's value.
        let mut multi_prime = PKCS1.to_vec();
        assert_eq!(core::mem::replace(&mut multi_prime[6], 1), 0);
        assert_eq!(PrivateKey::parse(&multi_prime, None).unwrap_err(), CertError::BadKey);
    }

    #[test]
    fn sizes_are_bounded() {
        for (bytes, expected) in [
            (255, Some(CertError::KeySize)),
            (256, None),
            (MAX_RSA_BITS / 8, None),
            (MAX_RSA_BITS / 8 + 1, Some(CertError::KeySize)),
        ] {
            let n = alloc::vec![0xFF; bytes];
            let n = der::asn1::UintRef::new(&n).unwrap();
            let three = der::asn1::UintRef::new(&[3]).unwrap();
            let mut body = Vec::new();
            0_u8.encode_to_vec(&mut body).unwrap();
            n.encode_to_vec(&mut body).unwrap();
            for _ in 0..7 {
                three.encode_to_vec(&mut body).unwrap();
            }
            let key = der::asn1::AnyRef::new(Tag::Sequence, &body).unwrap().to_der().unwrap();
            assert_eq!(PrivateKey::parse(&key, None).err(), expected, "{bytes}");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        let key = PrivateKey::parse(PKCS8, None).unwrap();
        assert_eq!(format!("{key:?}"), "PrivateKey(RSA, 2048 bits)");
    }
}
