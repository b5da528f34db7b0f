//! X.509 certificates (RFC 5280): names, dates, public key and thumbprints. Nothing here decides about trust.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use der::{Reader, SliceReader};
use sha1::Sha1;
use sha2::{Digest, Sha256};
#[cfg(feature = "x509")]
use {
    alloc::string::ToString,
    der::Decode,
    x509_cert::{Certificate as X509, name::Name},
};

use super::pem::{self, Block};
use super::pkcs1::{PublicParts, p256_of_spki};
use super::structure::Parts;
use crate::base64::{hex_encode, std_encode};
use crate::error::CertError;
use crate::jose::Jwk;
use crate::limits::MAX_CERTIFICATE;
use crate::time::UnixTime;

/// An X.509 certificate. Thumbprints are over the bytes as they came, never over a second encoding.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    /// Names in DER.
    subject: Vec<u8>,
    issuer: Vec<u8>,
    serial: String,
    not_before: UnixTime,
    not_after: UnixTime,
    spki: Vec<u8>,
}

impl Certificate {
    /// The first certificate of a text: PEM of any shape (see [`pem`]), or bare base64.
    ///
    /// # Errors
    /// [`CertError::PrivateKeyInsteadOfCertificate`] for a key, [`CertError::NoPem`] if there is nothing to read, and
    /// what [`pem::blocks`] and [`Self::from_der`] say.
    pub fn from_pem(text: &str) -> Result<Self, CertError> {
        let blocks = pem::blocks(text.as_bytes())?;
        match blocks.iter().find(|block| block.is_certificate()) {
            Some(block) => Self::from_block(block),
            None => Self::without_block(text, &blocks),
        }
    }

    /// All certificates of a text, in their order; the first one is usually the leaf. Never empty.
    ///
    /// # Errors
    /// As [`Self::from_pem`]; one unreadable certificate fails the whole.
    pub fn chain(text: &str) -> Result<Vec<Self>, CertError> {
        let blocks = pem::blocks(text.as_bytes())?;
        let mut chain = Vec::new();
        for block in blocks.iter().filter(|block| block.is_certificate()) {
            chain.push(Self::from_block(block)?);
        }
        if chain.is_empty() {
            chain.push(Self::without_block(text, &blocks)?);
        }
        Ok(chain)
    }

    /// From DER, and nothing after it.
    ///
    /// # Errors
    /// [`CertError::TooLong`] beyond [`MAX_CERTIFICATE`] bytes; [`CertError::PrivateKeyInsteadOfCertificate`] for a
    /// key; [`CertError::BadCertificate`] for anything else that is not a certificate. Without the feature `x509` names and
    /// extensions are not looked into.
    pub fn from_der(der: &[u8]) -> Result<Self, CertError> {
        if der.len() > MAX_CERTIFICATE {
            return Err(CertError::TooLong);
        }
        let parts = Parts::read(der);
        #[cfg(feature = "x509")]
        let parts = parts.filter(|_| X509::from_der(der).is_ok());
        let parts = parts.ok_or_else(|| match super::private_key::is_private_key(der) {
            true => CertError::PrivateKeyInsteadOfCertificate,
            false => CertError::BadCertificate,
        })?;
        Ok(Self {
            subject: parts.subject.to_vec(),
            issuer: parts.issuer.to_vec(),
            serial: hex_encode(parts.serial),
            not_before: parts.not_before,
            not_after: parts.not_after,
            spki: parts.spki.to_vec(),
            der: der.to_vec(),
        })
    }

    fn from_block(block: &Block<'_>) -> Result<Self, CertError> {
        let bytes = block.der()?;
        match &*block.label {
            // OpenSSL writes its trust settings behind the certificate.
            "TRUSTED CERTIFICATE" => Self::from_der(first_element(bytes.expose())?),
            _ => Self::from_der(bytes.expose()),
        }
    }

