//! A private key with its certificate, from files or memory, as the builder takes it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use sansal::Secret;
use sansal::cert::{Certificate, PrivateKey, parse_thumbprint};
use sansal::client::{Credential, KeyCredential, Signer};
use sansal::error::{CertError, Config, Error};
use sansal::key::KeyName;
use sansal::secret::SecretBytes;

use crate::client_tls::TlsIdentity;
use crate::pfx::{Pfx, X5c};
use crate::setup::SetupError;
use crate::signing_key::{Keys, SigningKey};

/// The name under which a client holds its own key.
const OWN_KEY: &str = "client certificate";

/// A private key with its certificate, its thumbprint, or both.
///
/// The rules are MSAL's: with a SHA-1 thumbprint the assertion is RS256 with `x5t`, and all certificates go into `x5c`;
/// with a certificate alone it is PS256 with `x5t#S256`, or RS256 with `x5t` at ADFS. From a PFX file it is the latter, and
/// `x5c` is sent only when asked for ([`Self::x5c`]).
///
/// ```no_run
/// use sansal_std::{CertificateCredential, Secret};
/// let credential = CertificateCredential::file("app.pem")?.passphrase(Secret::from("open sesame"));
/// # Ok::<(), sansal_std::SetupError>(())
/// ```
pub struct CertificateCredential {
    key: SecretBytes,
    /// The key is not here: it is this one.
    held: Option<Arc<dyn SigningKey>>,
    certificate: Option<String>,
    passphrase: Option<Secret>,
    thumbprint: Option<String>,
    /// The key is in a PFX file, with these certificates for `x5c`.
    pfx: Option<X5c>,
    /// Where the key was read, for errors.
    key_file: Option<PathBuf>,
    certificate_file: Option<PathBuf>,
}

impl CertificateCredential {
    /// A key and, unless the thumbprint or another text says which, its certificates in one PEM text. A key alone may
    /// also be DER.
    pub fn pem(bytes: &[u8]) -> Self {
        Self {
            key: SecretBytes::from(bytes),
            held: None,
            certificate: certificates_in(bytes),
            passphrase: None,
            thumbprint: None,
            pfx: None,
            key_file: None,
            certificate_file: None,
        }
    }

    /// A key that signs where it is held. [`Self::certificate`] or [`Self::thumbprint`] say which certificate goes with it;
    /// where the public half of the key can be had, it is held against the certificate.
    pub fn held(key: impl SigningKey + 'static) -> Self {
        Self { held: Some(Arc::new(key)), ..Self::pem(b"") }
    }

    /// A key with its certificate in a PKCS#12 (PFX) file.
    pub fn pfx(bytes: &[u8]) -> Self {
        Self { certificate: None, pfx: Some(X5c::None), ..Self::pem(bytes) }
    }

    /// [`Self::pem`] or [`Self::pfx`] from a file, which is read now; what it is, its content says.
    ///
    /// # Errors
    /// [`SetupError::File`] when it cannot be read.
    pub fn file(path: impl AsRef<Path>) -> Result<Self, SetupError> {
        let path = path.as_ref();
        let bytes = SecretBytes::new(fs::read(path).map_err(|error| SetupError::file(path, &error))?);
        let content = if Pfx::is_pfx(bytes.expose()) { Self::pfx(bytes.expose()) } else { Self::pem(bytes.expose()) };
        Ok(Self { key_file: Some(path.to_owned()), ..content })
    }

    /// Which certificates go into `x5c` where the key is from a PFX file; else it changes nothing. Default: none.
    /// [`Self::certificate`] overrides it.
    #[must_use]
    pub fn x5c(mut self, x5c: X5c) -> Self {
        if let Some(given) = &mut self.pfx {
            *given = x5c;
        }
        self
    }

    /// The certificates in PEM, the client's first, when they are not in the text of the key. With a PFX file they go
    /// into `x5c`.
    #[must_use]
    pub fn certificate(mut self, pem: &str) -> Self {
        self.certificate = Some(pem.to_owned());
        self
    }

    /// The same from a file, which is read now.
    ///
    /// # Errors
    /// [`SetupError::File`] when it cannot be read, or is not text.
    pub fn certificate_file(mut self, path: impl AsRef<Path>) -> Result<Self, SetupError> {
        let path = path.as_ref();
        let text = fs::read_to_string(path).map_err(|error| SetupError::file(path, &error))?;
        self.certificate_file = Some(path.to_owned());
        Ok(self.certificate(&text))
    }

    /// The passphrase of the key.
    #[must_use]
    pub fn passphrase(mut self, passphrase: impl Into<Secret>) -> Self {
        self.passphrase = Some(passphrase.into());
        self
    }

    /// The thumbprint of the certificate: 40 (SHA-1) or 64 (SHA-256) hexadecimal digits.
    #[must_use]
    pub fn thumbprint(mut self, hex: &str) -> Self {
        self.thumbprint = Some(hex.to_owned());
        self
    }

    /// Reads it all: what the core needs to know, and the key that signs.
    pub(crate) fn open(self) -> Result<(Credential, Keys), SetupError> {
        if let Some(key) = &self.held {
            return self.open_held(key);
        }
        if let Some(x5c) = &self.pfx {
            return self.open_pfx(x5c);
        }
        let key = PrivateKey::parse(self.key.expose(), self.passphrase.as_ref())
            .map_err(|why| in_file(self.key_file.as_deref(), why))?;
        let name = KeyName(OWN_KEY.to_owned());
        let keys = Keys::new();
        keys.add(name.clone(), &key)?;
        let credential = KeyCredential::with_certificate(
            Signer::External(name),
            Some(&key),
            self.thumbprint.as_deref(),
            self.certificate.as_deref(),
        )
        .map_err(|error| self.about(error))?;
        Ok((Credential::Key(Box::new(credential)), keys))
    }

