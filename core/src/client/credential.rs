//! How an application proves itself: secret, key with certificate, or an assertion that somebody else makes.

#[cfg(feature = "assertions")]
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
#[cfg(not(feature = "pop"))]
use core::convert::Infallible;
use core::fmt;

use crate::error::CertError;
use crate::jose::assertion::AssertionHeader;
use crate::key::{Algorithm, KeyName};
use crate::secret::Secret;

#[cfg(feature = "rsa")]
use crate::cert::RsaKey;
#[cfg(feature = "cert")]
use crate::cert::{Certificate, PrivateKey, Thumbprint, extract_certs, parse_thumbprint};
#[cfg(feature = "cert")]
use crate::error::Error;

/// How a client authenticates at the token endpoint (RFC 6749 s2.3, RFC 7521 s4.2).
#[non_exhaustive]
#[derive(Clone, Debug, Default)]
pub enum Credential {
    /// Not at all: a public client.
    #[default]
    None,
    /// `client_secret` in the body (RFC 6749 s2.3.1).
    Secret(Secret),
    /// A ready-made `client_assertion`, the same for each request until it expires.
    Assertion(Secret),
    /// The application is asked for a `client_assertion` by [`Ask::Assertion`](crate::flow::Ask::Assertion), for each request.
    AssertionCallback,
    /// An assertion that is signed here (RFC 7523 s2.2).
    #[cfg(feature = "assertions")]
    Key(Box<KeyCredential>),
    /// The [client certificate](ClientCertificate) of the connection (RFC 8705 s2): `tls_client_auth` where the server trusts who
    /// issued it, `self_signed_tls_client_auth` where it knows the certificate itself. The client sends the same.
    Tls,
}

/// A certificate that the adapter presents at the provider's endpoints (RFC 8705), and whose private key it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    name: KeyName,
    x5t_s256: [u8; 32],
    /// Without the feature there is no value of this type, and whatever is done with one is left out of the program.
    #[cfg(not(feature = "pop"))]
    never: Infallible,
}

impl ClientCertificate {
    #[cfg(feature = "pop")]
    /// The certificate that the adapter holds under this name. `x5t_s256` is the SHA-256 of the whole certificate in DER, as in
    /// the `cnf` of tokens that are bound to it (RFC 8705 s3.1).
    pub fn new(name: KeyName, x5t_s256: [u8; 32]) -> Self {
        Self { name, x5t_s256 }
    }

    /// The name under which the adapter holds it.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// The SHA-256 of the whole certificate.
    pub fn x5t_s256(&self) -> &[u8; 32] {
        &self.x5t_s256
    }
}

/// Who signs.
#[non_exhaustive]
#[derive(Clone)]
pub enum Signer {
    /// The core itself, with a key in memory.
    #[cfg(feature = "rsa")]
    Software(Box<RsaKey>),
    /// The host, asked by [`Ask::Sign`](crate::flow::Ask::Sign): a key store, a secure element, a faster library.
    External(KeyName),
}

/// A signing key with what tells the server which certificate goes with it.
#[cfg_attr(not(feature = "assertions"), expect(dead_code, reason = "there is no client that has one"))]
#[derive(Clone)]
pub struct KeyCredential {
    signer: Signer,
    x5t: Option<[u8; 20]>,
    x5t_s256: Option<[u8; 32]>,
    x5c: Vec<String>,
    contradiction: Option<CertError>,
    /// What tells this key from every other: its name, or its public half.
    identity: Vec<u8>,
}

impl Credential {
    /// A client secret; an empty one counts as none, since that is what an unset variable looks like.
    pub fn secret(secret: impl Into<Secret>) -> Self {
        let secret = secret.into();
        if secret.is_empty() { Self::None } else { Self::Secret(secret) }
    }