    fn without_block(text: &str, blocks: &[Block<'_>]) -> Result<Self, CertError> {
        if blocks.iter().any(Block::is_private_key) {
            return Err(CertError::PrivateKeyInsteadOfCertificate);
        }
        if !blocks.is_empty() {
            return Err(CertError::BadCertificate);
        }
        let bytes = pem::decode_body(text.trim_start_matches('\u{feff}').as_bytes()).map_err(|_| CertError::NoPem)?;
        Self::from_der(bytes.expose())
    }

    /// The certificate in DER, as it came.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// SHA-1 over the DER, for `x5t` (RFC 7515 s4.1.7).
    pub fn sha1(&self) -> [u8; 20] {
        Sha1::digest(&self.der).into()
    }

    /// SHA-256 over the DER, for `x5t#S256` (RFC 7515 s4.1.8).
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.der).into()
    }

    /// [`Self::sha1`] in lower case hexadecimal digits.
    pub fn sha1_hex(&self) -> String {
        hex_encode(&self.sha1())
    }

    /// [`Self::sha256`] in lower case hexadecimal digits.
    pub fn sha256_hex(&self) -> String {
        hex_encode(&self.sha256())
    }

    /// Whether the thumbprint is this certificate's.
    pub fn has_thumbprint(&self, thumbprint: &super::Thumbprint) -> bool {
        match thumbprint {
            super::Thumbprint::Sha1(digest) => *digest == self.sha1(),
            super::Thumbprint::Sha256(digest) => *digest == self.sha256(),
        }
    }

    /// The subject's name as RFC 4514 writes it, most specific part first. Written when it is asked for: the table of what parts
    /// of names are called is as large as all of RSA.
    #[cfg(feature = "x509")]
    pub fn subject(&self) -> String {
        text_of(&self.subject)
    }

    /// The issuer's name as RFC 4514 writes it.
    #[cfg(feature = "x509")]
    pub fn issuer(&self) -> String {
        text_of(&self.issuer)
    }

    /// Whether the other one's subject is this one's issuer, to the letter; with the feature `x509` also in another encoding.
    pub(super) fn is_below(&self, other: &Self) -> bool {
        #[cfg(feature = "x509")]
        {
            self.issuer() == other.subject()
        }
        #[cfg(not(feature = "x509"))]
        {
            self.issuer == other.subject
        }
    }

    /// The serial number in lower case hexadecimal digits.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// The certificate is not valid before this moment.
    pub fn not_before(&self) -> UnixTime {
        self.not_before
    }

    /// The certificate is not valid after this moment.
    pub fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// Whether the certificate ends within so many seconds from `now`, or has ended already: time to renew it.
    pub fn expires_within(&self, now: UnixTime, seconds: u64) -> bool {
        self.not_after < now.after(seconds)
    }

    /// The `SubjectPublicKeyInfo` in DER (RFC 5280 s4.1.2.7).
    pub fn public_key_der(&self) -> &[u8] {
        &self.spki
    }

    /// The public key, where it is RSA of a usual size or P-256.
    pub fn public_key(&self) -> Option<Jwk> {
        PublicParts::of_spki(&self.spki).and_then(|parts| parts.jwk()).or_else(|| p256_of_spki(&self.spki))
    }

    /// An element of a JOSE `x5c` header: base64 of the DER without line breaks (RFC 7515 s4.1.6).
    pub fn x5c(&self) -> String {
        std_encode(&self.der)
    }

    /// Whether `signature` is this certificate's key's over `message`.
    ///
    /// # Errors
    /// [`CertError::NotRsa`] if the key cannot be used here; [`CertError::WrongAlgorithm`] for one that is not RSA's.
    #[cfg(feature = "rsa")]
    pub fn verify_signature(
        &self,
        alg: crate::key::Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, CertError> {
        super::verify(&self.spki, alg, message, signature)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[cfg(feature = "x509")]
        write!(f, "Certificate({}, sha256 {})", self.subject(), self.sha256_hex())?;
        #[cfg(not(feature = "x509"))]
        write!(f, "Certificate(sha256 {})", self.sha256_hex())?;
        Ok(())
    }
}