    /// An error about the certificate names its file.
    fn about(&self, error: Error) -> SetupError {
        match error {
            Error::Config(Config::Certificate(why)) if is_about_certificate(why) => {
                in_file(self.certificate_file.as_deref(), why)
            }
            other => other.into(),
        }
    }

    fn open_held(&self, key: &Arc<dyn SigningKey>) -> Result<(Credential, Keys), SetupError> {
        if self.passphrase.is_some() {
            return Err(SetupError::Contradiction("a key that is held elsewhere has no passphrase here"));
        }
        if let Some(text) = &self.certificate {
            let in_certificate_file = |why| in_file(self.certificate_file.as_deref(), why);
            let leaf = Certificate::from_pem(text).map_err(in_certificate_file)?;
            if let Ok(public) = key.public_key()
                && leaf.public_key().is_some_and(|certified| certified.key() != public.key())
            {
                return Err(CertError::KeyMismatch.into());
            }
        }
        let name = KeyName(OWN_KEY.to_owned());
        let keys = Keys::new();
        keys.hold(name.clone(), Arc::clone(key));
        let credential = KeyCredential::with_certificate(
            Signer::External(name),
            None,
            self.thumbprint.as_deref(),
            self.certificate.as_deref(),
        )
        .map_err(|error| self.about(error))?;
        Ok((Credential::Key(Box::new(credential)), keys))
    }

    /// Reads it all, for presenting it to a server (RFC 8705). Here a key may also be an EC one, in PEM and not encrypted.
    pub(crate) fn open_tls(&self) -> Result<TlsIdentity, SetupError> {
        if self.held.is_some() {
            return Err(SetupError::Contradiction(
                "a key that is held elsewhere cannot prove the client in a TLS handshake here",
            ));
        }
        let in_key_file = |why| in_file(self.key_file.as_deref(), why);
        if self.pfx.is_some() {
            let pfx = Pfx::parse(self.key.expose(), self.passphrase.as_ref()).map_err(in_key_file)?;
            let (key, leaf) = pfx.identity().map_err(in_key_file)?;
            return Ok(TlsIdentity::rsa(key, leaf, pfx.certificates().to_vec())?);
        }
        let text = self.certificate.as_deref().ok_or(Config::ClientCertificate)?;
        let in_certificate_file = |why| in_file(self.certificate_file.as_deref(), why);
        let all = Certificate::chain(text).map_err(in_certificate_file)?;
        let leaf = all.first().cloned().ok_or(Config::ClientCertificate)?;
        if let Some(hex) = &self.thumbprint
            && !leaf.has_thumbprint(&parse_thumbprint(hex)?)
        {
            return Err(CertError::ThumbprintMismatch.into());
        }
        match PrivateKey::parse(self.key.expose(), self.passphrase.as_ref()) {
            Ok(key) => Ok(TlsIdentity::rsa(&key, &leaf, all)?),
            Err(why @ CertError::NotRsa) => {
                let key = PrivateKeyDer::from_pem_slice(self.key.expose()).map_err(|_| in_key_file(why))?;
                Ok(TlsIdentity::new(key, &leaf, all)?)
            }
            Err(why) => Err(in_key_file(why)),
        }
    }

    fn open_pfx(&self, x5c: &X5c) -> Result<(Credential, Keys), SetupError> {
        let in_key_file = |why| in_file(self.key_file.as_deref(), why);
        let in_certificate_file = |why| in_file(self.certificate_file.as_deref(), why);
        let pfx = Pfx::parse(self.key.expose(), self.passphrase.as_ref()).map_err(in_key_file)?;
        let (key, leaf) = pfx.identity().map_err(in_key_file)?;
        if let Some(hex) = &self.thumbprint
            && !leaf.has_thumbprint(&parse_thumbprint(hex)?)
        {
            return Err(CertError::ThumbprintMismatch.into());
        }
        let x5c = match &self.certificate {
            Some(text) => X5c::Text(text.clone()),
            None => x5c.clone(),
        };
        if let X5c::Text(text) = &x5c
            && Certificate::from_pem(text).map_err(in_certificate_file)? != *leaf
        {
            return Err(CertError::KeyMismatch.into());
        }
        let name = KeyName(OWN_KEY.to_owned());
        let keys = Keys::new();
        keys.add(name.clone(), key)?;
        Ok((Credential::Key(Box::new(pfx.credential(Signer::External(name), &x5c)?)), keys))
    }
}

/// The text, if there are certificates in it.
fn certificates_in(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    Certificate::chain(text).is_ok().then(|| text.to_owned())
}

/// Whether the text of the certificate is at fault, rather than what goes with it.
fn is_about_certificate(why: CertError) -> bool {
    use CertError as C;
    !matches!(why, C::NoThumbprint | C::BadThumbprint | C::ThumbprintMismatch | C::KeyMismatch)
}

fn in_file(path: Option<&Path>, why: CertError) -> SetupError {
    match path {
        Some(path) => SetupError::InFile { path: path.to_owned(), why },
        None => why.into(),
    }
}

impl fmt::Debug for CertificateCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateCredential").field("thumbprint", &self.thumbprint).finish_non_exhaustive()
    }
}
