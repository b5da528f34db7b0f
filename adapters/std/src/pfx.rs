//! PKCS#12 (PFX) files (RFC 7292), opened by `p12-keystore` after the cost of their key derivations has been checked.

use std::fmt;

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode, Reader, SliceReader, Tag, Tagged};
use p12_keystore::Pkcs12Archive;
use p12_keystore::error::Error as P12Error;
use sansal::Secret;
use sansal::cert::{Certificate, PrivateKey, extract_certs, in_chain_order};
use sansal::client::{KeyCredential, Signer};
use sansal::error::{CertError, Error, KdfLimit};
use sansal::limits::{MAX_PBKDF2_ROUNDS, MAX_SCRYPT_MEMORY, MAX_SCRYPT_P};

/// The longest file that is opened, in bytes: as for PEM.
pub const MAX_PFX: usize = sansal::limits::MAX_PEM;
/// Rounds of one derivation; `p12-keystore` refuses more. All of a file may have [`MAX_PBKDF2_ROUNDS`] together.
const MAX_ROUNDS: u64 = 1_000_000;
/// Nesting of ASN.1; a PFX has some fifteen levels.
const MAX_DEPTH: usize = 32;

/// Which certificates an assertion brings along in its `x5c` header (RFC 7515 s4.1.6), where the key is from a PFX.
///
/// Servers that know the application by the name of its certificate, rather than by its thumbprint, need them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum X5c {
    /// None.
    #[default]
    None,
    /// The certificate of the key.
    Leaf,
    /// All that are in this text, PEM or bare base64, the certificate of the key first.
    Text(String),
}

/// What is in a PFX file: at most one private key, and certificates.
///
/// ```no_run
/// use sansal_std::{Pfx, Secret};
/// let bytes = std::fs::read("app.pfx")?;
/// let pfx = Pfx::parse(&bytes, Some(&Secret::from("open sesame")))?;
/// let (key, certificate) = pfx.identity()?;
/// println!("{} bits, {}", key.rsa_bits(), certificate.subject());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Pfx {
    key: Option<Result<PrivateKey, CertError>>,
    certificates: Vec<Certificate>,
    encrypted: bool,
}

impl Pfx {
    /// Whether bytes look like a PFX file in DER, whatever their name says.
    pub fn is_pfx(bytes: &[u8]) -> bool {
        bytes.first() == Some(&SEQUENCE) && Outline::of(bytes).is_ok_and(|outline| outline.is_pfx)
    }

    /// Opens a file. No passphrase and an empty one are the same.
    ///
    /// The key is the first that one of the certificates belongs to, else the first; its certificate stands before all
    /// others, followed by its issuers.
    ///
    /// Key derivations are counted before they run, but for those of keys that lie inside encrypted parts, which
    /// `p12-keystore` bounds by itself, more loosely.
    ///
    /// # Errors
    /// [`CertError::NotPfx`], [`CertError::TooLong`], [`CertError::TooExpensive`], [`CertError::PassphraseMissing`],
    /// [`CertError::WrongPassphrase`], [`CertError::UnsupportedEncryption`], or what is wrong with a certificate.
    pub fn parse(bytes: &[u8], passphrase: Option<&Secret>) -> Result<Self, CertError> {
        if bytes.len() > MAX_PFX {
            return Err(CertError::TooLong);
        }
        let outline = Outline::of(bytes)?;
        if !outline.is_pfx {
            return Err(CertError::NotPfx);
        }
        let text = passphrase.map_or("", Secret::expose);
        let archive = Pkcs12Archive::from_pkcs12(bytes, text).map_err(|why| outline.error(&why, text))?;
        let mut certificates = Vec::with_capacity(archive.certs.len());
        for bag in &archive.certs {
            certificates.push(Certificate::from_der(bag.cert.as_der())?);
        }
        let mut keys: Vec<_> = archive.keys.iter().map(|bag| PrivateKey::parse(bag.key.as_der(), None)).collect();
        let owner = |key: &Result<PrivateKey, CertError>| {
            let key = key.as_ref().ok()?;
            certificates.iter().find(|certificate| key.matches(certificate))
        };
        let chosen = keys.iter().position(|key| owner(key).is_some()).unwrap_or(0);
        let leaf = keys.get(chosen).and_then(owner).cloned();
        if let Some(leaf) = leaf {
            certificates = in_chain_order(&leaf, certificates);
        }
        let key = (chosen < keys.len()).then(|| keys.swap_remove(chosen));
        Ok(Self { key, certificates, encrypted: outline.encrypted })
    }

