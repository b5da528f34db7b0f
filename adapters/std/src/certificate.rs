//! A private key with its certificate, from files or memory, as the builder takes it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use sansal::Secret;
use sansal::cert::{Certificate, PrivateKey};
use sansal::client::{Credential, KeyCredential, Signer};
use sansal::error::{CertError, Error};
use sansal::key::KeyName;
use sansal::secret::SecretBytes;

use crate::keys::RingKeys;
use crate::setup::SetupError;

/// The name under which a client holds its own key.
const OWN_KEY: &str = "client certificate";

/// A private key with its certificate, its thumbprint, or both.
///
/// The rules are MSAL's: with a SHA-1 thumbprint the assertion is RS256 with `x5t`, and all certificates go into `x5c`;
/// with a certificate alone it is PS256 with `x5t#S256`, or RS256 with `x5t` at ADFS.
///
/// ```no_run
/// use sansal_std::{CertificateCredential, Secret};
/// let credential = CertificateCredential::file("app.pem")?.passphrase(Secret::from("open sesame"));
/// # Ok::<(), sansal_std::SetupError>(())
/// ```
pub struct CertificateCredential {
    key: SecretBytes,
    certificate: Option<String>,
    passphrase: Option<Secret>,
    thumbprint: Option<String>,
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
            certificate: certificates_in(bytes),
            passphrase: None,
            thumbprint: None,
            key_file: None,
            certificate_file: None,
        }
    }

    /// The same from a file, which is read now.
    ///
    /// # Errors
    /// [`SetupError::File`] when it cannot be read.
    pub fn file(path: impl AsRef<Path>) -> Result<Self, SetupError> {
        let path = path.as_ref();
        let bytes = SecretBytes::new(fs::read(path).map_err(|error| SetupError::file(path, &error))?);
        Ok(Self { key_file: Some(path.to_owned()), ..Self::pem(bytes.expose()) })
    }

    /// The certificates in PEM, the client's first, when they are not in the text of the key.
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
    pub(crate) fn open(self) -> Result<(Credential, RingKeys), SetupError> {
        let key = PrivateKey::parse(self.key.expose(), self.passphrase.as_ref())
            .map_err(|why| in_file(self.key_file.as_deref(), why))?;
        let name = KeyName(OWN_KEY.to_owned());
        let mut keys = RingKeys::new();
        keys.add(name.clone(), &key)?;
        let credential = KeyCredential::with_certificate(
            Signer::External(name),
            Some(&key),
            self.thumbprint.as_deref(),
            self.certificate.as_deref(),
        )
        .map_err(|error| match error {
            Error::Config(sansal::error::Config::Certificate(why)) if is_about_certificate(why) => {
                in_file(self.certificate_file.as_deref(), why)
            }
            other => other.into(),
        })?;
        Ok((Credential::Key(Box::new(credential)), keys))
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