#[cfg(feature = "x509")]
fn text_of(name: &[u8]) -> String {
    // It was read before.
    Name::from_der(name).map(|name| name.to_string()).unwrap_or_default()
}

/// The bytes of the first ASN.1 element.
fn first_element(bytes: &[u8]) -> Result<&[u8], CertError> {
    SliceReader::new(bytes).and_then(|mut reader| reader.tlv_bytes()).map_err(|_| CertError::BadCertificate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    const RSA2048: &str = include_str!("../../../tests/certs/rsa2048.cert.pem");
    const RSA2048_SHA256: &str = "4467518a60ce7632576d26a9f53efeb31f3bec9c1e725c01a597036e3cc6520f";

    #[test]
    fn every_spelling_is_the_same_certificate() {
        let texts: &[(&str, &str)] = &[
            ("pem", RSA2048),
            ("bom", include_str!("../../../tests/certs/rsa2048.cert.bom.pem")),
            ("comments", include_str!("../../../tests/certs/rsa2048.cert.comments.pem")),
            ("crlf", include_str!("../../../tests/certs/rsa2048.cert.crlf.pem")),
            ("lowercase-tags", include_str!("../../../tests/certs/rsa2048.cert.lowercase-tags.pem")),
            ("no-tags", include_str!("../../../tests/certs/rsa2048.cert.no-tags.txt")),
            ("no-tags-one-line", include_str!("../../../tests/certs/rsa2048.cert.no-tags-one-line.txt")),
            ("one-line", include_str!("../../../tests/certs/rsa2048.cert.one-line.pem")),
            ("padded", include_str!("../../../tests/certs/rsa2048.cert.padded.pem")),
            ("trusted-tag", include_str!("../../../tests/certs/rsa2048.cert.trusted-tag.pem")),
            ("with-text", include_str!("../../../tests/certs/rsa2048.cert.with-text.pem")),
            ("bag-attributes-with-key", include_str!("../../../tests/certs/rsa2048.bag-attributes-with-key.pem")),
        ];
        for (name, text) in texts {
            let certificate = Certificate::from_pem(text).expect(name);
            assert_eq!(certificate.sha256_hex(), RSA2048_SHA256, "{name}");
        }
        let der = include_bytes!("../../../tests/certs/rsa2048.cert.der");
        assert_eq!(Certificate::from_der(der).unwrap(), Certificate::from_pem(RSA2048).unwrap());
    }

    #[test]
    fn members() {
        let certificate = Certificate::from_pem(RSA2048).unwrap();
        // From the transcripts client_credentials__cert__*, and `openssl x509 -text`.
        assert_eq!(certificate.sha1_hex(), "2e9e65103f3507b7d386d6ffff2a88b494b427d6");
        assert_eq!(certificate.subject(), "O=Test Only,CN=oracle rsa2048 self-signed");
        assert_eq!(certificate.issuer(), certificate.subject());
        assert_eq!(certificate.serial(), "102048");
        assert_eq!(certificate.not_before(), UnixTime(1_795_363_191));
        assert_eq!(certificate.not_after(), UnixTime(2_426_083_191));
        let end = certificate.not_after();
        for (now, seconds, expected) in [
            (end.before(10), 9, false),
            (end.before(10), 10, false),
            (end.before(10), 11, true),
            (end, 0, false),
            (end.after(1), 0, true),
            (UnixTime(0), u64::MAX, true),
        ] {
            assert_eq!(certificate.expires_within(now, seconds), expected, "{now:?} {seconds}");
        }
        assert!(!certificate.x5c().contains('\n'));
        assert_eq!(Certificate::from_pem(&certificate.x5c()).unwrap(), certificate);
        assert!(certificate.has_thumbprint(&super::super::parse_thumbprint(RSA2048_SHA256).unwrap()));
        assert!(!certificate.has_thumbprint(&super::super::Thumbprint::Sha1([0; 20])));
    }

    #[test]
    fn public_keys() {
        let read = |text| Certificate::from_pem(text).unwrap().public_key();
        let rsa = read(include_str!("../../../tests/certs/rsa2048.cert.pem")).unwrap();
        let key = include_bytes!("../../../tests/certs/rsa2048.key.pkcs8.pem");
        assert_eq!(crate::cert::PrivateKey::parse(key, None).unwrap().public_key().unwrap(), rsa);
        // `openssl x509 -in ec256.cert.pem -noout -pubkey | openssl ec -pubin -text`: how x begins.
        let ec = read(include_str!("../../../tests/certs/ec256.cert.pem")).unwrap();
        let crate::jose::PublicKey::P256 { x, .. } = ec.key() else { panic!() };
        assert_eq!(x[..4], [0x93, 0xC5, 0xA8, 0x2A]);
    }

    #[test]
    fn chains() {
        let leaf = "OU=éñ,CN=oracle test leaf";
        let intermediate = "CN=oracle test intermediate";
        let root = "CN=oracle test root";
        let texts: &[(&str, &[&str])] = &[
            (include_str!("../../../tests/certs/chain.leaf-intermediate-root.pem"), &[leaf, intermediate, root]),
            (include_str!("../../../tests/certs/chain.crlf.pem"), &[leaf, intermediate, root]),
            (include_str!("../../../tests/certs/chain.root-first.pem"), &[root, intermediate, leaf]),
            (include_str!("../../../tests/certs/chain.bag-attributes.pem"), &[leaf, intermediate]),
            (include_str!("../../../tests/certs/chain.key-and-certs.pem"), &[leaf, intermediate]),
            (include_str!("../../../tests/certs/chain.leaf.cert.pem"), &[leaf]),
            (
                include_str!("../../../tests/certs/rsa2048.cert.no-tags.txt"),
                &["O=Test Only,CN=oracle rsa2048 self-signed"],
            ),
        ];
        for (text, subjects) in texts {
            let chain = Certificate::chain(text).unwrap();
            assert_eq!(&chain.iter().map(Certificate::subject).collect::<Vec<_>>(), subjects);
        }
    }

    #[test]
    fn what_is_not_a_certificate() {
        let key = include_str!("../../../tests/certs/rsa2048.key.pkcs8.pem");
        let bare_key = key.lines().filter(|line| !line.starts_with('-')).collect::<String>();
        let bad_der = RSA2048.replace("MIID", "MIIE");
        let cases: &[(&str, CertError)] = &[
            ("", CertError::NoPem),
            ("hello world", CertError::NoPem),
            ("aGVsbG8=", CertError::BadCertificate),
            (key, CertError::PrivateKeyInsteadOfCertificate),
            (&bare_key, CertError::PrivateKeyInsteadOfCertificate),
            (include_str!("../../../tests/certs/rsa2048.cert.truncated.pem"), CertError::UnfinishedPem),
            ("-----BEGIN PUBLIC KEY-----AAAA-----END PUBLIC KEY-----", CertError::BadCertificate),
            (&bad_der, CertError::BadCertificate),
        ];
        for (text, expected) in cases {
            assert_eq!(Certificate::from_pem(text).unwrap_err(), *expected, "{text}");
            assert_eq!(Certificate::chain(text).unwrap_err(), *expected, "{text}");
        }
        assert_eq!(Certificate::from_der(&[0; MAX_CERTIFICATE + 1]), Err(CertError::TooLong));
    }

    #[test]
    fn broken_der_is_an_error() {
        let der = include_bytes!("../../../tests/certs/rsa2048.cert.der");
        for len in 0..der.len() {
            assert!(Certificate::from_der(&der[..len]).is_err(), "{len}");
        }
        let mut longer = der.to_vec();
        longer.push(0);
        assert!(Certificate::from_der(&longer).is_err());
        // One changed byte may leave a certificate, but never a panic, and never the same thumbprint.
        for at in 0..der.len() {
            let mut changed = der.to_vec();
            changed[at] ^= 0x81;
            if let Ok(certificate) = Certificate::from_der(&changed) {
                assert_ne!(certificate.sha256_hex(), RSA2048_SHA256);
                assert!(!format!("{certificate:?}").is_empty());
            }
        }
    }
}