    /// A private key (PEM or DER, PKCS#1 or PKCS#8, encrypted or not) with its certificate, its thumbprint, or both.
    ///
    /// The decision table of the reference (section 1.5) holds: a SHA-1 thumbprint means RS256 with `x5t`, and then all
    /// certificates of the text go into `x5c`; a certificate alone means PS256 with `x5t#S256` and that one certificate in
    /// `x5c`, or RS256 with `x5t` at ADFS.
    ///
    /// # Errors
    /// [`Error::Config`] with the [`CertError`] that says what is wrong with key, passphrase, certificate or thumbprint.
    #[cfg(feature = "rsa")]
    pub fn certificate(
        private_key: &[u8],
        passphrase: Option<&Secret>,
        thumbprint: Option<&str>,
        certificate: Option<&str>,
    ) -> Result<Self, Error> {
        let key = PrivateKey::parse(private_key, passphrase)?;
        let signer = Signer::Software(Box::new(RsaKey::new(&key)?));
        Ok(Self::Key(Box::new(KeyCredential::with_certificate(signer, Some(&key), thumbprint, certificate)?)))
    }

    /// What tells this credential from every other: its kind, and everything secret or not that it consists of.
    pub(crate) fn inputs(&self) -> [Option<&[u8]>; 4] {
        match self {
            Self::None => [Some(b"none"), None, None, None],
            Self::Secret(secret) => [Some(b"secret"), Some(secret.expose().as_bytes()), None, None],
            Self::Assertion(text) => [Some(b"assertion"), Some(text.expose().as_bytes()), None, None],
            Self::AssertionCallback => [Some(b"callback"), None, None, None],
            Self::Tls => [Some(b"tls"), None, None, None],
            #[cfg(feature = "assertions")]
            Self::Key(key) => {
                let x5t = key.x5t.as_ref().map(<[u8; 20]>::as_slice);
                let x5t_s256 = key.x5t_s256.as_ref().map(<[u8; 32]>::as_slice);
                [Some(key.signer.kind()), Some(&key.identity), x5t, x5t_s256]
            }
        }
    }

    /// What does not fit together, where something was given twice.
    pub(super) fn contradiction(&self) -> Option<CertError> {
        match self {
            #[cfg(feature = "assertions")]
            Self::Key(key) => key.contradiction,
            _ => None,
        }
    }
}

impl KeyCredential {
    /// A key known by its thumbprints alone; at least one is needed.
    ///
    /// # Errors
    /// [`CertError::NoThumbprint`] when there is none.
    pub fn with_thumbprints(
        signer: Signer,
        x5t: Option<[u8; 20]>,
        x5t_s256: Option<[u8; 32]>,
    ) -> Result<Self, CertError> {
        if x5t.is_none() && x5t_s256.is_none() {
            return Err(CertError::NoThumbprint);
        }
        let identity = signer.identity();
        Ok(Self { signer, x5t, x5t_s256, x5c: Vec::new(), contradiction: None, identity })
    }

    /// A key with its certificate, as they come out of a PFX file or a key store: PS256 with `x5t#S256`, or RS256 with
    /// `x5t` at ADFS. `x5c` is sent as it is: base64 of DER, nothing if it is empty (section 1.5 of the reference).
    #[cfg(feature = "cert")]
    pub fn with_leaf(signer: Signer, leaf: &Certificate, x5c: Vec<String>) -> Self {
        let identity = signer.identity();
        let (x5t, x5t_s256) = (Some(leaf.sha1()), Some(leaf.sha256()));
        Self { signer, x5t, x5t_s256, x5c, contradiction: None, identity }
    }