    /// The private key.
    ///
    /// # Errors
    /// [`CertError::NoKeyInPfx`], or why the key cannot be used: it is not RSA, or its size is not allowed.
    pub fn private_key(&self) -> Result<&PrivateKey, CertError> {
        match &self.key {
            Some(key) => key.as_ref().map_err(|why| *why),
            None => Err(CertError::NoKeyInPfx),
        }
    }

    /// All certificates: that of the key, its issuers in their order, then the rest.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// The private key and its certificate.
    ///
    /// # Errors
    /// As [`Self::private_key`]; [`CertError::NoCertificateInPfx`]; [`CertError::KeyMismatch`] if there are certificates,
    /// but of other keys.
    pub fn identity(&self) -> Result<(&PrivateKey, &Certificate), CertError> {
        let key = self.private_key()?;
        let first = self.certificates.first().ok_or(CertError::NoCertificateInPfx)?;
        if key.matches(first) { Ok((key, first)) } else { Err(CertError::KeyMismatch) }
    }

    /// Whether the file asks for a passphrase.
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// What the core needs to know, with `signer` for the key: PS256 with `x5t#S256`, or RS256 with `x5t` at ADFS.
    ///
    /// # Errors
    /// As [`Self::identity`], and when the text of `x5c` is not certificates.
    pub fn credential(&self, signer: Signer, x5c: &X5c) -> Result<KeyCredential, Error> {
        let (_, leaf) = self.identity()?;
        let x5c = match x5c {
            X5c::None => Vec::new(),
            X5c::Leaf => vec![leaf.x5c()],
            X5c::Text(text) => {
                let without_breaks = |text: String| text.split_ascii_whitespace().collect();
                extract_certs(text)?.into_iter().map(without_breaks).collect()
            }
        };
        Ok(KeyCredential::with_leaf(signer, leaf, x5c))
    }
}

impl fmt::Debug for Pfx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pfx").field("key", &self.key).field("certificates", &self.certificates).finish_non_exhaustive()
    }
}

/// The first byte of every DER file.
const SEQUENCE: u8 = 0x30;
/// pkcs-12PbeIds (RFC 7292 appendix C): what lies under it has a salt and rounds.
const PBES1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1");
/// RFC 8018 A.2.
const PBKDF2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.12");
/// RFC 7914 s7.
const SCRYPT: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11591.4.11");

/// What can be seen of a file without its passphrase.
#[derive(Default)]
struct Outline {
    is_pfx: bool,
    has_mac: bool,
    /// A derivation is asked for.
    encrypted: bool,
    /// Of all derivations together.
    rounds: u64,
}

impl Outline {
    /// Reads the outline, and holds every derivation against its bounds.
    fn of(bytes: &[u8]) -> Result<Self, CertError> {
        let mut outline = Self::default();
        let file = AnyRef::from_der(bytes).map_err(|_| CertError::NotPfx)?;
        let members = elements(file.value()).ok_or(CertError::NotPfx)?;
        // RFC 7292 s4: version 3, content, and mostly a MAC.
        match members.as_slice() {
            [version, content, mac @ ..] if version.tag() == Tag::Integer && content.tag() == Tag::Sequence => {
                outline.is_pfx = version.value() == [3] && mac.len() < 2;
                if let Some(mac) = mac.first() {
                    outline.has_mac = true;
                    outline.mac(mac)?;
                }
                outline.walk(content.value(), 0)?;
            }
            _ => {}
        }
        Ok(outline)
    }

    /// `MacData`: digest, salt, rounds (1 if absent).
    fn mac(&mut self, mac: &AnyRef<'_>) -> Result<(), CertError> {
        let members = elements(mac.value()).ok_or(CertError::NotPfx)?;
        self.derivation(members.get(2).map_or(Some(1), integer))
    }

