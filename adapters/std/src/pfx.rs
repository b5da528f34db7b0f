//! PKCS#12 (PFX) files (RFC 7292), opened by `p12-keystore` after the cost of their key derivations has been checked.

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
#[cfg(any(test, feature = "fuzzing"))]
mod made;
mod outline;
mod part;
#[cfg(test)]
mod tests;

use std::fmt;

use p12_keystore::Pkcs12Archive;
use sansal::Secret;
use sansal::cert::{Certificate, PrivateKey, extract_certs, in_chain_order};
use sansal::client::{KeyCredential, Signer};
use sansal::error::{CertError, Error};
use sansal::limits::MAX_PBKDF2_ROUNDS;

use outline::Outline;

/// The longest file that is opened, in bytes: as for PEM.
pub const MAX_PFX: usize = sansal::limits::MAX_PEM;

/// Which certificates an assertion brings along in its `x5c` header (RFC 7515 s4.1.6), where the key is from a PFX.
///
/// Servers that know the application by the name of its certificate, rather than by its thumbprint, need them.
#[non_exhaustive]
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
        Outline::of(bytes, MAX_PBKDF2_ROUNDS.into()).is_ok_and(|outline| outline.is_pfx)
    }

    /// Opens a file. No passphrase and an empty one are the same.
    ///
    /// The key is the first that one of the certificates belongs to, else the first; its certificate stands before all
    /// others, followed by its issuers.
    ///
    /// Key derivations are counted before they run, those of keys that lie inside encrypted parts too; to see these, such
    /// parts are decrypted twice.
    ///
    /// # Errors
    /// [`CertError::NotPfx`], [`CertError::TooLong`], [`CertError::TooExpensive`], [`CertError::PassphraseMissing`],
    /// [`CertError::WrongPassphrase`], [`CertError::UnsupportedEncryption`], or what is wrong with a certificate.
    pub fn parse(bytes: &[u8], passphrase: Option<&Secret>) -> Result<Self, CertError> {
        Self::parse_within(bytes, passphrase, MAX_PBKDF2_ROUNDS.into())
    }

    /// As [`Self::parse`], where all derivations together have this many rounds at the most.
    fn parse_within(bytes: &[u8], passphrase: Option<&Secret>, most: u64) -> Result<Self, CertError> {
        if bytes.len() > MAX_PFX {
            return Err(CertError::TooLong);
        }
        let mut outline = Outline::of(bytes, most)?;
        if !outline.is_pfx {
            return Err(CertError::NotPfx);
        }
        let text = passphrase.map_or("", Secret::expose);
        outline.look_inside(text)?;
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