    /// A key with a certificate, a thumbprint, or both, by the table of [`Credential::certificate`]. `key`, where it is
    /// at hand, is held against the certificate.
    ///
    /// # Errors
    /// [`Error::Config`] when certificate or thumbprint cannot be read, or both are absent.
    #[cfg(feature = "cert")]
    pub fn with_certificate(
        signer: Signer,
        key: Option<&PrivateKey>,
        thumbprint: Option<&str>,
        certificate: Option<&str>,
    ) -> Result<Self, Error> {
        let given = thumbprint.filter(|t| !t.is_empty()).map(parse_thumbprint).transpose()?;
        let text = certificate.filter(|c| !c.is_empty());
        let Some(text) = text else {
            let (x5t, x5t_s256) = match given {
                Some(Thumbprint::Sha1(x5t)) => (Some(x5t), None),
                Some(Thumbprint::Sha256(x5t_s256)) => (None, Some(x5t_s256)),
                None => (None, None),
            };
            return Ok(Self::with_thumbprints(signer, x5t, x5t_s256)?);
        };
        // With a thumbprint the texts are passed on unread, as in the reference; they are read only to be checked.
        let texts = extract_certs(text)?;
        let first = Certificate::from_pem(text);
        let mismatch = |first: &Certificate| match (&given, key) {
            (Some(Thumbprint::Sha1(t)), _) if *t != first.sha1() => Some(CertError::ThumbprintMismatch),
            (Some(Thumbprint::Sha256(t)), _) if *t != first.sha256() => Some(CertError::ThumbprintMismatch),
            (_, Some(key)) if !key.matches(first) => Some(CertError::KeyMismatch),
            _ => None,
        };
        let contradiction = match &first {
            Ok(first) => mismatch(first),
            Err(why) => Some(*why),
        };
        let identity = signer.identity();
        let without_breaks = |text: &String| text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let all = texts.iter().map(without_breaks).collect();
        Ok(match given {
            Some(Thumbprint::Sha1(x5t)) => {
                Self { signer, x5t: Some(x5t), x5t_s256: None, x5c: all, contradiction, identity }
            }
            Some(Thumbprint::Sha256(t)) => {
                Self { signer, x5t: None, x5t_s256: Some(t), x5c: all, contradiction, identity }
            }
            None => {
                let first = first?;
                let x5c = Vec::from([first.x5c()]);
                Self { signer, x5t: Some(first.sha1()), x5t_s256: Some(first.sha256()), x5c, contradiction, identity }
            }
        })
    }

    /// Who signs.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// The SHA-1 thumbprint of the certificate, where it is known.
    pub fn x5t(&self) -> Option<[u8; 20]> {
        self.x5t
    }

    /// The SHA-256 thumbprint of the certificate, where it is known.
    pub fn x5t_s256(&self) -> Option<[u8; 32]> {
        self.x5t_s256
    }

    /// The header of an assertion: PS256 with SHA-256 wherever that thumbprint is known and the server is not ADFS.
    pub fn assertion_header(&self, adfs: bool) -> AssertionHeader {
        match (self.x5t, self.x5t_s256) {
            (_, Some(x5t_s256)) if !adfs || self.x5t.is_none() => {
                AssertionHeader { alg: Algorithm::Ps256, x5t: None, x5t_s256: Some(x5t_s256), x5c: self.x5c.clone() }
            }
            (x5t, _) => AssertionHeader { alg: Algorithm::Rs256, x5t, x5t_s256: None, x5c: self.x5c.clone() },
        }
    }
}

impl Signer {
    #[cfg(feature = "assertions")]
    const fn kind(&self) -> &'static [u8] {
        match self {
            #[cfg(feature = "rsa")]
            Self::Software(_) => b"key",
            Self::External(_) => b"named key",
        }
    }

    fn identity(&self) -> Vec<u8> {
        match self {
            #[cfg(feature = "rsa")]
            Self::Software(key) => key.modulus(),
            Self::External(name) => name.0.clone().into_bytes(),
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(feature = "rsa")]
            Self::Software(_) => f.write_str("Software(..)"),
            Self::External(name) => write!(f, "External({name})"),
        }
    }
}

impl fmt::Debug for KeyCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyCredential").field("signer", &self.signer).finish_non_exhaustive()
    }
}