    /// Looks for algorithms in ASN.1 elements, and in octet strings that hold such.
    fn walk(&mut self, bytes: &[u8], depth: usize) -> Result<(), CertError> {
        let Some(members) = elements(bytes) else { return Ok(()) };
        let depth = depth.saturating_add(1);
        if depth > MAX_DEPTH {
            return Err(CertError::NotPfx);
        }
        if let [name, parameters, ..] = members.as_slice()
            && let Ok(oid) = name.decode_as::<ObjectIdentifier>()
        {
            self.algorithm(&oid, parameters)?;
        }
        for member in &members {
            if member.tag().is_constructed() || member.tag() == Tag::OctetString {
                self.walk(member.value(), depth)?;
            }
        }
        Ok(())
    }

    fn algorithm(&mut self, oid: &ObjectIdentifier, parameters: &AnyRef<'_>) -> Result<(), CertError> {
        let numbers: Vec<Option<u64>> = match elements(parameters.value()) {
            Some(members) => members.iter().skip(1).map(integer).collect(),
            None => return Ok(()),
        };
        if *oid == PBKDF2 || oid.as_bytes().starts_with(PBES1.as_bytes()) {
            return self.derivation(numbers.first().copied().flatten());
        }
        if *oid == SCRYPT {
            self.encrypted = true;
            let [Some(n), Some(r), Some(p), ..] = numbers[..] else { return Err(CertError::UnsupportedEncryption) };
            return check_scrypt(n, r, p);
        }
        Ok(())
    }

    fn derivation(&mut self, rounds: Option<u64>) -> Result<(), CertError> {
        self.encrypted = true;
        let rounds = rounds.filter(|rounds| *rounds > 0).ok_or(CertError::UnsupportedEncryption)?;
        self.rounds = self.rounds.saturating_add(rounds);
        if rounds > MAX_ROUNDS || self.rounds > MAX_PBKDF2_ROUNDS.into() {
            return Err(CertError::TooExpensive(KdfLimit::Pbkdf2Rounds));
        }
        Ok(())
    }

    /// What a failure of the library means for this file.
    fn error(&self, why: &P12Error, passphrase: &str) -> CertError {
        let wrong = match passphrase {
            "" => CertError::PassphraseMissing,
            // Its passphrases are UCS-2 (RFC 7292 appendix B.1), which the library takes literally.
            text if text.chars().any(|c| u32::from(c) > 0xFFFF) => CertError::UnsupportedEncryption,
            _ => CertError::WrongPassphrase,
        };
        // With a right MAC the passphrase is right; without one it shows only when nothing sensible comes out.
        let in_the_dark = self.encrypted && !self.has_mac;
        match why {
            P12Error::MacError(_) => wrong,
            P12Error::UnsupportedEncryptionScheme | P12Error::UnsupportedMacAlgorithm | P12Error::InvalidParameters => {
                CertError::UnsupportedEncryption
            }
            _ if in_the_dark => wrong,
            P12Error::Pkcs5Error(_) | P12Error::UnpadError => CertError::UnsupportedEncryption,
            P12Error::X509Error(_) | P12Error::UnsupportedCertificateType => CertError::BadCertificate,
            P12Error::InvalidPrivateKey => CertError::BadKey,
            _ if passphrase.chars().any(|c| u32::from(c) > 0xFFFF) => CertError::UnsupportedEncryption,
            _ => CertError::NotPfx,
        }
    }
}

/// RFC 7914 s2, by the bounds of the core; for some of these numbers the library would panic.
fn check_scrypt(n: u64, r: u64, p: u64) -> Result<(), CertError> {
    if n < 2 || !n.is_power_of_two() || r == 0 || p == 0 {
        return Err(CertError::UnsupportedEncryption);
    }
    if p > MAX_SCRYPT_P {
        return Err(CertError::TooExpensive(KdfLimit::ScryptParallelization));
    }
    if r.saturating_mul(128).saturating_mul(n.saturating_add(p)) > MAX_SCRYPT_MEMORY {
        return Err(CertError::TooExpensive(KdfLimit::ScryptMemory));
    }
    Ok(())
}

/// The ASN.1 elements that bytes consist of; `None` if they do not.
fn elements(bytes: &[u8]) -> Option<Vec<AnyRef<'_>>> {
    let mut reader = SliceReader::new(bytes).ok()?;
    let mut found = Vec::new();
    while !reader.is_finished() {
        found.push(AnyRef::decode(&mut reader).ok()?);
    }
    Some(found)
}

fn integer(element: &AnyRef<'_>) -> Option<u64> {
    element.decode_as().ok()
}

#[cfg(test)]
mod tests;
